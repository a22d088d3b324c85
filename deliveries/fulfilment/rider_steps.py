"""A rider takes the next step of a delivery (SPEC R4): strict order, and on the spot where it has to happen.

The riders' API and the tracking API both come through here, so that both check the same.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from deliveries import permissions
from deliveries.fraud import flags
from deliveries.fulfilment import location_reports, transitions
from deliveries.lifecycle import CARRIED, DELIVERY, RIDER_WORDS, DeliveryStatus
from deliveries.models import Delivery
from deliveries.positions import geofence, tracks
from deliveries.positions.geofence import CONFIRMATIONS, GeofenceResult, Proximity
from foundation import clock, events
from foundation.errors import APIError, Conflict, IllegalMove, Invalid
from foundation.events import Cause
from foundation.models import Event
from orders import locks
from orders.models import Order, Store
from riders import positions
from riders.models import Rider
from riders.positions import FixOutcome, PositionFix

log = structlog.get_logger(__name__)
STEPS: dict[str, Callable[..., None]] = {
    DeliveryStatus.PICKED_UP: transitions.pick_up,
    DeliveryStatus.IN_TRANSIT: transitions.start_transit,
    DeliveryStatus.DELIVERED: transitions.complete_delivery,
}


def take_step(order_id: int, rider: Rider, target: DeliveryStatus, claim: PositionFix | None, *, by: Cause) -> Delivery:
    """The rider says that `target` is reached, and where that is (`claim`). Returns the delivery as it then is.

    Saying again what already is so changes nothing and succeeds: the first answer may have been lost on the way.
    Raises Forbidden (somebody else's), IllegalMove (not the next step), Conflict (the order was called off), and
    APIError with the contract's FAKE_…_DETECTED codes, whose flag outlives the refusal.
    """
    asked_at = clock.database_now()
    if claim is not None:
        _look_at(order_id, rider, claim)
    with transaction.atomic():
        order = locks.lock_order(order_id)
        delivery = transitions.lock_of_rider(order, rider)
        if delivery is None:
            raise not_carrying(order, rider)
        if _is_so_already(delivery, target):
            return delivery
        _require_next(order, delivery, target)
        finding = _measure_claim(order, delivery, target, claim, asked_at)
        refusal = _find_refusal(order, delivery, rider, target, claim, finding)
        if refusal is None:
            STEPS[target](order, delivery, by=by, position=_position_record(claim, finding))
    if refusal is not None:  # only now: the flag has been committed
        raise refusal
    return delivery


def _is_so_already(delivery: Delivery, target: DeliveryStatus) -> bool:
    """The step was taken before; since then the house itself may have seen the rider leave the store."""
    if delivery.status == target:
        return target in STEPS
    left = target == DeliveryStatus.PICKED_UP and delivery.status == DeliveryStatus.IN_TRANSIT
    moves = Event.objects.filter(subject=events.subject_of(delivery), name="delivery.left")
    return left and moves.filter(actor=location_reports.BY.actor, cause=location_reports.BY.cause).exists()


def not_carrying(order: Order, rider: Rider) -> APIError:
    """What a rider is told who does not carry this order: accept it first, or it is somebody else's."""
    if permissions.open_offers(rider).filter(delivery__order=order).exists():
        return IllegalMove("Accept the order before changing its status", code="ORDER_NOT_ACCEPTED")
    return permissions.not_yours()


def _require_next(order: Order, delivery: Delivery, target: DeliveryStatus) -> None:
    if target not in STEPS or not DELIVERY.is_allowed(delivery.status, target):
        now, then = RIDER_WORDS.get(delivery.status, "ASSIGNED"), RIDER_WORDS[target]
        raise IllegalMove(f"Invalid delivery status transition from {now} to {then}")
    if target == DeliveryStatus.PICKED_UP and transitions.called_off(order):
        raise Conflict("This order was cancelled", code="ORDER_CANCELLED")


def _measure_claim(
    order: Order, delivery: Delivery, target: str, claim: PositionFix | None, asked_at: datetime
) -> GeofenceResult:
    """What the position says by the store's rule. What we saw of the rider counts as far as it came before the request:
    who asks does not bear himself out."""
    place, rule = geofence.place_of(order, target), Store.Positions(order.store.position_policy)
    finding = geofence.measure_fix(place, claim, rule, now=asked_at)
    if finding.nearness != Proximity.UNCERTAIN or place is None or target not in CONFIRMATIONS:
        return finding
    sightings = tracks.received_fixes(delivery, since=asked_at - geofence.LATELY, before=asked_at)
    return geofence.weigh_result(finding, place, sightings, now=asked_at)


def _find_refusal(
    order: Order,
    delivery: Delivery,
    rider: Rider,
    target: DeliveryStatus,
    claim: PositionFix | None,
    finding: GeofenceResult,
) -> APIError | None:
    """Why this confirmation cannot stand (and the flag is raised), or None."""
    confirmation = CONFIRMATIONS.get(target)
    if confirmation is None:
        return None
    if claim is not None and finding.is_refused:
        flags.fake_confirmation(order, delivery, rider, target, claim, finding)
        return APIError(confirmation.message, code=confirmation.code)
    if finding.nearness == Proximity.NEAR:
        return None
    log.warning("confirmed_unchecked", order=order.public_id, step=target, rider=rider.pk, why=finding.nearness)
    if finding.nearness == Proximity.MISSING and geofence.is_required(order.store):
        return Invalid("a position is required to confirm this here", code="GPS_REQUIRED", field="lat")
    return None


def _look_at(order_id: int, rider: Rider, claim: PositionFix) -> None:
    """The position is a sighting like any other: it moves the rider's spot, or shows an impossible jump.

    Before the step's own transaction, since the spot is locked after everything else. One on a confirmation that is
    then refused is as good as any: it says where the rider is.
    """
    [result] = positions.record_fixes(rider.pk, [claim], now=clock.now())
    if result.outcome == FixOutcome.IMPOSSIBLE:
        carried = Delivery.objects.filter(order=order_id, rider=rider, status__in=CARRIED).only("pk").first()
        if carried is not None:
            flags.flag_jump(rider, result, order_id=order_id, delivery_id=carried.pk)


def _position_record(claim: PositionFix | None, finding: GeofenceResult) -> dict[str, Any]:
    """What stands in `pickup_position` and `dropoff_position`."""
    if claim is None:
        return finding.as_json()
    return {**finding.as_json(), "latitude": claim.point.lat, "longitude": claim.point.lng}
