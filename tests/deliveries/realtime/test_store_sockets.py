"""The socket of a store's orders (SPEC T2): what it begins with, what is said on it to whom, and by asking instead."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Track
from foundation import clock
from foundation.models import Event, Role
from orders import cancellation
from orders.lifecycle import TRACKING_WORDS
from orders.models import Order, Store
from orders.place_order import RequestedItem
from orders.stores import open_orders
from payouts.models import ConnectAccount, PayeeKind
from payouts.runs import connected_accounts
from payouts.runs.stripe_events import AccountUpdated
from tests.builders import (
    TEST,
    acknowledged,
    assigned,
    customer,
    order,
    paid,
    paid_order,
    picking,
    ready,
    searching,
    staff_of,
    store,
    suggested,
    user,
)
from tests.deliveries.api.tracking_calls import step
from tests.deliveries.realtime.sockets_process import Sockets, announce, read, said
from tests.phone_calls import call

pytestmark = pytest.mark.django_db(transaction=True)


def onboarded(seller: Store) -> None:
    """Stripe says that the store may be paid."""
    account_id = f"acct_{seller.pk}"
    row = ConnectAccount.objects.create(payee_kind=PayeeKind.STORE, payee_id=seller.pk, stripe_account=account_id)
    able = {"charges_enabled": True, "payouts_enabled": True, "requirements": {}}
    with transaction.atomic():
        connected_accounts.apply_account_event(
            AccountUpdated(account_id, payee=row.payee, occurred_at=clock.now(), event_id="evt_1", **able)
        )


def lost() -> None:
    """What has happened was marked as said, and nobody heard it."""
    Event.objects.update(announced=True)
    Track.objects.update(announced=True)


def versions(hints: list[dict[str, Any]], placed: Order) -> list[int]:
    return [hint["version"] for hint in hints if hint["order"] == placed.public_id and hint["version"] is not None]


def newest(placed: Order) -> int:
    return Order.objects.get(pk=placed.pk).version


# spec: T2
def test_a_stores_socket_begins_with_its_orders_and_says_what_happens_to_them(hearing: Sockets):
    here, there = store(), store()
    placed, elsewhere, unpaid = paid_order(of=here), paid_order(of=there), order(of=here)
    announce()
    with hearing.watch_store(staff_of(here), here) as socket:
        snapshot = read(socket)
        assert (snapshot["topic"], snapshot["name"], snapshot["version"]) == (f"store:{here.slug}", "snapshot", None)
        assert snapshot["data"]["store_id"] == here.slug
        assert snapshot["data"]["truncated"] is False
        (line,) = snapshot["data"]["orders"]
        assert line["public_id"] == placed.public_id
        assert (line["order_id"], line["version"]) == (placed.order_id, placed.version)
        assert line["current_status"] == TRACKING_WORDS[placed.status] == "STORE_NOTIFIED"

        acknowledged(elsewhere)
        acknowledged(placed)
        announce()
        hints = [read(socket)]
        while versions(hints, placed)[-1] < newest(placed):
            hints.append(read(socket))
        assert {hint["order"] for hint in hints} == {placed.public_id}
        assert all(set(hint) == {"topic", "order", "version", "name"} for hint in hints)
        assert versions(hints, placed) == sorted(set(versions(hints, placed)))
        assert {"order:preparation_changed", "order:status"} <= {hint["name"] for hint in hints}

        paid(unpaid)
        announce()
        assert (read(socket)["order"], unpaid.version > 0) == (unpaid.public_id, True)


# spec: T2, S1
def test_a_storefront_hears_of_its_own_orders_alone(hearing: Sockets):
    here = store()
    mine, other = customer(), customer()
    ours, theirs = paid_order(of=here, by=mine), paid_order(of=here, by=other)
    announce()
    with hearing.watch_store(mine.storefront, here) as own, hearing.watch_store(user(Role.READ_ONLY), here) as all_:
        assert [line["public_id"] for line in read(own)["data"]["orders"]] == [ours.public_id]
        assert {line["public_id"] for line in read(all_)["data"]["orders"]} == {ours.public_id, theirs.public_id}
        acknowledged(theirs)
        acknowledged(ours)
        announce()
        both = said(all_, 2)
        while {hint["order"] for hint in both} != {ours.public_id, theirs.public_id}:
            both.append(read(all_))
        hints = [read(own)]
        while versions(hints, ours)[-1] < newest(ours):
            hints.append(read(own))
        assert {hint["order"] for hint in hints} == {ours.public_id}
        assert not any("storefront" in hint for hint in (*hints, *both))


# spec: T2, P5
def test_a_store_hears_that_stripe_has_verified_it(hearing: Sockets):
    here, there, shop = store(), store(), customer().storefront
    with hearing.watch_store(staff_of(here), here) as own, hearing.watch_store(staff_of(there), there) as other:
        read(own), read(other)
        with hearing.watch_store(shop, here) as storefront:
            read(storefront)
            onboarded(here)
            announce()
            assert read(own) == {"topic": f"store:{here.slug}", "version": None, "name": "chef:stripe_verified"}
            for nobody in (other, storefront):
                with pytest.raises(TimeoutError):
                    nobody.recv(timeout=0.3)


# spec: T2
def test_at_a_store_too_a_lost_hint_is_only_a_late_one(hearing: Sockets):
    """An order that appears, one that changes and one that ends while nobody listens."""
    here = store()
    changes, ends = paid_order(of=here), paid_order(of=here)
    announce()
    with hearing.watch_store(staff_of(here), here) as socket:
        assert len(read(socket)["data"]["orders"]) == 2
        appears = paid_order(of=here)
        acknowledged(changes)
        cancellation.cancel_by_person(ends.pk, reason="changed my mind", by=TEST)
        lost()
        hints = said(socket, 3)  # within COMPARE_EVERY_S
        assert {hint["order"]: hint["version"] for hint in hints} == {
            placed.public_id: newest(placed) for placed in (changes, ends, appears)
        }
        with pytest.raises(TimeoutError):
            socket.recv(timeout=12)  # and is not said again by the next comparison


# spec: T2
@pytest.mark.django_db(transaction=False)
def test_the_most_urgent_come_first_and_too_many_are_cut_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(open_orders, "MAX_ORDERS", 3)
    here, soon = store(), clock.now() + timedelta(minutes=5)
    whenever = paid_order(of=here)
    later = paid_order(of=here, promised_at=soon + timedelta(minutes=30))
    first = paid_order(of=here, promised_at=soon)
    found = open_orders.list_open_orders(here, None)
    assert (list(found.orders), found.truncated) == ([first, later, whenever], False)
    newer = paid_order(of=here)
    found = open_orders.list_open_orders(here, None)
    assert (list(found.orders), found.truncated) == ([first, later, newer], True)


# spec: T2, O6
def test_the_list_says_where_the_customer_has_to_decide(hearing: Sockets):
    placed = picking(paid_order())
    with hearing.watch_store(staff_of(placed.store), placed.store) as socket:
        (line,) = read(socket)["data"]["orders"]
        assert (line["current_status"], line["undecided_substitutions"]) == ("PICKING_IN_PROGRESS", 0)
        suggested(placed, (0, RequestedItem(name="Curd", quantity=1, price_minor=5_000)))
        (line,) = call(user(), "get", f"/api/v1/live/stores/{placed.store.slug}").body["orders"]
        assert (line["current_status"], line["undecided_substitutions"]) == ("SUBSTITUTIONS_NEEDED", 1)
        announce()
        hints = [read(socket)]
        while versions(hints, placed)[-1] < newest(placed):
            hints.append(read(socket))
        assert "order:status" in {hint["name"] for hint in hints}


# spec: T2
def test_who_asks_is_shown_what_the_socket_begins_with(hearing: Sockets):
    here = store()
    delivery = assigned(delivery=searching(ready(paid_order(of=here))))
    address, somebody = f"/api/v1/live/stores/{here.slug}", staff_of(here)
    shown = call(somebody, "get", address)
    with hearing.watch_store(somebody, here) as socket:
        assert shown.body == read(socket)["data"]
    assert call(somebody, "get", address, if_none_match=shown.headers["ETag"]).status == 304
    step(delivery, DeliveryStatus.PICKED_UP)
    fresh = call(somebody, "get", address, if_none_match=shown.headers["ETag"])
    assert [line["current_status"] for line in fresh.body["orders"]] == ["DRIVER_PICKUP_COMPLETE"]
    for to in (DeliveryStatus.IN_TRANSIT, DeliveryStatus.DELIVERED):
        step(delivery, to)
    assert call(somebody, "get", address, if_none_match=fresh.headers["ETag"]).body["orders"] == []
    assert call(somebody, "get", "/api/v1/live/stores/nowhere").code == "STORE_NOT_FOUND"
