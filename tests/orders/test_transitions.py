"""Moving one order: forward only, times once, a history without gaps."""

from datetime import timedelta

import pytest
from django.db import transaction

from foundation import clock
from foundation.errors import IllegalMove
from foundation.models import Event, Job
from orders import locks, selectors, transitions
from orders.lifecycle import CarriageState, OrderStatus, PaymentState, PreparationState
from orders.models import Order
from tests import builders

pytestmark = pytest.mark.django_db
BY = builders.TEST


def advance(order: Order, **axes) -> bool:
    with transaction.atomic():
        moved = transitions.advance_axes(locks.lock_order(order.pk), by=BY, **axes)
    order.refresh_from_db()
    return moved


def events(order: Order) -> list[Event]:
    return list(Event.objects.filter(subject=f"order:{order.pk}").order_by("version"))


# spec: O2
def test_every_move_is_in_the_history_with_both_times_and_its_cause() -> None:
    order = builders.order()
    happened = clock.now() - timedelta(minutes=3)
    advance(order, payment=PaymentState.PAID, occurred_at=happened, why="a test")
    moved = selectors.status_history(order).get()
    assert moved.data == {"from": "pending", "to": "payment_confirmed", "why": "a test"}
    assert (moved.actor, moved.cause, moved.occurred_at) == (BY.actor, BY.cause, happened)
    assert moved.recorded_at > happened
    assert moved.order_ref == order.public_id
    assert order.paid_at == happened


# spec: O2
def test_versions_count_up_without_gaps_and_the_order_shows_the_last() -> None:
    order = builders.ready(builders.paid_order())
    versions = [event.version for event in events(order)]
    assert versions == list(range(1, len(versions) + 1))
    assert order.version == versions[-1]


# spec: O1
def test_evidence_skips_steps_and_never_leads_back() -> None:
    order = builders.order()
    advance(order, payment=PaymentState.PAID)
    assert advance(order, preparation=PreparationState.READY)
    assert not advance(order, preparation=PreparationState.ACKNOWLEDGED)
    assert order.status == OrderStatus.READY_FOR_PICKUP


# spec: O1, O2
def test_a_late_fact_brings_its_time_once_and_moves_nothing() -> None:
    order = builders.ready(builders.paid_order())
    advance(order, carriage=CarriageState.IN_TRANSIT, attempt=1)
    fetched = clock.now() - timedelta(minutes=9)
    status, count = order.status, len(events(order))
    assert not advance(order, carriage=CarriageState.PICKED_UP, attempt=1, occurred_at=fetched)
    assert not advance(order, carriage=CarriageState.PICKED_UP, attempt=1, occurred_at=clock.now())
    assert order.picked_up_at == fetched
    assert order.status == status
    assert len(events(order)) == count


# spec: O1
def test_an_end_that_did_not_come_about_leaves_no_time() -> None:
    order = builders.paid_order()
    assert not advance(order, payment=PaymentState.CANCELLED)
    assert order.failed_at is None


# spec: O1
def test_news_of_an_earlier_delivery_moves_nothing() -> None:
    order = builders.ready(builders.paid_order())
    advance(order, carriage=CarriageState.FAILED, attempt=1)
    assert order.status == OrderStatus.DELIVERY_FAILED
    with transaction.atomic():
        assert transitions.reset_carriage(locks.lock_order(order.pk), 2, by=BY)
    assert not advance(order, carriage=CarriageState.DELIVERED, attempt=1)
    order.refresh_from_db()
    assert (order.carriage, order.attempt, order.status) == ("none", 2, OrderStatus.READY_FOR_PICKUP)
    assert order.delivered_at is None
    assert order.failed_at is None


def test_news_of_a_later_delivery_starts_the_carriage_anew() -> None:
    order = builders.ready(builders.paid_order())
    advance(order, carriage=CarriageState.PICKED_UP, attempt=1)
    assert advance(order, carriage=CarriageState.ASSIGNED, attempt=2)
    assert (order.carriage, order.attempt, order.picked_up_at) == ("assigned", 2, None)


def test_one_end_replaces_the_other_only_when_told_to() -> None:
    order = builders.ready(builders.paid_order())
    advance(order, carriage=CarriageState.DELIVERED, attempt=1)
    assert not advance(order, carriage=CarriageState.FAILED, attempt=1)
    assert advance(order, carriage=CarriageState.FAILED, attempt=1, overrule=True)
    assert order.status == OrderStatus.DELIVERY_FAILED


# spec: O1
def test_a_strict_move_that_is_not_legal_changes_nothing() -> None:
    order = builders.paid_order()
    before = events(order)
    with pytest.raises(IllegalMove), transaction.atomic():
        transitions.take_strict_step(locks.lock_order(order.pk), OrderStatus.READY_FOR_PICKUP, by=BY)
    order.refresh_from_db()
    assert order.status == OrderStatus.STORE_NOTIFIED
    assert events(order) == before


@pytest.mark.parametrize("target", ["payment_confirmed", "cancelled", "failed"])
def test_what_follows_from_money_or_verbs_cannot_be_set_by_hand(target) -> None:
    order = builders.order()
    with pytest.raises(IllegalMove, match="by hand"), transaction.atomic():
        transitions.take_strict_step(locks.lock_order(order.pk), OrderStatus(target), by=BY)


def test_a_lost_carrier_is_not_the_store_s_to_report() -> None:
    order = builders.ready(builders.paid_order())
    advance(order, carriage=CarriageState.ASSIGNED, attempt=1)
    with pytest.raises(IllegalMove, match="by hand"), transaction.atomic():
        transitions.take_strict_step(locks.lock_order(order.pk), OrderStatus.READY_FOR_PICKUP, by=BY)


def test_that_the_customer_must_answer_follows_from_proposals_alone() -> None:
    order = builders.picking(builders.paid_order())
    with pytest.raises(IllegalMove, match="proposals"), transaction.atomic():
        transitions.take_strict_step(locks.lock_order(order.pk), OrderStatus.SUBSTITUTIONS_NEEDED, by=BY)


def test_the_rooms_above_are_set_going_by_what_moved() -> None:
    order = builders.acknowledged(builders.paid_order())
    handlers = set(Job.objects.filter(subject=f"order:{order.pk}").values_list("handler", flat=True))
    assert {"payouts.book_order", "deliveries.follow_order"} <= handlers
