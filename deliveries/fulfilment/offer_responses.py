"""What riders answer to an offer (SPEC D2): find it, accept it, reject it.

One outcome per offer, whoever calls at the same moment: see fulfilment/offers.py, whose locks and deadlines are used.
"""

from django.db import transaction

from deliveries import permissions, search_queue
from deliveries.fulfilment import offers, transitions
from deliveries.lifecycle import OfferStatus
from deliveries.models import Offer
from foundation.errors import Conflict, Forbidden, Invalid
from foundation.events import Cause
from orders import locks as orders_locks
from riders import capacity
from riders.availability import REFUSALS
from riders.lifecycle import RiderStatus
from riders.models import Rider

TOO_LATE = {  # what an offer that is closed says to whoever still answers it
    OfferStatus.PENDING: ("OFFER_EXPIRED", "The time to answer this offer is over"),
    OfferStatus.EXPIRED: ("OFFER_EXPIRED", "The time to answer this offer is over"),
    OfferStatus.ACCEPTED: ("OFFER_TAKEN", "This order has been accepted already"),
    OfferStatus.REJECTED: ("OFFER_REJECTED", "You have rejected this order"),
    OfferStatus.WITHDRAWN: ("OFFER_WITHDRAWN", "This order is no longer available"),
}


def find_offer(order_ref: str, rider: Rider) -> Offer:
    """The latest offer of this order to this rider, whatever became of it; `order_ref` is either id of the order.

    Raises Invalid for a malformed id, NotFound for an unknown order, Forbidden when the rider never had it.
    """
    order = orders_locks.find_order(None, order_ref)
    offer = Offer.objects.filter(delivery__order=order, rider=rider).order_by("-created_at").first()
    if offer is None:
        raise permissions.not_yours()
    return offer


def accept_offer(offer_id: int, rider: Rider, *, by: Cause) -> Offer:
    """The rider takes it. Raises Forbidden for somebody else's offer or a rider who may not carry now, Conflict when
    the offer is over: OFFER_EXPIRED, OFFER_TAKEN, OFFER_REJECTED, OFFER_WITHDRAWN."""
    with transaction.atomic():
        locked = offers.lock_offer(offer_id, whose=rider)
        if refusal := REFUSALS.get(RiderStatus(locked.rider.standing)):
            raise Forbidden(refusal[1], code=refusal[0])
        if not offers.close_offer(locked.offer, OfferStatus.ACCEPTED, before_deadline=True):
            raise _offer_over(locked.offer)
        capacity.accept_offer(locked.rider.pk)
        offers.record_offer_event(locked.order, locked.offer, "offer.accepted", by)
        transitions.assign_rider(locked.order, locked.delivery, locked.rider, by=by)
        search_queue.resolve_search(locked.delivery, f"{locked.rider.name} carries it")
    return locked.offer


def reject_offer(offer_id: int, rider: Rider, reason: str = "", *, by: Cause) -> Offer:
    """The rider does not want it: the next one is asked at once. Raises as `accept_offer` does, and Invalid for an
    overlong reason."""
    if len(reason) > offers.MAX_REASON:
        raise Invalid(f"must not be longer than {offers.MAX_REASON} characters", field="reason")
    with transaction.atomic():
        locked = offers.lock_offer(offer_id, whose=rider)
        if not offers.close_offer(locked.offer, OfferStatus.REJECTED, reason.strip(), before_deadline=True):
            raise _offer_over(locked.offer)
        offers.turn_down(locked, "offer.rejected", by)
    return locked.offer


def _offer_over(offer: Offer) -> Conflict:
    code, message = TOO_LATE[OfferStatus(offer.status)]
    return Conflict(message, code=code)
