"""PetPooja's callback: its contract's bodies and codes, told while it waits (SPEC W3, W7, O5)."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import OperationalError

from foundation.work import WorkState
from notifications.models import Incident
from orders.lifecycle import OrderStatus
from orders.models import Order
from orders.pos import callbacks
from tests import builders
from tests.webhooks.conftest import Answer, refusals, wsgi_client
from webhooks import processing
from webhooks.fast_lane import WebhookFastLane
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db
Call = Callable[..., Answer]


@pytest.fixture
def order() -> Order:
    return builders.paid_order(of=builders.petpooja_store(slug="spice-house", pos_rest_id="rest-77"))


@pytest.fixture
def call() -> Call:
    """Post a callback to a slug; a dict is sent as JSON."""
    client = wsgi_client(WebhookFastLane(WSGIHandler()))

    def post(payload: Any, *, slug: str = "spice-house", query: str = "", **more: Any) -> Answer:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return client(f"/pp_callback/{slug}/{query}", body, **more)

    return post


def callback(order: Order, status: Any = "1", **fields: Any) -> dict[str, Any]:
    """As the contract's example."""
    return {
        "restID": "rest-77",
        "orderID": order.public_id,
        "status": status,
        "cancel_reason": "",
        "minimum_prep_time": 20,
        "minimum_delivery_time": "",
        "rider_name": "",
        "rider_phone_number": "",
        "is_modified": "No",
        **fields,
    }


# spec: W3, O5
@pytest.mark.parametrize(
    ("status", "word", "is_now"),
    [
        ("1", "confirmed", OrderStatus.CONFIRMED),
        ("2", "confirmed", OrderStatus.CONFIRMED),
        ("3", "confirmed", OrderStatus.CONFIRMED),
        (1, "confirmed", OrderStatus.CONFIRMED),
        ("5", "food_ready", OrderStatus.READY_FOR_PICKUP),
        ("-1", "cancelled", OrderStatus.CANCELLED),
        (-1, "cancelled", OrderStatus.CANCELLED),
    ],
)
def test_the_contracts_example(status: Any, word: str, is_now: str, order: Order, call: Call):
    answer = call(callback(order, status))
    assert (answer.status, answer.json) == (
        200,
        {
            "success": True,
            "message": "Order status updated successfully",
            "order_id": order.public_id,
            "new_status": word,
        },
    )
    order.refresh_from_db()
    assert order.status == is_now
    assert order.pos_response == callback(order, status)


# spec: W2
def test_a_callback_is_kept_like_every_webhook(order: Order, call: Call):
    call(callback(order))
    kept = WebhookEvent.objects.get()
    assert (kept.provider, kept.state, kept.processed, kept.signature) == ("petpooja", WorkState.DONE, True, "")
    assert kept.payload == callback(order)
    assert json.loads(bytes(kept.body)) == callback(order)
    assert refusals() == []


def test_the_same_callback_again_is_answered_the_same_and_kept_once(order: Order, call: Call):
    first, again = call(callback(order)), call(callback(order))
    assert (first.status, first.body) == (again.status, again.body)
    assert WebhookEvent.objects.count() == 1


def test_a_late_callback_moves_nothing_and_says_where_the_order_is(order: Order, call: Call):
    call(callback(order, "5"))
    assert call(callback(order, "1")).json["new_status"] == "food_ready"
    order.refresh_from_db()
    assert order.status == OrderStatus.READY_FOR_PICKUP
    assert WebhookEvent.objects.count() == 2


@pytest.mark.parametrize("status", ["4", "10", 4])
def test_dispatch_and_delivered_are_answered_kept_and_ignored(status: Any, order: Order, call: Call):
    answer = call(callback(order, status))
    assert (answer.status, answer.json["new_status"]) == (200, "processing")
    assert WebhookEvent.objects.get().state == WorkState.IGNORED


# spec: O1
def test_an_unpaid_order_is_not_moved_and_ops_is_told(call: Call):
    unpaid = builders.order(of=builders.petpooja_store(slug="spice-house", pos_rest_id="rest-77"))
    answer = call(callback(unpaid))
    assert (answer.status, answer.json["new_status"]) == (200, "processing")
    unpaid.refresh_from_db()
    assert unpaid.status == OrderStatus.PENDING
    assert Incident.objects.get().kind == "pos_before_payment"


