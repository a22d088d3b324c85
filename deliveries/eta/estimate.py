"""When an order will be at its door: ready, fetched, carried (SPEC D7).

Ways are straight lines and speeds are straight-line metres per minute: how far streets wind, and what else a rider
carries, is in the speed that was learned (deliveries/eta/learned_speeds.py). Pure: the time, the outlook and positions
come in.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from deliveries.lifecycle import CARRIED, DeliveryStatus
from deliveries.models import IN_HOUSE, Delivery
from foundation.geo import Point, haversine_m
from orders.models import Order
from riders.positions import PositionFix

ON_THE_WAY = (DeliveryStatus.PICKED_UP, DeliveryStatus.IN_TRANSIT)


@dataclass(frozen=True)
class TravelOutlook:
    """What is expected of one order: when it is ready, and how things go at its store at this hour.

    `at_store_min`: from arriving there (or from ready, if that is later) to having picked up; `at_door_min`: from
    arriving to having handed over.
    """

    ready_at: datetime
    travel_m_per_min: float
    at_store_min: float
    at_door_min: float


def distance_m(order: Order) -> int | None:
    """Store to customer; None where either has no coordinates."""
    store, customer = order.store.point, order.point
    return None if store is None or customer is None else round(haversine_m(store, customer))


def estimate_arrival(
    order: Order,
    delivery: Delivery | None,
    outlook: TravelOutlook,
    *,
    now: datetime,
    last_fix: PositionFix | None = None,
) -> datetime:
    """When the customer should have it. `seen`: where its carrier was last, if that is known.

    A carrier who was not heard of since is taken to have gone on: nobody stands still because a phone is silent.
    """
    theirs = delivery.courier_job.arrival_at if delivery is not None and delivery.courier != IN_HOUSE else None
    if theirs is not None and theirs > now:
        return theirs  # the courier company's own estimate: it knows its drivers
    store, customer = order.store.point, order.point
    at_door = timedelta(minutes=outlook.at_door_min)
    if delivery is not None and delivery.status in ON_THE_WAY:
        since, start = _last_known(delivery, last_fix, now)
        return max(now, since + _travel_time(start or store, customer, outlook)) + at_door
    reached = now
    if delivery is not None and delivery.status in CARRIED and last_fix is not None:
        reached = max(now, last_fix.recorded_at + _travel_time(last_fix.point, store, outlook))
    fetched = max(reached, outlook.ready_at) + timedelta(minutes=outlook.at_store_min)
    return fetched + _travel_time(store, customer, outlook) + at_door


def minutes_left(arrival_at: datetime, *, now: datetime) -> int:
    """Whole minutes, as told to people: never less than one."""
    return max(1, math.ceil((arrival_at - now).total_seconds() / 60))


def _last_known(delivery: Delivery, last_fix: PositionFix | None, now: datetime) -> tuple[datetime, Point | None]:
    """Since when it is on its way from where. Seen before the pickup: it was at the store then."""
    picked_up_at = delivery.picked_up_at
    if last_fix is None or (picked_up_at is not None and last_fix.recorded_at < picked_up_at):
        return min(picked_up_at or now, now), None
    return min(last_fix.recorded_at, now), last_fix.point


def _travel_time(start: Point | None, end: Point | None, outlook: TravelOutlook) -> timedelta:
    if start is None or end is None:
        return timedelta(0)
    return timedelta(minutes=haversine_m(start, end) / outlook.travel_m_per_min)
