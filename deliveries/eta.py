"""When an order will be at its door: ready, fetched, carried (SPEC D7 in its simplest sound form).

Straight lines at TRAVEL_SPEED_M_PER_MIN, SERVICE_MINUTES at the store and at the door. Pure: `now` and positions
come in.
"""

import math
from datetime import datetime, timedelta

from django.conf import settings

from deliveries.lifecycle import DeliveryStatus
from deliveries.models import IN_HOUSE, Delivery
from foundation.geo import Point, haversine_m
from orders import deadlines
from orders.models import Order


def distance_m(order: Order) -> int | None:
    """Store to customer; None where either has no coordinates."""
    store, customer = order.store.point, order.point
    return None if store is None or customer is None else round(haversine_m(store, customer))


def arrival(order: Order, delivery: Delivery | None, *, now: datetime, position: Point | None = None) -> datetime:
    """When the customer should have it. `position` is the carrier's, if it is known."""
    if delivery is not None and delivery.courier != IN_HOUSE and delivery.arrival_at and delivery.arrival_at > now:
        return delivery.arrival_at  # the courier's own estimate: it knows its drivers
    store, customer = order.store.point, order.point
    status = delivery.status if delivery else DeliveryStatus.SEARCHING
    if status in (DeliveryStatus.PICKED_UP, DeliveryStatus.IN_TRANSIT):
        return now + _travel(position or store, customer) + _service()
    fetched = now + _travel(position, store) + _service()
    return max(fetched, deadlines.expected_ready_at(order)) + _travel(store, customer) + _service()


def minutes_left(arrival_at: datetime, *, now: datetime) -> int:
    """Whole minutes, as told to people: never less than one."""
    return max(1, math.ceil((arrival_at - now).total_seconds() / 60))


def _travel(start: Point | None, end: Point | None) -> timedelta:
    if start is None or end is None:
        return timedelta(0)
    return timedelta(minutes=haversine_m(start, end) / settings.TRAVEL_SPEED_M_PER_MIN)


def _service() -> timedelta:
    return timedelta(minutes=settings.SERVICE_MINUTES)
