"""Is the rider where a confirmation says (SPEC R4)? Pure: positions in, a finding out; fraud.py writes it down."""

from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings

from deliveries.lifecycle import DeliveryStatus
from deliveries.models import FraudKind
from foundation.geo import Point, haversine_m
from orders.models import Order, Store


class Nearness(StrEnum):
    """MISSING: the phone gave no position. UNMEASURABLE: the place itself has no coordinates."""

    NEAR = "near"
    FAR = "far"
    MISSING = "missing"
    UNMEASURABLE = "unmeasurable"


@dataclass(frozen=True)
class Confirmation:
    """A step that is confirmed on the spot, and what it is called when somebody is elsewhere (the contract's words)."""

    flag: FraudKind
    code: str
    message: str


CONFIRMATIONS: dict[str, Confirmation] = {
    DeliveryStatus.PICKED_UP: Confirmation(
        FraudKind.FAKE_PICKUP, "FAKE_PICKUP_DETECTED", "Pickup confirmation failed validation"
    ),
    DeliveryStatus.DELIVERED: Confirmation(
        FraudKind.FAKE_DELIVERY, "FAKE_DELIVERY_DETECTED", "Delivery confirmation failed validation"
    ),
}


@dataclass(frozen=True)
class Finding:
    nearness: Nearness
    distance_m: float | None
    allowed_m: int


def check(order: Order, target: str, position: Point | None) -> Finding:
    """How far `position` is from where `target` (picked up, delivered) has to happen."""
    return measure(place_of(order, target), position, settings.GEOFENCE_M)


def measure(place: Point | None, position: Point | None, allowed_m: int) -> Finding:
    if position is None:
        return Finding(Nearness.MISSING, None, allowed_m)
    if place is None:
        return Finding(Nearness.UNMEASURABLE, None, allowed_m)
    distance_m = haversine_m(place, position)
    return Finding(Nearness.NEAR if distance_m <= allowed_m else Nearness.FAR, distance_m, allowed_m)


def place_of(order: Order, target: str) -> Point | None:
    return order.store.point if target == DeliveryStatus.PICKED_UP else order.point


def required(store: Store) -> bool:
    """Whether a confirmation without a position is refused: the store's policy, else GPS_REQUIRED."""
    return bool(settings.GPS_REQUIRED if store.gps_required is None else store.gps_required)
