"""Carrying: one attempt to bring an order, from opening it to its end. The verbs that move a Delivery.

Every verb wants the order locked (orders/locks.py) and the delivery after it (`lock_live`, `lock_of_rider`), and writes
all that follows in that one transaction: the order's carriage, the rider's capacity, events, messages. Whether a step
is allowed is checked against the life cycle here; whether the rider is where it must happen, in rider_steps.py.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from deliveries import locks, search_queue
from deliveries.couriers import cancellation, outcomes
from deliveries.couriers import enqueue as couriers_enqueue
from deliveries.eta import estimate, learned_speeds
from deliveries.fulfilment import offers
from deliveries.lifecycle import DELIVERY, LIVE, DeliveryStatus
from deliveries.models import IN_HOUSE, CourierCall, CourierJob, CourierQuote, Delivery
from deliveries.positions import tracks
from foundation import clock, events
from foundation.errors import Conflict
from foundation.events import Cause
from foundation.fields import max_length
from foundation.work import WorkState
from notifications.outbox import enqueue as outbox_enqueue
from orders import deadlines, delivery_progress, transitions
from orders.lifecycle import CarriageState, PaymentState, PreparationState
from orders.models import Order
from riders import capacity, referrals
from riders.models import Rider

CARRIABLE = frozenset({PreparationState.ACKNOWLEDGED, PreparationState.PICKING, PreparationState.READY})
PAID = frozenset({PaymentState.PAID, PaymentState.PARTLY_REFUNDED})
REASON_LENGTH = max_length(Delivery, "end_reason")


# ── finding ──────────────────────────────────────────────────────────────────────────────────────────────────────
def lock_live(order: Order) -> Delivery | None:
    return locks.lockable_deliveries().filter(order=order, status__in=LIVE).first()


def lock_of_rider(order: Order, rider: Rider) -> Delivery | None:
    """The rider's latest delivery of this order, live or ended."""
    return locks.lockable_deliveries().filter(order=order, rider=rider).order_by("-attempt").first()


# ── following the order ──────────────────────────────────────────────────────────────────────────────────────────
def follow_order(order: Order, *, by: Cause) -> None:
    """Make the deliveries of this order agree with it: open one, bring its search forward, or end it.

    Level-triggered: reads what is true, so it may run at any time and any number of times.
    """
    delivery = lock_live(order)
    if called_off(order):
        if delivery is not None:
            _call_off(order, delivery, by=by, reason=order.cancel_reason or f"order {order.status}")
    elif delivery is None:
        if _can_open(order):
            open_delivery(order, by=by)
    elif delivery.status == DeliveryStatus.SEARCHING:
        _bring_forward(delivery, search_at(order, now=clock.now()))


def called_off(order: Order) -> bool:
    """Nobody shall fetch this order (any more). One that was given all its money back is called off by `orders`,
    unless it is on its way already."""
    return order.preparation in transitions.CALLED_OFF or order.payment == PaymentState.CANCELLED


def _call_off(order: Order, delivery: Delivery, *, by: Cause, reason: str) -> None:
    """A courier company has to agree before it is over (deliveries/couriers/cancellation.py)."""
    if delivery.courier == IN_HOUSE:
        cancel_delivery(order, delivery, by=by, reason=reason)
    else:
        cancellation.stop_courier(order, delivery, reason, by=by)


def _can_open(order: Order) -> bool:
    return (
        _paid_and_acknowledged(order) and order.carriage == CarriageState.NONE and not outcomes.is_awaiting_proof(order)
    )


def _paid_and_acknowledged(order: Order) -> bool:
    return order.payment in PAID and order.preparation in CARRIABLE


def search_at(order: Order, *, now: datetime) -> datetime:
    """When to begin looking for a rider: DISPATCH_LEAD_SECONDS before the order should be ready (SPEC O3)."""
    if order.preparation == PreparationState.READY:
        return now
    return max(now, deadlines.expected_ready_at(order) - timedelta(seconds=settings.DISPATCH_LEAD_SECONDS))


def _bring_forward(delivery: Delivery, due_at: datetime) -> None:
    if delivery.state == WorkState.PENDING and due_at < delivery.due_at:
        _write_columns(delivery, due_at=due_at)


# ── beginning ────────────────────────────────────────────────────────────────────────────────────────────────────
def open_delivery(order: Order, *, by: Cause) -> Delivery:
    """Open the next attempt: it searches from `search_at` on. Raises Conflict when the refund of a failed attempt may
    have been sent (orders.delivery_progress.open_attempt)."""
    last = Delivery.objects.filter(order=order).order_by("-attempt").first()
    attempt = 1 + (last.attempt if last else 0)
    delivery_progress.open_attempt(order, attempt, by=by)
    delivery = Delivery.objects.create(
        order=order,
        attempt=attempt,
        previous=last,
        external_id=f"{order.public_id}-{attempt}",
        fee_minor=order.delivery_fee_minor,
        currency=order.currency,
        distance_m=estimate.distance_m(order),
        due_at=search_at(order, now=clock.now()),
    )
    _record_event(order, delivery, "delivery.opened", by=by)
    return delivery


