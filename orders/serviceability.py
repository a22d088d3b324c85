"""Whether an order can be delivered at all (SPEC D3): asked when it is placed, and again before any offer."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from foundation.geo import Point, haversine_m
from orders.models import Store
from orders.stores import stores


@dataclass(frozen=True)
class Refusal:
    """`code`: no_coordinates | too_far | store_closed | store_unavailable; `reason` in words."""

    code: str
    reason: str

    @property
    def message(self) -> str:
        return f"Order auto-rejected, reason: {self.reason}"


def check_serviceable(store: Store, point: Point | None, at: datetime) -> Refusal | None:
    """None: it can be delivered. `at` is when it was ordered: a store that closes later still delivers it."""
    if store.point is None:
        return Refusal("no_coordinates", "the store has no coordinates")
    if point is None:
        return Refusal("no_coordinates", "the address has no coordinates")
    distance_m = haversine_m(store.point, point)
    if distance_m > settings.MAX_DELIVERY_DISTANCE_M:
        limit_km = settings.MAX_DELIVERY_DISTANCE_M / 1000
        return Refusal("too_far", f"{distance_m / 1000:.2f} km from the store, more than {limit_km:g} km")
    if not store.is_available:
        return Refusal("store_unavailable", "the store takes no orders at the moment")
    if not stores.is_open(store, at):
        return Refusal("store_closed", "the store is closed")
    return None
