"""Offers: a delivery before one rider for 30 seconds (SPEC D2).

Accepting, rejecting and running out are one atomic outcome each. Every verb locks order, delivery, offer and rider, in
that order, and only then compares the deadline, in the statement that changes the offer and on the database's clock:
of any number of racing calls one finds the offer still open.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, DateTimeField, F, Func, Q, Value, When
from django.db.models.functions import Now

from deliveries import access, carrying, locking, rejections, searching
from deliveries.lifecycle import OfferStatus
from deliveries.models import Decision, Delivery, Offer
from foundation import clock, events, money
from foundation.errors import Conflict, Forbidden, Invalid
from foundation.events import Cause
from foundation.work import WorkState
from notifications import messages
from orders import rows
from orders.models import Order
from riders import capacity
from riders import rows as riders_rows
from riders.availability import REFUSALS
from riders.lifecycle import Standing
from riders.models import Rider

TIMED_OUT = "Auto-timeout (no response)"
MAX_REASON = Offer._meta.get_field("reason").max_length or 0
CLOCK = Func(function="clock_timestamp", output_field=DateTimeField())
TOO_LATE = {  # what an offer that is closed says to whoever still answers it
    OfferStatus.PENDING: ("OFFER_EXPIRED", "The time to answer this offer is over"),
    OfferStatus.EXPIRED: ("OFFER_EXPIRED", "The time to answer this offer is over"),
    OfferStatus.ACCEPTED: ("OFFER_TAKEN", "This order has been accepted already"),
    OfferStatus.REJECTED: ("OFFER_REJECTED", "You have rejected this order"),
    OfferStatus.WITHDRAWN: ("OFFER_WITHDRAWN", "This order is no longer available"),
}


@dataclass(frozen=True)
class _Held:
    """All four rows an offer is about, locked."""

    order: Order
    delivery: Delivery
    offer: Offer
    rider: Rider


# ── making and finding ───────────────────────────────────────────────────────────────────────────────────────────
def make(
    order: Order, delivery: Delivery, rider_id: int, *, distance_m: float, offer_s: float, decision: Decision, by: Cause
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
    _record(order, offer, "offer.made", by)
    said = {
        "store": order.store.name,
        "distance_m": offer.distance_m,
        "fee": money.show(offer.fee_minor, delivery.currency),
        "deadline": clock.wire(offer.expires_at),
    }
    _tell(order, offer, "offer.made", said)
    return offer


def find(order_ref: str, rider: Rider) -> Offer:
    """The latest offer of this order to this rider, whatever became of it; `order_ref` is either id of the order.

    Raises Invalid for a malformed id, NotFound for an unknown order, Forbidden when the rider never had it.
    """
    order = rows.find(None, order_ref)
    offer = Offer.objects.filter(delivery__order=order, rider=rider).order_by("-created_at").first()
    if offer is None:
        raise access.not_yours()
    return offer


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────
def accept(offer_id: int, rider: Rider, *, by: Cause) -> Offer:
    """The rider takes it. Raises Forbidden for somebody else's offer or a rider who may not carry now, Conflict when
    the offer is over: OFFER_EXPIRED, OFFER_TAKEN, OFFER_REJECTED, OFFER_WITHDRAWN."""
    with transaction.atomic():
        held = _lock(offer_id, whose=rider)
        if refusal := REFUSALS.get(Standing(held.rider.standing)):
            raise Forbidden(refusal[1], code=refusal[0])
        if not _close(held.offer, OfferStatus.ACCEPTED, before_deadline=True):
            raise _over(held.offer)
        capacity.accept_offer(held.rider.pk)
        _record(held.order, held.offer, "offer.accepted", by)
        carrying.assign(held.order, held.delivery, held.rider, by=by)
        searching.found(held.delivery, f"{held.rider.name} carries it")
    return held.offer


def reject(offer_id: int, rider: Rider, reason: str = "", *, by: Cause) -> Offer:
    """The rider does not want it: the next one is asked at once. Raises as `accept` does, and Invalid for an overlong
    reason."""
    if len(reason) > MAX_REASON:
        raise Invalid(f"must not be longer than {MAX_REASON} characters", field="reason")
    with transaction.atomic():
        held = _lock(offer_id, whose=rider)
        if not _close(held.offer, OfferStatus.REJECTED, reason.strip(), before_deadline=True):
            raise _over(held.offer)
        _turned_down(held, "offer.rejected", by)
    return held.offer


def expire(item: Offer) -> str | None:
    """The deadline has passed (lane `offers`): counts as a rejection, the next rider is asked at once."""
    held = _lock(item.pk)
    if held.offer.status != OfferStatus.PENDING:
        return None  # answered in time
    if not _close(held.offer, OfferStatus.EXPIRED, TIMED_OUT, before_deadline=False):
        Offer.objects.filter(pk=item.pk).update(due_at=F("expires_at"))  # looked at too early
        return WorkState.PENDING
    _turned_down(held, "offer.expired", Cause("clock", "job:offers.expire"))
    return None


def withdraw(delivery: Delivery, reason: str, *, by: Cause) -> Offer | None:
    """The delivery needs no rider any more: its open offer, if there is one, is taken back and the rider told.

    The order and the delivery are locked.
    """
    searching.found(delivery, f"no rider is needed: {reason}"[:300])
    open_offer = Offer.objects.filter(delivery=delivery, status=OfferStatus.PENDING).first()
    if open_offer is None:
        return None
    held = _lock(open_offer.pk)
    _close(held.offer, OfferStatus.WITHDRAWN, reason[:MAX_REASON])
    _release(held, "offer.withdrawn", by)
    _tell(held.order, held.offer, "offer.withdrawn")
    return held.offer


# ── what all of them share ───────────────────────────────────────────────────────────────────────────────────────
def _lock(offer_id: int, *, whose: Rider | None = None) -> _Held:
    """Everything the offer is about, in the house's order. Raises Forbidden when it is not `whose`."""
    known = Offer.objects.select_related("delivery").get(pk=offer_id)
    if whose is not None and known.rider_id != whose.pk:
        raise access.not_yours()
    order = rows.lock(known.delivery.order_id)
    delivery = locking.lock(known.delivery_id)
    offer = Offer.objects.select_for_update(no_key=True, of=("self",)).get(pk=offer_id)
    return _Held(order, delivery, offer, riders_rows.lock(offer.rider_id))