def open_next_attempt(order: Order, *, by: Cause) -> Delivery:
    """After a failed attempt ops wants another one. Raises Conflict where none can be."""
    if lock_live(order) is not None:
        raise Conflict("A delivery of this order is under way", code="DELIVERY_LIVE")
    if called_off(order) or not _paid_and_acknowledged(order):
        raise Conflict(f"The order is {order.status}: there is nothing to carry", code="NOT_CARRIABLE")
    if order.carriage == CarriageState.DELIVERED:
        raise Conflict("The order was delivered", code="NOT_CARRIABLE")
    return open_delivery(order, by=by)


def request_courier(order: Order, delivery: Delivery, courier: str, quote: CourierQuote | None, *, by: Cause) -> None:
    """Have a courier company carry this searching delivery: from now on it is that company's, for good."""
    _change_status(
        delivery,
        DeliveryStatus.REQUESTED,
        courier=courier,
        **_leave_search_queue(delivery),
    )
    CourierJob.objects.create(delivery=delivery, quote=quote, last_heard_at=clock.now())
    offers.withdraw_offer(delivery, f"{courier} carries it", by=by)
    search_queue.resolve_search(delivery, f"{courier} was asked")
    events.record_event(
        "delivery.requested",
        delivery,
        by=by,
        data={"attempt": delivery.attempt, "courier": courier, "status": str(delivery.status)},
        order_ref=order.public_id,
    )
    couriers_enqueue.enqueue_call(delivery, CourierCall.Purpose.CREATE)


def assign_rider(order: Order, delivery: Delivery, rider: Rider, *, by: Cause) -> None:
    """`rider` carries it from now on. The caller has counted the rider's capacity (an accepted offer, or ops)."""
    shown = {"name": rider.name, "phone": rider.phone, "vehicle": rider.vehicle}
    _change_status(
        delivery,
        DeliveryStatus.ASSIGNED,
        rider=rider,
        driver_details=shown,
        assigned_at=clock.now(),
        **_leave_search_queue(delivery),
    )
    _record_event(order, delivery, "delivery.assigned", by=by)
    delivery_progress.record_assigned(
        order, delivery.attempt, by=by, carrier=f"rider:{rider.pk}", rider_name=rider.name
    )


def unassign_rider(order: Order, delivery: Delivery, *, by: Cause, reason: str) -> None:
    """The rider will not fetch it after all: the same delivery looks for another one, at once."""
    rider = delivery.rider
    queued = {} if delivery.state == WorkState.LEASED else {"state": WorkState.PENDING, "processed_at": None}
    _change_status(
        delivery,
        DeliveryStatus.SEARCHING,
        rider=None,
        driver_details={},
        assigned_at=None,
        search_rounds=0,
        search_started_at=None,
        alerted_at=None,
        due_at=clock.now(),
        **queued,
    )
    version = _record_event(order, delivery, "delivery.lost", by=by, rider=rider, reason=reason)
    delivery_progress.record_unassigned(order, delivery.attempt, by=by, why=reason)
    tracks.clear_tracks(delivery)
    if rider is not None:
        _free_rider(rider)
        _notify_rider(order, delivery, rider, reason, version)


# ── on the way ───────────────────────────────────────────────────────────────────────────────────────────────────
def pick_up(order: Order, delivery: Delivery, *, by: Cause, position: dict[str, Any] | None = None) -> None:
    """`position` is what stands in `pickup_position`: where, how far off, or that none was given.

    What was handed over was ready, whether the store has said so or not: nobody goes hungry for a forgotten button.
    """
    reached_at = tracks.first_near(delivery, order.store.point)
    times = {"picked_up_at": clock.now(), "reached_store_at": reached_at}
    _change_status(delivery, DeliveryStatus.PICKED_UP, pickup_position=position, **times)
    _record_event(order, delivery, "delivery.picked_up", by=by)
    transitions.advance_axes(order, preparation=PreparationState.READY, by=by, why="handed to the rider")
    delivery_progress.record_picked_up(
        order, delivery.attempt, by=by, eta_minutes=learned_speeds.minutes_to_arrival(order, delivery)
    )


