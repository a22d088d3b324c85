"""What the door promises about rows: one per event, committed before 200, found by the contract's SQL (SPEC W2, W3)."""

import hashlib
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from foundation import clock
from foundation.evidence import EventOutcome
from foundation.webhook import IncomingEvent, VerifiedSignature, WebhookRequest
from foundation.webhook import WebhookProvider as ProviderDoor
from foundation.work import WorkState
from ops import retention
from tests.webhooks.conftest import Door, refusals
from tests.webhooks.stripe_events import event, raw, sign
from webhooks import intake, registry, storage
from webhooks.models import WebhookEvent

PATH = "/webhooks/stripe"
pytestmark = pytest.mark.usefixtures("stripe_secrets")


def post(door: Door, payload: dict[str, Any]):
    body = raw(payload)
    return door(PATH, body, {"Stripe-Signature": sign(body)})


# spec: W2, W3
def test_fifty_at_once_are_one_row_and_fifty_answers(door: Door):
    payload, together = event("payment_intent.succeeded"), threading.Barrier(25)

    def request(_: int) -> tuple[int, bytes]:
        together.wait()
        answer = post(door, payload)
        storage.close_connection()
        connection.close()
        return answer.status, answer.body

    with ThreadPoolExecutor(25) as threads:
        answers = list(threads.map(request, range(50)))
    assert set(answers) == {(200, b'{"received": true}')}
    assert WebhookEvent.objects.count() == 1


def test_the_contracts_columns_and_its_example_query(door: Door):
    for _ in range(3):
        post(door, event("payment_intent.succeeded"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM webhook_events WHERE provider = 'stripe' ORDER BY created_at DESC LIMIT 20")
        names = {column.name for column in cursor.description}
        assert len(cursor.fetchall()) == 3
    assert names >= {
        "id", "provider", "event_type", "event_id", "payload", "signature",
        "processed", "processed_at", "error_message", "retry_count", "created_at",
    }  # fmt: skip


def test_the_contracts_insert_runs(transactional_db: None):
    """A row written by hand, with the contract's columns alone, is worked on like any other."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO webhook_events (provider, event_type, event_id, payload, signature)"
            " VALUES ('stripe', 'customer.created', 'evt_by_hand', '{}', '')"
        )
    row = WebhookEvent.objects.get()
    assert (row.state, row.processed, row.retry_count, row.error_message) == (WorkState.PENDING, False, 0, "")


def test_processed_follows_the_state(transactional_db: None):
    for state in WorkState:
        made = WebhookEvent.objects.create(
            provider="stripe", event_type="a", event_id=f"evt_{state}", payload={}, state=state
        )
        made.refresh_from_db()
        assert made.processed == (state in (WorkState.DONE, WorkState.IGNORED, WorkState.DISCARDED))


def test_200_is_said_after_the_commit(lane: Door):
    """Seen from another connection, in the moment of the answer."""
    post(lane, event("payment_intent.succeeded"))
    with psycopg.connect(**psycopg.conninfo.conninfo_to_dict(dsn())) as other:
        assert other.execute("SELECT count(*) FROM webhook_events").fetchone() == (1,)


def dsn() -> str:
    params = connection.get_connection_params()
    return psycopg.conninfo.make_conninfo(
        "", **{name: params[name] for name in ("dbname", "user", "host", "port", "password") if params.get(name)}
    )


# spec: W5
def test_a_connection_that_broke_is_replaced_once(lane: Door):
    assert post(lane, event("payment_intent.succeeded")).status == 200
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [storage._thread.cursor.connection.info.backend_pid])
    assert post(lane, event("payment_intent.succeeded")).status == 200
    assert WebhookEvent.objects.count() == 2
    assert refusals() == []


def test_without_a_database_the_provider_is_asked_to_come_again(door: Door, monkeypatch: pytest.MonkeyPatch):
    def unreachable(*_: Any, **__: Any) -> None:
        raise psycopg.OperationalError("the database is gone")

    storage.close_connection()
    monkeypatch.setattr(psycopg, "connect", unreachable)
    answer = post(door, event("payment_intent.succeeded"))
    assert (answer.status, answer.json["code"]) == (503, "UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) > 0
    monkeypatch.undo()
    assert not WebhookEvent.objects.exists()


class Parcel(ProviderDoor):
    """A provider as several are: many events in one form-encoded request, no id of its own."""

    provider = "parcel"
    accepted = {"ok": 1}
    content_types = frozenset({"application/x-www-form-urlencoded"})

    def verify_signature(self, request: WebhookRequest) -> VerifiedSignature:
        return VerifiedSignature("")

    def parse_body(self, raw: bytes) -> Any:
        return re.findall(r"e=(\w+)", raw.decode())

    def list_events(self, payload: Any, verified: VerifiedSignature) -> list[IncomingEvent]:
        return [IncomingEvent("parcel.moved", name, {"name": name}) for name in payload]

    def handle(self, event_type: str, event_id: str, payload: Any) -> EventOutcome:
        return EventOutcome.IGNORED


@pytest.fixture
def parcel(monkeypatch: pytest.MonkeyPatch) -> None:
    both = {**registry.webhook_providers(), "parcel": Parcel()}
    monkeypatch.setattr(registry, "webhook_providers", lambda: both)


@pytest.mark.usefixtures("parcel")
class TestManyInOne:
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    def test_each_event_of_a_request_is_a_row(self, door: Door):
        answer = door("/webhooks/parcel", b"e=a&e=b&e=c", self.form)
        assert (answer.status, answer.json) == (200, {"ok": 1})
        rows = WebhookEvent.objects.order_by("event_id").values_list("event_id", "payload", "body")
        assert list(rows) == [(name, {"name": name}, None) for name in "abc"]

    def test_those_known_already_are_left_alone(self, door: Door):
        door("/webhooks/parcel", b"e=b", self.form)
        assert bytes(WebhookEvent.objects.get().body) == b"e=b"
        assert door("/webhooks/parcel", b"e=a&e=b&e=c", self.form).status == 200
        assert WebhookEvent.objects.count() == 3

    def test_all_or_none(self, door: Door):
        assert door("/webhooks/parcel", b"e=a&e=" + b"x" * 300, self.form).status == 400
        assert not WebhookEvent.objects.exists()


def test_all_doors_answer_json_that_can_be_parsed(transactional_db: None):
    for door in registry.webhook_providers().values():
        assert json.loads(intake._accepted_reply(door).body) == dict(door.accepted)


def test_nothing_on_the_way_in_knows_a_broker():
    """SPEC W5: an import of Celery or Redis in these modules would be the first step to waiting for one."""
    for module in ("intake", "fast_lane", "views", "storage", "rejections", "pos_callback"):
        source = (Path(intake.__file__).parent / f"{module}.py").read_text()
        assert not re.search(r"^\s*(from|import) (celery|redis|kombu)|\.delay\(|apply_async", source, re.MULTILINE)


def test_after_thirty_days_a_digest_takes_the_bodys_place(lane: Door):
    payload = event("payment_intent.succeeded")
    post(lane, payload)
    retention.forget_old_rows()
    assert bytes(WebhookEvent.objects.get().body) == raw(payload)
    WebhookEvent.objects.update(created_at=clock.now() - timedelta(days=31))
    retention.forget_old_rows()
    kept = WebhookEvent.objects.get()
    assert kept.body is None
    assert kept.body_sha256 == hashlib.sha256(raw(payload)).hexdigest()
    assert kept.payload == payload
