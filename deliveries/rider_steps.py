"""A rider takes the next step of a delivery (SPEC R4): strict order, and on the spot where it has to happen.

The riders' API and the tracking API both come through here, so that both check the same.
"""

from collections.abc import Callable
from typing import Any

import structlog
from django.db import transaction

from deliveries import access, carrying, fraud, location, position_checks
from deliveries.lifecycle import CARRIED, DELIVERY, RIDER_WORDS, DeliveryStatus
from deliveries.models import Delivery
from deliveries.position_checks import CONFIRMATIONS, Finding, Nearness
from foundation import clock, events
from foundation.errors import Conflict, IllegalMove, Invalid, Problem
from foundation.events import Cause
from foundation.geo import Point
from foundation.models import Event
from orders import rows
from orders.models import Order
from riders import positions
from riders.models import Rider
from riders.positions import PointVerdict, Seen

log = structlog.get_logger(__name__)
STEPS: dict[str, Callable[..., None]] = {
    DeliveryStatus.PICKED_UP: carrying.pick_up,
    DeliveryStatus.IN_TRANSIT: carrying.leave,
    DeliveryStatus.DELIVERED: carrying.deliver,
}


def take(order_id: int, rider: Rider, target: DeliveryStatus, position: Point | None, *, by: Cause) -> Delivery:
    """The rider says that `target` is reached. Returns the delivery as it then is.

    Saying again what already is so changes nothing and succeeds: the first answer may have been lost on the way.
    Raises Forbidden (somebody else's), IllegalMove (not the next step), Conflict (the order was called off), and
    Problem with the contract's FAKE_…_DETECTED codes, whose flag outlives the refusal.
    """
    if position is not None:
        _look_at(order_id, rider, position)
    with transaction.atomic():
        order = rows.lock(order_id)
        delivery = carrying.lock_of_rider(order, rider)
        if delivery is None:
            raise not_carrying(order, rider)
        if _is_so_already(delivery, target):
            return delivery
        _require_next(order, delivery, target)
        refusal = _refusal(order, delivery, rider, target, position)
        if refusal is None:
            finding = position_checks.check(order, target, position)
            STEPS[target](order, delivery, by=by, position=_kept(position, finding))
    if refusal is not None:  # only now: the flag has been committed
        raise refusal
    return delivery


def _is_so_already(delivery: Delivery, target: DeliveryStatus) -> bool:
    """The step was taken before; since then the house itself may have seen the rider leave the store."""
    if delivery.status == target:
        return target in STEPS
    left = target == DeliveryStatus.PICKED_UP and delivery.status == DeliveryStatus.IN_TRANSIT
    moves = Event.objects.filter(subject=events.subject_of(delivery), name="delivery.left")
    return left and moves.filter(actor=location.BY.actor, cause=location.BY.cause).exists()


def not_carrying(order: Order, rider: Rider) -> Problem:
    """What a rider is told who does not carry this order: accept it first, or it is somebody else's."""
    if access.open_offers(rider).filter(delivery__order=order).exists():
        return IllegalMove("Accept the order before changing its status", code="ORDER_NOT_ACCEPTED")
    return access.not_yours()


def _require_next(order: Order, delivery: Delivery, target: DeliveryStatus) -> None:
    if target not in STEPS or not DELIVERY.allows(delivery.status, target):
        now, then = RIDER_WORDS.get(delivery.status, "ASSIGNED"), RIDER_WORDS[target]
        raise IllegalMove(f"Invalid delivery status transition from {now} to {then}")
    if target == DeliveryStatus.PICKED_UP and carrying.called_off(order):
        raise Conflict("This order was cancelled", code="ORDER_CANCELLED")


def _refusal(
    order: Order, delivery: Delivery, rider: Rider, target: DeliveryStatus, position: Point | None
) -> Problem | None:
    """Why this confirmation cannot stand (and the flag is raised), or None."""
    confirmation = CONFIRMATIONS.get(target)
    if confirmation is None:
        return None
    finding = position_checks.check(order, target, position)
    if position is not None and finding.nearness == Nearness.FAR:
        fraud.fake_confirmation(order, delivery, rider, target, position, finding)
        return Problem(confirmation.message, code=confirmation.code)
    if finding.nearness == Nearness.NEAR:
        return None
    log.warning("confirmed_unchecked", order=order.public_id, step=target, rider=rider.pk, why=finding.nearness)
    if finding.nearness == Nearness.MISSING and position_checks.required(order.store):
        return Invalid("a position is required to confirm this here", code="GPS_REQUIRED", field="lat")
    return None


def _look_at(order_id: int, rider: Rider, position: Point) -> None:
    """The position is a sighting like any other: it moves the rider's spot, or shows an impossible jump.

    Before the step's own transaction, since the spot is locked after everything else. One on a confirmation that is
    then refused is as good as any: it says where the rider is.
    """
    now = clock.now()
    [result] = positions.seen(rider.pk, [Seen(position, now)], now=now)
    if result.verdict == PointVerdict.IMPOSSIBLE:
        carried = Delivery.objects.filter(order=order_id, rider=rider, status__in=CARRIED).only("pk").first()
        if carried is not None:
            fraud.jump(rider, result, order_id=order_id, delivery_id=carried.pk)


def _kept(position: Point | None, finding: Finding) -> dict[str, Any]:
    """What stands in `pickup_position` and `dropoff_position`."""
    kept: dict[str, Any] = {"nearness": str(finding.nearness)}
    if position is not None:
        kept |= {"latitude": position.lat, "longitude": position.lng}
    if finding.distance_m is not None:
        kept["distance_m"] = round(finding.distance_m)
    return kept
