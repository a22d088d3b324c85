"""Suspicions with their evidence, until ops decides (SPEC R4, R11).

While a flag is open it holds the earning of its delivery (`payouts` reacts to `fraud_flag.changed`). One open flag
gathers all sightings of its kind on one delivery, so that an impatient thumb does not fill the desk.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction

from deliveries.lifecycle import FLAG, FlagStatus
from deliveries.models import Delivery, FraudFlag, FraudKind
from deliveries.positions import tracks
from deliveries.positions.geofence import CONFIRMATIONS, GeofenceResult, place_of
from foundation import clock, events
from foundation.errors import Invalid
from foundation.events import Cause
from foundation.fields import max_length
from foundation.models import User
from notifications.incidents import service
from notifications.models import Severity
from orders import locks
from orders.models import Order
from riders import locks as riders_rows
from riders import riders
from riders.models import Rider
from riders.positions import FixResult, PositionFix

log = structlog.get_logger(__name__)
KEPT_SIGHTINGS = 20
REPEATED_WITHIN = timedelta(seconds=10)
NOTE_LENGTH = max_length(FraudFlag, "decision_note")
TITLES: dict[str, str] = {
    FraudKind.FAKE_PICKUP: "Fake pickup attempt",
    FraudKind.FAKE_DELIVERY: "Fake delivery attempt",
    FraudKind.SPOOFING: "Position jumped impossibly",
    FraudKind.REJECTION_RATE: "Rejects too many offers",
}


@dataclass(frozen=True)
class FraudSignal:
    """What was seen, once: goes into the flag's evidence as it is."""

    kind: FraudKind
    rider: Rider
    at: datetime
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def as_sighting(self) -> dict[str, Any]:
        return {"at": clock.format_wire(self.at), **self.figures}


def fake_confirmation(
    order: Order, delivery: Delivery, rider: Rider, target: str, claim: PositionFix, result: GeofenceResult
) -> FraudFlag:
    """A confirmation from too far away, or from where nothing but the request itself speaks for it. More than
    MAX_FAKE_ATTEMPTS of a rider suspend them until ops decides.

    Order and delivery are locked; the caller lets this commit although it refuses the request. The very same request
    within seconds is a phone that got no answer: it is refused again, and counts once.
    """
    kind, place = CONFIRMATIONS[target].flag, place_of(order, target)
    at = {"latitude": claim.point.lat, "longitude": claim.point.lng}
    repeated = _just_seen(delivery, kind, at)
    if repeated is not None:
        return repeated
    figures = {
        "position": at,
        "place": {"latitude": place.lat, "longitude": place.lng} if place else None,
        **result.as_json(),
        "delivery_status": str(delivery.status),
    }
    signal = FraudSignal(kind, rider, clock.now(), figures)
    flag = raise_flag(signal, delivery=delivery, order=order)
    attempts = riders.count_fake_attempt(rider.pk)
    log.warning("fake_confirmation", rider=rider.pk, order=order.public_id, kind=flag.kind, **_describe_result(result))
    if attempts > settings.MAX_FAKE_ATTEMPTS:
        riders.suspend_rider(rider.pk, f"{attempts} confirmations from the wrong place", by=Cause("system", "fraud"))
    return flag


def _describe_result(result: GeofenceResult) -> dict[str, Any]:
    return {"rule": str(result.rule), "nearness": str(result.nearness), "distance_m": round(result.distance_m or 0)}


def _just_seen(delivery: Delivery, kind: FraudKind, position: dict[str, float]) -> FraudFlag | None:
    flag = FraudFlag.objects.filter(delivery=delivery, kind=kind, status=FlagStatus.OPEN).first()
    if flag is None:
        return None
    last = flag.evidence["sightings"][-1]
    age = clock.now() - datetime.fromisoformat(last["at"])
    return flag if last.get("position") == position and age < REPEATED_WITHIN else None


def flag_jump(rider: Rider, result: FixResult, *, order_id: int | None, delivery_id: int | None) -> FraudFlag | None:
    """A position that nobody can have travelled to: spoofing, while the delivery is carried if one is."""
    before = result.previous
    if before is None:
        return None
    figures = {
        "from": {
            "latitude": before.point.lat,
            "longitude": before.point.lng,
            "at": clock.format_wire(before.recorded_at),
        },
        "to": {"latitude": result.fix.point.lat, "longitude": result.fix.point.lng},
        "distance_m": round(result.distance_m or 0),
        "speed_m_per_s": round(result.speed_m_per_s or 0),
        "plausible_m_per_s": settings.PLAUSIBLE_SPEED_M_PER_S,
    }
    signal = FraudSignal(FraudKind.SPOOFING, rider, result.fix.recorded_at, figures)
    with transaction.atomic():
        if order_id is None or delivery_id is None:
            return raise_flag(signal)
        order = locks.lock_order(order_id)
        delivery = Delivery.objects.select_for_update(no_key=True, of=("self",)).get(pk=delivery_id)
        return raise_flag(signal, delivery=delivery, order=order)