def _close(offer: Offer, status: OfferStatus, reason: str = "", *, before_deadline: bool | None = None) -> bool:
    """Give the locked offer its outcome, before its deadline or after it (None: whenever). False: it is too late, or
    too early. A work row that the lane holds right now is left to the lane, which finishes it."""
    deadline = {None: Q(), True: Q(expires_at__gt=CLOCK), False: Q(expires_at__lte=CLOCK)}[before_deadline]
    closed = Offer.objects.filter(deadline, pk=offer.pk, status=OfferStatus.PENDING).update(
        status=status,
        reason=reason,
        decided_at=CLOCK,
        state=Case(When(state=WorkState.PENDING, then=Value(WorkState.DONE.value)), default=F("state")),
    )
    offer.refresh_from_db()
    return bool(closed)


def _over(offer: Offer) -> Conflict:
    code, message = TOO_LATE[OfferStatus(offer.status)]
    return Conflict(message, code=code)


def _turned_down(held: _Held, event: str, by: Cause) -> None:
    _release(held, event, by)
    searching.wake(held.delivery)
    rejections.review(held.rider)


def _release(held: _Held, event: str, by: Cause) -> None:
    _record(held.order, held.offer, event, by)
    capacity.release_offer(held.rider.pk)
    searching.rider_freed(held.rider.pk)


def _record(order: Order, offer: Offer, event: str, by: Cause) -> None:
    data = {"rider": offer.rider_id, "delivery": offer.delivery_id, "reason": offer.reason}
    events.record(event, offer, by=by, data=data, order_ref=order.public_id)


def _tell(order: Order, offer: Offer, event: str, said: dict[str, Any] | None = None) -> None:
    params = {"orderId": order.public_id, "offerId": str(offer.public_id), **(said or {})}
    messages.send(offer.rider.recipient_id, event, params, dedupe=f"offer:{offer.pk}", order_ref=order.public_id)
