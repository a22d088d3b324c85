"""Offers: a delivery before one rider for 30 seconds (SPEC D2): made, withdrawn, expired. Answers: offer_responses.py.

Accepting, rejecting and running out are one atomic outcome each. Every verb locks order, delivery, offer and rider, in
that order, and only then compares the deadline, in the statement that changes the offer and on the database's clock:
of any number of racing calls one finds the offer still open.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Case, DateTimeField, F, Func, Q, Value, When
from django.db.models.functions import Now

from deliveries import locks as deliveries_locks
from deliveries import permissions, search_queue
from deliveries.fraud import rejection_rate
from deliveries.lifecycle import OfferStatus
from deliveries.models import Delivery, DispatchDecision, Offer
from foundation import clock, events, money
from foundation.events import Cause
from foundation.fields import max_length
from foundation.work import WorkState
from notifications.outbox import enqueue
from orders import locks as orders_locks
from orders.models import Order
from riders import capacity
from riders import locks as riders_rows
from riders.models import Rider

TIMED_OUT = "Auto-timeout (no response)"
MAX_REASON = max_length(Offer, "reason")
CLOCK = Func(function="clock_timestamp", output_field=DateTimeField())


@dataclass(frozen=True)
class LockedOffer:
    """All four rows an offer is about, locked."""

    order: Order
    delivery: Delivery
    offer: Offer
    rider: Rider


# ── making and finding ───────────────────────────────────────────────────────────────────────────────────────────
def make_offer(
    order: Order,
    delivery: Delivery,
    rider_id: int,
    *,
    distance_m: float,
    offer_s: float,
    decision: DispatchDecision,
    by: Cause,
) -> Offer:
    """Put the delivery before the rider, whose place is reserved, and push to the phone. Order and delivery are locked.

    The deadline is set by the database, in the INSERT.
    """
    deadline = Now() + timedelta(seconds=offer_s)
    offer = Offer.objects.create(
        delivery=delivery,
        rider_id=rider_id,
        decision=decision,
        distance_m=round(distance_m),
        fee_minor=delivery.fee_minor,
        expires_at=deadline,
        due_at=deadline,
    )
    offer.refresh_from_db()
    record_offer_event(order, offer, "offer.made", by)
    said = {
        "store": order.store.name,
        "distance_m": offer.distance_m,
        "fee": money.format_money(offer.fee_minor, delivery.currency),
        "deadline": clock.format_wire(offer.expires_at),
    }
    _notify_rider(order, offer, "offer.made", said)
    return offer


def expire_offer(item: Offer) -> str | None:
    """The deadline has passed (work queue `offers`): counts as a rejection, the next rider is asked at once."""
    locked = lock_offer(item.pk)
    if locked.offer.status != OfferStatus.PENDING:
        return None  # answered in time
    if not close_offer(locked.offer, OfferStatus.EXPIRED, TIMED_OUT, before_deadline=False):
        Offer.objects.filter(pk=item.pk).update(due_at=F("expires_at"))  # looked at too early
        return WorkState.PENDING
    turn_down(locked, "offer.expired", Cause("clock", "job:offers.expire"))
    return None


def withdraw_offer(delivery: Delivery, reason: str, *, by: Cause) -> Offer | None:
    """The delivery needs no rider any more: its open offer, if there is one, is taken back and the rider told.

    The order and the delivery are locked.
    """
    search_queue.resolve_search(delivery, f"no rider is needed: {reason}"[:300])
    open_offer = Offer.objects.filter(delivery=delivery, status=OfferStatus.PENDING).first()
    if open_offer is None:
        return None
    locked = lock_offer(open_offer.pk)
    close_offer(locked.offer, OfferStatus.WITHDRAWN, reason[:MAX_REASON])
    _release_rider(locked, "offer.withdrawn", by)
    _notify_rider(locked.order, locked.offer, "offer.withdrawn")
    return locked.offer


# ── what all of them share ───────────────────────────────────────────────────────────────────────────────────────
def lock_offer(offer_id: int, *, whose: Rider | None = None) -> LockedOffer:
    """Everything the offer is about, in the order that holds everywhere (docs/house.md). Raises Forbidden when it is
    not `whose`."""
    known = Offer.objects.select_related("delivery").get(pk=offer_id)
    if whose is not None and known.rider_id != whose.pk:
        raise permissions.not_yours()
    order = orders_locks.lock_order(known.delivery.order_id)
    delivery = deliveries_locks.lock_delivery(known.delivery_id)
    offer = Offer.objects.select_for_update(no_key=True, of=("self",)).get(pk=offer_id)
    return LockedOffer(order, delivery, offer, riders_rows.lock_rider(offer.rider_id))


def close_offer(offer: Offer, status: OfferStatus, reason: str = "", *, before_deadline: bool | None = None) -> bool:
    """Give the locked offer its outcome, before its deadline or after it (None: whenever). False: it is too late, or
    too early. A work row that the work queue holds right now is left to the work queue, which finishes it."""
    deadline = {None: Q(), True: Q(expires_at__gt=CLOCK), False: Q(expires_at__lte=CLOCK)}[before_deadline]
    closed = Offer.objects.filter(deadline, pk=offer.pk, status=OfferStatus.PENDING).update(
        status=status,
        reason=reason,
        decided_at=CLOCK,
        state=Case(When(state=WorkState.PENDING, then=Value(WorkState.DONE.value)), default=F("state")),
    )
    offer.refresh_from_db()
    return bool(closed)


def turn_down(locked: LockedOffer, event: str, by: Cause) -> None:
    _release_rider(locked, event, by)
    search_queue.wake_search(locked.delivery)
    rejection_rate.review_rider(locked.rider)


def _release_rider(locked: LockedOffer, event: str, by: Cause) -> None:
    record_offer_event(locked.order, locked.offer, event, by)
    capacity.release_offer(locked.rider.pk)
    search_queue.announce_free_rider(locked.rider.pk)


def record_offer_event(order: Order, offer: Offer, event: str, by: Cause) -> None:
    data = {"rider": offer.rider_id, "delivery": offer.delivery_id, "reason": offer.reason}
    events.record_event(event, offer, by=by, data=data, order_ref=order.public_id)


def _notify_rider(order: Order, offer: Offer, event: str, said: dict[str, Any] | None = None) -> None:
    params = {"orderId": order.public_id, "offerId": str(offer.public_id), **(said or {})}
    enqueue.enqueue_message(
        offer.rider.recipient_id, event, params, dedupe=f"offer:{offer.pk}", order_ref=order.public_id
    )
