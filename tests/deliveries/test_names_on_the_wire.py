"""Every event that the code records, by the name that watchers hear: the contracts' names where they give one (SPEC T2,
P1, P2, P4, P5)."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import connection, transaction

from deliveries.lifecycle import DeliveryStatus
from deliveries.realtime import publisher
from foundation import clock
from orders import payments
from orders.evidence import PaymentFailed
from orders.lifecycle import CarriageState
from orders.models import Order
from payouts.models import ConnectAccount, PayeeKind
from payouts.runs import connected_accounts
from payouts.runs.stripe_events import AccountUpdated
from tests import database_copies as copies
from tests.builders import assigned, moved, order, paid, refund_of
from tests.queues import drain_queues
from tests.test_house import FLOORS, ROOT, sources

CONTRACT = {
    "order:payment_confirmed",
    "order:payment_failed",
    "order:refunded",
    "order:delivered",
    "chef:stripe_verified",
}
OURS = {"order:status", "delivery:driver", "delivery:status"}
# An order's own events keep their name, with a colon; what is not an order's is told to nobody. But for:
ELSE: dict[str, set[str]] = {
    "order.status_changed": {"order:status"},
    "order.carriage_changed": {"delivery:driver", "delivery:status"},
    "delivery.driver_changed": {"delivery:driver"},
    "store.stripe_verified": {"chef:stripe_verified"},
}
RECORDING = {"record_event", "_record_event"}


def recorded() -> set[str]:
    """Whatever has the shape of an event's name in files that record events (some of it names messages, which does no
    harm here)."""
    return {name for path in sources(*FLOORS) if path.suffix == ".py" for name in _names(path)}


def _names(path: Path) -> Iterator[str]:
    tree = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    called = {getattr(node.func, "attr", getattr(node.func, "id", "")) for node in tree if isinstance(node, ast.Call)}
    if called & RECORDING:
        for node in tree:
            if isinstance(node, ast.Constant) and re.fullmatch(r"[a-z_]+\.[a-z_]+", str(node.value)):
                yield str(node.value)


def on_the_wire(event: str) -> set[str]:
    """The names that watchers of an order, or of the store, hear for it."""
    kind = event.partition(".")[0]
    facts = [{"to": str(state)} for state in CarriageState]
    return {
        hint["name"]
        for data in facts
        for hint in publisher.hints_of(event, f"{kind}:1", "o_x" if kind != "store" else "", 1, data, "corner", 5)
    }


# spec: T2
def test_every_recorded_event_has_the_name_that_is_agreed():
    names = recorded()
    assert set(ELSE) <= names
    assert len(names) > 40  # the walk finds them
    for name in names:
        expected = {name.replace(".", ":")} if name.startswith("order.") else set()
        assert on_the_wire(name) == ELSE.get(name, expected), name
    assert {heard for name in names for heard in on_the_wire(name)} >= CONTRACT | OURS


# spec: T2
def test_the_names_of_the_contracts_are_explained_to_those_who_connect():
    manual = (ROOT / "docs" / "live.md").read_text()
    missing = [name for name in CONTRACT | OURS | {"delivery:location", "delivery:eta"} if f"`{name}`" not in manual]
    assert missing == []


# spec: T2, P1, P2, P4, P5
@pytest.mark.django_db
def test_what_happens_is_said_by_the_contracts_names(broker: redis.Redis, settings):
    """By the verbs that make it happen, and as it leaves."""
    with broker.pubsub() as listener:
        listener.subscribe(publisher.channel_name(settings.LIVE_URL))
        assert listener.get_message(timeout=5)["type"] == "subscribe"
        placed = order()
        payments.apply_payment_event(PaymentFailed(**failure(placed)))
        paid(placed)
        payments.apply_payment_event(refund_of(placed, 1_000))
        onboard(placed)
        delivery = moved(assigned(), DeliveryStatus.DELIVERED)
        drain_queues(publisher.QUEUE)
        hints = []
        while message := listener.get_message(timeout=1):
            hints += json.loads(message["data"])
    heard = {(hint["topic"], hint["name"]) for hint in hints}
    for one, names in (
        (placed, CONTRACT - {"order:delivered", "chef:stripe_verified"}),
        (delivery.order, {"order:delivered"}),
    ):
        assert {(f"order:{one.public_id}", name) for name in names} <= heard
        assert {(f"store:{one.store.slug}", name) for name in names} <= heard
    assert (f"store:{placed.store.slug}", "chef:stripe_verified") in heard


def failure(placed: Order) -> dict[str, Any]:
    return {
        "intent_id": placed.stripe_payment_intent,
        "order_ref": placed.public_id,
        "event_id": "evt_failed",
        "reason": "declined",
        "occurred_at": clock.now(),
    }


def onboard(placed: Order) -> None:
    row = ConnectAccount.objects.create(payee_kind=PayeeKind.STORE, payee_id=placed.store_id, stripe_account="acct_1")
    able = {"charges_enabled": True, "payouts_enabled": True, "requirements": {}}
    with transaction.atomic():
        connected_accounts.apply_account_event(
            AccountUpdated("acct_1", payee=row.payee, occurred_at=clock.now(), event_id="evt_1", **able)
        )


# ── what it costs ────────────────────────────────────────────────────────────────────────────────────────────────
MANY = 20_000


# spec: T2
@pytest.mark.django_db
def test_among_many_orders_claiming_and_comparing_go_by_indexes():
    """The store is found by the order's index, however many orders there are: no table is read through."""
    copies.of_order(paid(order()), MANY, status="delivered")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO foundation_event (name, subject, order_ref, version, data, actor, cause, occurred_at,"
            " recorded_at, announced) SELECT 'order.rated', 'order:' || id, public_id, 90, '{}', '', '', now(),"
            " now() - interval '1 day', true FROM orders_order"
        )
        cursor.execute("ANALYZE orders_order, foundation_event")
        claim = plan(cursor, publisher._CLAIM_EVENTS, [publisher.QUEUE.batch])
        compare = plan(cursor, publisher._CHANGED, [70.0])
    for text in (claim, compare):
        assert "Seq Scan on orders_order" not in text, text
        assert "Seq Scan on foundation_event" not in text, text


def plan(cursor: Any, statement: str, params: list[Any]) -> str:
    cursor.execute("EXPLAIN " + statement, params)
    return "\n".join(row[0] for row in cursor.fetchall())
