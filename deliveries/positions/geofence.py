"""Is the rider where a confirmation says (SPEC R4)? Pure: positions in, a finding out; deliveries/fraud/flags.py writes
it down.

A store's policy is the rule. *Hard*, the default, is the contract's: measured within GEOFENCE_M or refused, whatever
the phone says of its accuracy. *Tolerant* knows drift: a position measured outside whose reported accuracy and age
leave room for inside is uncertain, and stands if what we saw of the rider before the request bears it out. What the
request says of itself is never enough, so a phone gains nothing by calling itself inaccurate; and however much doubt it
claims, beyond twice the geofence outside is outside.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings

from deliveries.lifecycle import DeliveryStatus
from deliveries.models import FraudKind
from foundation import clock
from foundation.geo import Point, haversine_m
from orders.models import Order, Store
from riders.positions import FUTURE_TOLERANCE, PositionFix

LATELY = timedelta(minutes=3)  # what we saw of the rider longer ago says little of now
REPORTS_NEEDED = 2  # of the phone's own, sent at different times: one batch is one story
WORST_ACCURACY_M = 100.0  # a sighting that claims to be worse bears nothing out


class Proximity(StrEnum):
    """UNCERTAIN: measured outside, and it may be inside (tolerant stores). MISSING: the phone gave no position.
    UNMEASURABLE: the place itself has no coordinates."""

    NEAR = "near"
    UNCERTAIN = "uncertain"
    FAR = "far"
    MISSING = "missing"
    UNMEASURABLE = "unmeasurable"


@dataclass(frozen=True)
class ConfirmationKind:
    """A step that is confirmed on the spot, and what it is called when somebody is elsewhere (the contract's words)."""

    flag: FraudKind
    code: str
    message: str


CONFIRMATIONS: dict[str, ConfirmationKind] = {
    DeliveryStatus.PICKED_UP: ConfirmationKind(
        FraudKind.FAKE_PICKUP, "FAKE_PICKUP_DETECTED", "Pickup confirmation failed validation"
    ),
    DeliveryStatus.DELIVERED: ConfirmationKind(
        FraudKind.FAKE_DELIVERY, "FAKE_DELIVERY_DETECTED", "Delivery confirmation failed validation"
    ),
}


@dataclass(frozen=True)
class ReceivedFix:
    """Where we saw the rider before: `received_at` by our clock, the rest as the phone reported it then."""

    seen: PositionFix
    received_at: datetime


@dataclass(frozen=True)
class GeofenceResult:
    """What a position says, under which rule. `doubt_m`: how far the truth may be from where it was measured;
    `borne_out_by`: distances and times of the sightings that speak for it."""

    nearness: Proximity
    rule: Store.Positions
    distance_m: float | None
    allowed_m: int
    accuracy_m: float | None = None
    age_s: float = 0.0
    doubt_m: float = 0.0
    borne_out_by: tuple[dict[str, Any], ...] = ()

    @property
    def is_refused(self) -> bool:
        """Elsewhere, or perhaps elsewhere and nothing else speaks for it."""
        return self.nearness == Proximity.FAR or (self.nearness == Proximity.UNCERTAIN and not self.borne_out_by)

    def as_json(self) -> dict[str, Any]:
        """The rule and its figures, as they are kept with the flag or with the delivery."""
        kept: dict[str, Any] = {"nearness": str(self.nearness)}
        if self.distance_m is None:
            return kept
        kept |= {"rule": str(self.rule), "distance_m": round(self.distance_m), "allowed_m": self.allowed_m}
        kept |= {"accuracy_m": self.accuracy_m, "age_s": round(self.age_s)}
        if self.rule == Store.Positions.TOLERANT:
            kept |= {"doubt_m": round(self.doubt_m), "borne_out_by": list(self.borne_out_by)}
        return kept


def measure_fix(
    place: Point | None, fix: PositionFix | None, rule: Store.Positions, *, now: datetime
) -> GeofenceResult:
    """How far the position is from where it should be, and what the rule makes of that; uncertain ones are not borne
    out yet (`weigh_result`)."""
    allowed_m = settings.GEOFENCE_M
    if fix is None:
        return GeofenceResult(Proximity.MISSING, rule, None, allowed_m)
    age_s = max(0.0, (now - fix.recorded_at).total_seconds())
    if place is None:
        return GeofenceResult(Proximity.UNMEASURABLE, rule, None, allowed_m, fix.accuracy_m, age_s)
    distance_m = haversine_m(place, fix.point)
    doubt_m = min((fix.accuracy_m or 0.0) + age_s * settings.TRAVEL_SPEED_M_PER_MIN / 60, float(allowed_m))
    nearness = Proximity.NEAR
    if distance_m > allowed_m:
        possible = rule == Store.Positions.TOLERANT and distance_m - doubt_m <= allowed_m
        nearness = Proximity.UNCERTAIN if possible else Proximity.FAR
    return GeofenceResult(nearness, rule, distance_m, allowed_m, fix.accuracy_m, age_s, doubt_m)


def weigh_result(
    result: GeofenceResult, place: Point, fixes: Sequence[ReceivedFix], *, now: datetime
) -> GeofenceResult:
    """An uncertain finding with what bears it out: sightings of the last minutes, newest among them, that put the rider
    within the geofence by their own accuracy, from at least two reports."""
    plausible = [one for one in fixes if now - LATELY <= one.seen.recorded_at <= now + FUTURE_TOLERANCE]
    plausible = [one for one in plausible if (one.seen.accuracy_m or 0.0) <= WORST_ACCURACY_M]
    near = [one for one in plausible if _reaches_place(one, place, result.allowed_m)]
    newest = max(plausible, key=lambda one: one.seen.recorded_at, default=None)
    if newest not in near or len({one.received_at for one in near}) < REPORTS_NEEDED:
        return result
    return replace(result, borne_out_by=tuple(_figures_of(one, place) for one in near))


def _reaches_place(one: ReceivedFix, place: Point, allowed_m: int) -> bool:
    return haversine_m(place, one.seen.point) <= allowed_m + (one.seen.accuracy_m or 0.0)


def _figures_of(one: ReceivedFix, place: Point) -> dict[str, Any]:
    return {
        "distance_m": round(haversine_m(place, one.seen.point)),
        "accuracy_m": one.seen.accuracy_m,
        "recorded_at": clock.format_wire(one.seen.recorded_at),
        "received_at": clock.format_wire(one.received_at),
    }


def not_of_now(recorded_at: datetime, *, now: datetime) -> str:
    """Why a position of that time says nothing of where the rider is now; "" where it does."""
    if recorded_at > now + FUTURE_TOLERANCE:
        return "is in the future"
    if recorded_at < now - timedelta(seconds=settings.POSITION_FRESH_SECONDS):
        return f"is more than {settings.POSITION_FRESH_SECONDS} seconds ago: say where you are now"
    return ""


def place_of(order: Order, target: str) -> Point | None:
    return order.store.point if target == DeliveryStatus.PICKED_UP else order.point


def is_required(store: Store) -> bool:
    """Whether a confirmation without a position is refused: the store's policy, else GPS_REQUIRED."""
    return bool(settings.GPS_REQUIRED if store.gps_required is None else store.gps_required)