def start_transit(order: Order, delivery: Delivery, *, by: Cause, position: dict[str, Any] | None = None) -> None:
    """Out for delivery; where the rider is plays no part in it."""
    _change_status(delivery, DeliveryStatus.IN_TRANSIT, in_transit_at=clock.now())
    _record_event(order, delivery, "delivery.left", by=by)
    delivery_progress.record_in_transit(
        order, delivery.attempt, by=by, eta_minutes=learned_speeds.minutes_to_arrival(order, delivery)
    )


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────
def complete_delivery(order: Order, delivery: Delivery, *, by: Cause, position: dict[str, Any] | None = None) -> None:
    """Handed over (SPEC R6): the rider has earned it and has a place free, the customer is told and asked for a review,
    tracks are cleared."""
    reached_at = tracks.first_near(delivery, order.point, since=delivery.picked_up_at)
    _end_delivery(
        order, delivery, DeliveryStatus.DELIVERED, by=by, dropoff_position=position, reached_door_at=reached_at
    )
    delivery_progress.record_delivered(order, delivery.attempt, by=by)
    if delivery.rider_id is not None:
        referrals.count_delivery(delivery.rider_id, by=by)


def fail_delivery(order: Order, delivery: Delivery, reason: str, *, by: Cause, driver_notes: str = "") -> None:
    """It will not be brought to its end: refund by the store's policy, everybody is told
    (orders.delivery_progress.record_failed)."""
    version = _end_delivery(
        order, delivery, DeliveryStatus.FAILED, by=by, reason=reason, driver_notes=driver_notes[:500]
    )
    delivery_progress.record_failed(order, delivery.attempt, reason, by=by)
    if delivery.rider is not None:
        _notify_rider(order, delivery, delivery.rider, reason, version)


def cancel_delivery(order: Order, delivery: Delivery, *, by: Cause, reason: str) -> None:
    """The order was called off: the open offer is withdrawn, the rider is told and free (SPEC O7)."""
    version = _end_delivery(order, delivery, DeliveryStatus.CANCELLED, by=by, reason=reason)
    if delivery.rider is not None:
        _notify_rider(order, delivery, delivery.rider, reason, version)


def _end_delivery(
    order: Order, delivery: Delivery, status: DeliveryStatus, *, by: Cause, reason: str = "", **columns: Any
) -> int:
    searched = delivery.status == DeliveryStatus.SEARCHING
    columns |= {"ended_at": clock.now(), "end_reason": reason[:REASON_LENGTH], **_leave_search_queue(delivery)}
    _change_status(delivery, status, **columns)
    version = _record_event(order, delivery, "delivery.ended", by=by, reason=reason)
    if searched:
        offers.withdraw_offer(delivery, reason, by=by)
    tracks.clear_tracks(delivery)
    if delivery.rider is not None:
        _free_rider(delivery.rider)
    return version


# ── small print ──────────────────────────────────────────────────────────────────────────────────────────────────
def _free_rider(rider: Rider) -> None:
    capacity.free_place(rider.pk)
    search_queue.announce_free_rider(rider.pk)


def _notify_rider(order: Order, delivery: Delivery, rider: Rider, reason: str, version: int) -> None:
    outbox_enqueue.enqueue_message(
        rider.recipient_id,
        "delivery.withdrawn",
        {"orderId": order.public_id, "store": order.store.name, "reason": reason},
        dedupe=f"delivery:{delivery.pk}:{version}",
        order_ref=order.public_id,
    )


def _leave_search_queue(delivery: Delivery) -> dict[str, Any]:
    """Off the dispatch queue. A row that a worker holds right now is left to it: it finds nothing to search for, and
    setting the state here would look to it like a lost lease."""
    if delivery.state != WorkState.PENDING:
        return {}
    return {"state": WorkState.DONE, "processed_at": clock.now()}


def _change_status(delivery: Delivery, to: DeliveryStatus, **columns: Any) -> None:
    """Raises IllegalMove, nothing changed, unless the life cycle allows it."""
    DELIVERY.require_move(delivery.status, to, what="delivery status")
    _write_columns(delivery, status=to, **columns)


def _write_columns(delivery: Delivery, **columns: Any) -> None:
    for column, value in columns.items():
        setattr(delivery, column, value)
    delivery.save(update_fields=list(columns))


def _record_event(
    order: Order, delivery: Delivery, name: str, *, by: Cause, rider: Rider | None = None, reason: str = ""
) -> int:
    who = rider or delivery.rider
    data: dict[str, Any] = {"attempt": delivery.attempt, "status": str(delivery.status)}
    if who is not None:
        data["rider"] = str(who.public_id)
    if reason:
        data["reason"] = reason
    return events.record_event(name, delivery, by=by, data=data, order_ref=order.public_id)