REFUSED: dict[str, tuple[Callable[[dict[str, Any]], Any], dict[str, Any], int]] = {
    "unknown slug": (lambda c: c, {"slug": "nobody"}, 404),
    "slug of another shape": (lambda c: c, {"slug": "spice house!"}, 400),
    "unknown order": (lambda c: c | {"orderID": "o_nobody"}, {}, 404),
    "the storefront's own order id": (lambda c: c | {"orderID": "order-1"}, {}, 404),
    "malformed order id": (lambda c: c | {"orderID": "../../etc"}, {}, 400),
    "order id with a NUL": (lambda c: json.dumps(c).replace(c["orderID"], "a\\u0000").encode(), {}, 400),
    "no order id": (lambda c: {k: v for k, v in c.items() if k != "orderID"}, {}, 400),
    "restID of another store": (lambda c: c | {"restID": "rest-1"}, {}, 404),
    "no restID": (lambda c: c | {"restID": ""}, {}, 404),
    "unknown status": (lambda c: c | {"status": "7"}, {}, 400),
    "no status": (lambda c: c | {"status": None}, {}, 400),
    "status is a list": (lambda c: c | {"status": ["1"]}, {}, 400),
    "a list": (lambda c: [c], {}, 400),
    "not JSON": (lambda c: b"status=1", {}, 400),
    "not UTF-8": (lambda c: b'{"status": "\xff"}', {}, 400),
    "empty": (lambda c: b"", {}, 400),
    "nested too deeply": (lambda c: b"[" * 5_000 + b"]" * 5_000, {}, 400),
    "1 MB": (lambda c: c | {"cancel_reason": "x" * 1_000_000}, {}, 413),
    "a form": (lambda c: c, {"headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 415),
    "GET": (lambda c: b"", {"method": "GET"}, 405),
}


# spec: W7
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_refused_in_the_contracts_words(name: str, order: Order, call: Call):
    change, more, status = REFUSED[name]
    answer = call(change(callback(order)), **more)
    assert answer.status == status, answer.body
    assert answer.json.keys() == {"success", "message", "order_id"}
    assert answer.json["success"] is False
    assert answer.json["message"]
    order.refresh_from_db()
    assert order.status == OrderStatus.STORE_NOTIFIED
    assert not WebhookEvent.objects.exists()
    assert [(provider, code) for provider, code, _ in refusals()] == [("petpooja", status)]


def test_a_refusal_names_the_order_it_was_about(order: Order, call: Call):
    assert call(callback(order, "7")).json["order_id"] == order.public_id
    assert call(b"nonsense").json["order_id"] is None


def test_an_order_of_another_store_is_not_found(order: Order, call: Call):
    other = builders.petpooja_store(slug="other-house", pos_rest_id="rest-88")
    assert call(callback(order, restID=other.pos_rest_id), slug="other-house").status == 404


class TestToken:
    @pytest.fixture
    def order(self) -> Order:
        store = builders.petpooja_store(slug="spice-house", pos_rest_id="rest-77", pos_callback_token="open-sesame")
        return builders.paid_order(of=store)

    @pytest.mark.parametrize(
        "way",
        [
            {"query": "?token=open-sesame"},
            {"headers": {"Authorization": "open-sesame"}},
            {"headers": {"Authorization": "Bearer open-sesame"}},
        ],
    )
    def test_the_token_may_come_in_the_query_or_the_header(self, way: dict[str, Any], order: Order, call: Call):
        assert call(callback(order), **way).status == 200
        assert "sesame" not in str(WebhookEvent.objects.values().get())

    @pytest.mark.parametrize("way", [{}, {"query": "?token=open"}, {"headers": {"Authorization": "Bearer é"}}])
    def test_without_it_nothing_is_taken(self, way: dict[str, Any], order: Order, call: Call):
        answer = call(callback(order), **way)
        assert (answer.status, answer.json["success"]) == (401, False)
        assert not WebhookEvent.objects.exists()


def test_a_failure_here_is_500_and_changes_nothing(order: Order, call: Call, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(callbacks, "apply_callback", fail)
    answer = call(callback(order))
    assert (answer.status, answer.json["success"], answer.json["order_id"]) == (500, False, order.public_id)
    assert not WebhookEvent.objects.exists()


def test_a_lock_held_too_long_is_tried_again(order: Order, call: Call, monkeypatch: pytest.MonkeyPatch):
    take, failures = callbacks.apply_callback, [OperationalError("deadlock detected")]

    def stumble(evidence: Any) -> Any:
        if failures:
            raise failures.pop()
        return take(evidence)

    monkeypatch.setattr(callbacks, "apply_callback", stumble)
    assert call(callback(order)).status == 200


def test_a_kept_callback_leaves_the_lane_nothing_to_do(order: Order, call: Call):
    call(callback(order))
    assert processing.QUEUE.drain_once() == 0


def test_the_address_ends_with_a_slash_and_nothing_is_redirected(order: Order):
    client = wsgi_client(WebhookFastLane(WSGIHandler()))
    assert client("/pp_callback/spice-house", json.dumps(callback(order)).encode()).status == 404