def raise_flag(signal: FraudSignal, *, delivery: Delivery | None = None, order: Order | None = None) -> FraudFlag:
    """Open a flag, or add to the one that is open for this kind and delivery (for this kind and rider without one).

    The order and the delivery are locked, without them the rider is; ops is told by an incident that counts up.
    """
    if delivery is None:
        riders_rows.lock_rider(signal.rider.pk)
    flag = _open_flag(signal, delivery)
    if flag is None:
        evidence = {"sightings": [signal.as_sighting], "count": 1}
        flag = FraudFlag.objects.create(kind=signal.kind, rider=signal.rider, delivery=delivery, evidence=evidence)
        _record_change(flag, delivery, order, by=Cause("system", "fraud"))
    else:
        sightings = [*flag.evidence.get("sightings", ()), signal.as_sighting][-KEPT_SIGHTINGS:]
        flag.evidence = {**flag.evidence, "sightings": sightings, "count": flag.evidence.get("count", 0) + 1}
        flag.save(update_fields=["evidence"])
    ref = order.public_id if order else ""
    service.open_incident(
        f"fraud.{flag.kind}",
        severity=Severity.WARNING,
        title=f"{TITLES[flag.kind]}: {signal.rider.name}" + (f", order {order.order_id}" if order else ""),
        dedupe=incident_key(flag),
        subject=events.subject_of(flag),
        order_ref=ref,
        detail={"rider": str(signal.rider.public_id), "order": ref, **signal.as_sighting},
    )
    return flag


def _open_flag(signal: FraudSignal, delivery: Delivery | None) -> FraudFlag | None:
    flags = FraudFlag.objects.select_for_update(no_key=True, of=("self",)).filter(
        kind=signal.kind, status=FlagStatus.OPEN, rider=signal.rider, delivery=delivery
    )
    return flags.first()


def uphold_flag(flag: FraudFlag, *, by: Cause, note: str) -> FraudFlag:
    """It was fraud: the earning stays held for good. Raises IllegalMove unless open, Invalid without a note."""
    return _decide_flag(flag, FlagStatus.UPHELD, by, note)


def dismiss_flag(flag: FraudFlag, *, by: Cause, note: str) -> FraudFlag:
    """It was not: the earning is free. Raises IllegalMove unless open, Invalid without a note."""
    return _decide_flag(flag, FlagStatus.DISMISSED, by, note)


def _decide_flag(flag: FraudFlag, status: FlagStatus, by: Cause, note: str) -> FraudFlag:
    if not note.strip():
        raise Invalid("say why", field="note")
    with transaction.atomic():
        order = delivery = None
        if flag.delivery is not None:
            order = locks.lock_order(flag.delivery.order_id)
            delivery = Delivery.objects.select_for_update(no_key=True, of=("self",)).get(pk=flag.delivery.pk)
        row = FraudFlag.objects.select_for_update(no_key=True, of=("self",)).get(pk=flag.pk)
        FLAG.require_move(row.status, status, what="flag")
        row.status, row.decided_by, row.decided_at = status, _find_user(by), clock.now()
        row.decision_note = note.strip()[:NOTE_LENGTH]
        row.save(update_fields=["status", "decided_by", "decided_at", "decision_note"])
        _record_change(row, delivery, order, by=by)
        service.resolve_key(incident_key(row), f"{status}: {row.decision_note}")
        if delivery is not None:
            tracks.clear_if_over(delivery)
    return row


def _find_user(by: Cause) -> User | None:
    return User.objects.filter(pk=by.user_id).first() if by.user_id else None


def _record_change(flag: FraudFlag, delivery: Delivery | None, order: Order | None, *, by: Cause) -> None:
    """The event stands with the delivery, whose earning it is about; a flag without one touches no money."""
    data = {"flag": str(flag.public_id), "kind": flag.kind, "status": flag.status}
    if delivery is not None:
        events.record_event(
            "fraud_flag.changed", delivery, by=by, data=data, order_ref=order.public_id if order else ""
        )
    else:
        events.record_event("rider.flagged", flag, by=by, data=data)


def incident_key(flag: FraudFlag) -> str:
    return f"fraud_flag:{flag.pk}"
