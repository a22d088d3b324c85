"""A delivery's life from its order's side (SPEC O3, O7, O8, D3): opened, brought forward, lost, failed, called off."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from deliveries.dispatch import search
from deliveries.fulfilment import ops_actions, rider_steps, transitions
from deliveries.lifecycle import DeliveryStatus, OfferStatus
from deliveries.models import Delivery, Offer
from deliveries.reactions import follow_order
from foundation import clock
from foundation.errors import Conflict, Invalid
from foundation.events import Cause
from foundation.models import Event, Job
from foundation.work import WorkState
from notifications.models import Incident, IncidentStatus, Message
from orders import cancellation, locks, payments, refunds
from orders.lifecycle import CarriageState, OrderStatus
from orders.models import Order, Refund
from riders import capacity
from riders.models import Rider
from tests.builders import (
    TEST,
    acknowledged,
    assigned,
    dispatch,
    moved,
    near,
    offered,
    order,
    paid,
    paid_order,
    ready,
    refund_of,
    rider,
    store,
)
from tests.builders import searching as searching_delivery

pytestmark = pytest.mark.django_db
OPS = Cause("user:1", "admin")


def only(placed: Order) -> Delivery:
    return Delivery.objects.get(order=placed)


def cancel(placed: Order) -> None:
    cancellation.cancel_by_person(placed.pk, by=TEST, reason="changed mind")


# ── following the order ──────────────────────────────────────────────────────────────────────────────────────────
# spec: O3
def test_nothing_is_opened_before_the_order_is_paid_and_acknowledged():
    placed = order()
    follow_order(placed.pk)
    paid(placed)
    follow_order(placed.pk)
    assert not Delivery.objects.exists()
    acknowledged(placed)
    follow_order(placed.pk)
    delivery = only(placed)
    assert (delivery.attempt, delivery.external_id) == (1, f"{placed.public_id}-1")
    assert (delivery.fee_minor, delivery.currency) == (5_000, "INR")
    assert delivery.distance_m == pytest.approx(2000, abs=5)


# spec: O3
@pytest.mark.parametrize(("prep_minutes", "wait_s"), [(30, 20 * 60), (5, 0)])
def test_a_rider_is_looked_for_some_minutes_before_the_order_is_ready(settings, prep_minutes: int, wait_s: int):
    settings.DISPATCH_LEAD_SECONDS = 600
    placed = acknowledged(paid_order(), prep_minutes=prep_minutes)
    follow_order(placed.pk)
    due_in = (only(placed).due_at - clock.now()).total_seconds()
    assert due_in == pytest.approx(wait_s, abs=15)
    ready(placed)
    follow_order(placed.pk)
    assert only(placed).due_at <= clock.now()


# spec: O3
def test_following_twice_or_late_changes_nothing():
    placed = ready(paid_order())
    for _ in range(3):
        follow_order(placed.pk)
    assert Delivery.objects.count() == Event.objects.filter(name="delivery.opened").count() == 1
    delivery = moved(assigned(rider(), only(placed)), DeliveryStatus.DELIVERED)
    events = Event.objects.count()
    follow_order(placed.pk)
    assert (Delivery.objects.count(), Event.objects.count()) == (1, events)
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.DELIVERED


# spec: O7
def test_an_order_called_off_while_searching_ends_the_search():
    delivery = searching_delivery()
    cancel(delivery.order)
    follow_order(delivery.order_id)
    follow_order(delivery.order_id)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.state, delivery.rider) == (DeliveryStatus.CANCELLED, WorkState.DONE, None)
    rider()
    dispatch()
    assert not Offer.objects.exists()
    ended = Event.objects.get(name="delivery.ended")
    assert ended.data == {"attempt": 1, "status": "cancelled", "reason": "changed mind"}
    assert Job.objects.filter(handler="payouts.book_delivery", subject=f"delivery:{delivery.pk}").count() == 1


# spec: O7, D2
def test_an_order_called_off_while_it_is_offered_takes_the_offer_back():
    offer = offered()
    cancel(offer.delivery.order)
    follow_order(offer.delivery.order_id)
    offer.refresh_from_db()
    assert offer.status == OfferStatus.WITHDRAWN
    assert Rider.objects.get(pk=offer.rider_id).load == 0
    assert Message.objects.filter(event="offer.withdrawn", recipient=offer.rider.recipient).count() == 1


# spec: O7, O8
def test_a_full_refund_calls_the_rider_back_before_pickup_and_not_after():
    fetched, carried = assigned(), moved(assigned(), DeliveryStatus.PICKED_UP)
    for delivery in (fetched, carried):
        payments.apply_payment_event(refund_of(delivery.order, delivery.order.total_minor))
        follow_order(delivery.order_id)
        delivery.refresh_from_db()
    assert (fetched.status, carried.status) == (DeliveryStatus.CANCELLED, DeliveryStatus.PICKED_UP)


# spec: R4, O7
def test_a_cancelled_order_is_not_handed_over_even_before_the_reaction_has_run():
    delivery = assigned()
    cancel(delivery.order)
    with pytest.raises(Conflict) as refused:
        rider_steps.take_step(delivery.order_id, delivery.rider, DeliveryStatus.PICKED_UP, None, by=TEST)
    assert refused.value.code == "ORDER_CANCELLED"


# ── losing, failing, trying again ────────────────────────────────────────────────────────────────────────────────
# spec: A3, O1
def test_a_lost_rider_is_replaced_on_the_same_delivery():
    delivery = assigned(rider("First"))
    ops_actions.take_away(delivery.order_id, "phone is off", by=OPS)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.rider, delivery.driver_details) == (DeliveryStatus.SEARCHING, None, {})
    placed = Order.objects.get(pk=delivery.order_id)
    assert (placed.status, placed.carriage) == (OrderStatus.READY_FOR_PICKUP, CarriageState.NONE)
    second = rider("Second", at=near(north_m=900))
    dispatch()
    offer = Offer.objects.get(delivery=delivery, status=OfferStatus.PENDING)
    assert offer.rider == second  # not the one it was taken from, who is nearer
    with pytest.raises(Conflict, match="dispatch is looking"):
        ops_actions.take_away(delivery.order_id, "again", by=OPS)


# spec: A3, O8
def test_a_failed_delivery_is_refunded_later_and_tried_again_before_that():
    placed = paid_order(of=store(refund_delay_s=3600))
    delivery = moved(assigned(delivery=searching_delivery(ready(placed))), DeliveryStatus.IN_TRANSIT)
    with pytest.raises(Invalid, match="say why"):
        ops_actions.fail_delivery(placed.pk, " ", by=OPS)
    ops_actions.fail_delivery(placed.pk, "bike stolen", by=OPS)
    ops_actions.fail_delivery(placed.pk, "said twice", by=OPS)
    placed.refresh_from_db()
    assert placed.status == OrderStatus.DELIVERY_FAILED
    waiting = Refund.objects.get(order=placed)
    assert (waiting.state, waiting.due_at > clock.now() + timedelta(minutes=50)) == (WorkState.PENDING, True)
    ticket = Incident.objects.get(kind="delivery_failed")
    follow_order(placed.pk)
    assert Delivery.objects.count() == 1  # a failed delivery is not tried again by itself

    again = ops_actions.try_again(placed.pk, by=OPS)
    assert (again.attempt, again.status, again.external_id) == (2, "searching", f"{placed.public_id}-2")
    waiting.refresh_from_db()
    ticket.refresh_from_db()
    placed.refresh_from_db()
    assert (waiting.state, ticket.status) == (WorkState.DISCARDED, IncidentStatus.RESOLVED)
    assert (placed.status, placed.attempt) == (OrderStatus.READY_FOR_PICKUP, 2)
    with pytest.raises(Conflict, match="under way"):
        ops_actions.try_again(placed.pk, by=OPS)
    moved(assigned(delivery.rider, again), DeliveryStatus.DELIVERED)
    placed.refresh_from_db()
    assert placed.status == OrderStatus.DELIVERED
    with pytest.raises(Conflict):
        ops_actions.try_again(placed.pk, by=OPS)


# spec: A3, O7
def test_a_failed_delivery_is_refunded_now_and_closed():
    placed = paid_order(of=store(refund_delay_s=3600))
    assigned(delivery=searching_delivery(ready(placed)))
    with pytest.raises(Conflict, match="has not failed"):
        ops_actions.refund_now(placed.pk, "angry", by=OPS)
    ops_actions.fail_delivery(placed.pk, "bike stolen", by=OPS)
    refund = ops_actions.refund_now(placed.pk, "angry customer", by=OPS)
    assert refund.due_at <= clock.database_now()
    assert (refund.amount_minor, Refund.objects.count()) == (placed.total_minor, 1)
    with transaction.atomic():
        assert refunds.refundable_minor(locks.lock_order(placed.pk)) == 0
    ops_actions.close_delivery(placed.pk, "customer was called", by=OPS)
    assert Incident.objects.get(kind="delivery_failed").status == IncidentStatus.RESOLVED
    assert Event.objects.filter(name="delivery.closed").count() == 1
    Refund.objects.filter(order=placed).update(retry_count=1)  # Stripe may have it: nobody carries it for nothing
    with pytest.raises(Conflict, match="already on its way"):
        ops_actions.try_again(placed.pk, by=OPS)


# spec: O7
def test_a_cancelled_order_is_not_tried_again():
    placed = ready(paid_order())
    cancel(placed)
    with pytest.raises(Conflict, match="nothing to carry"):
        ops_actions.try_again(placed.pk, by=OPS)


# ── the dispatch queue ───────────────────────────────────────────────────────────────────────────────────────────
# spec: D1, W5
@pytest.mark.parametrize("verb", ["assign", "cancel"])
def test_a_delivery_that_dispatch_holds_right_now_is_left_to_it(verb: str):
    """The worker has claimed the row, then somebody else moves the delivery: the worker finds nothing to search for,
    finishes its row and says nothing."""
    delivery, one = searching_delivery(), rider()
    [held] = Delivery.claim_batch(limit=1, lease_s=60)
    with transaction.atomic():
        placed = locks.lock_order(delivery.order_id)
        live = transitions.lock_live(placed)
        assert live is not None
        if verb == "assign":
            capacity.occupy_place(one.pk)
            transitions.assign_rider(placed, live, one, by=TEST)
        else:
            transitions.cancel_delivery(placed, live, by=TEST, reason="off")
    delivery.refresh_from_db()
    assert delivery.state == WorkState.LEASED
    state: Any = search.run_search(held)
    assert state == WorkState.DONE
    Delivery.finish_rows([(held, state)])
    assert not Offer.objects.exists()


# spec: O2
def test_times_are_set_as_steps_are_taken():
    delivery = moved(assigned(), DeliveryStatus.DELIVERED)
    steps = (delivery.assigned_at, delivery.picked_up_at, delivery.in_transit_at, delivery.ended_at)
    times = [delivery.created_at, *(moment for moment in steps if moment)]
    assert (len(times), times) == (5, sorted(times))
    placed = Order.objects.get(pk=delivery.order_id)
    assert None not in (placed.assigned_at, placed.picked_up_at, placed.in_transit_at, placed.delivered_at)
