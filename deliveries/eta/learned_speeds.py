"""How fast orders get from door to door, learned from our own deliveries (SPEC D7): per store and hour.

Every night the newest deliveries of the last LEARN_WEEKS are read once, riders' and courier companies' alike. Three
medians come of them: travel in straight-line metres per minute, minutes at the store, minutes at the door. What nobody
can have done is cut off. A median of few says little: below FEWEST it is not looked at, above it is drawn towards the
coarser one, as if STEADIED_BY deliveries had gone exactly like that: all stores towards the settings, a store towards
all stores, a store's hour towards the store as that hour is for all.

The settings are the yardstick: what was learned counts as long as TRAVEL_SPEED_M_PER_MIN is the one of that night, so
that a city which runs at another speed today is not measured by the old one.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from deliveries.eta import estimate
from deliveries.eta.estimate import TravelOutlook
from deliveries.lifecycle import CARRIED
from deliveries.models import Delivery, LearnedSpeed
from deliveries.positions import tracks
from foundation import clock
from orders import deadlines
from orders.models import Order
from orders.stores import preparation_times
from orders.stores.hour_slots import ZONES, slot_of, slot_sql
from riders.positions import PositionFix

log = structlog.get_logger(__name__)
MOST = 1_000_000  # deliveries that one night reads, the newest first
FEWEST, STEADIED_BY = 5, 10
SHORTEST_M = 300  # of a shorter way most of the time is not travel
SPEED_WITHIN = (1 / 8, 4)  # times the setting: slower was a break, faster a button pressed late
SERVICE_WITHIN = (1 / 40, 8)
MEASURES = {"travel": "%(speed)s", "at_store": "%(service)s", "at_door": "%(service)s"}  # and what each begins with

Speeds = tuple[float, float, float]

# Where nobody saw when the door was reached, the setting's time at the door is taken off. At the store a rider waits
# for the food as well, and what is handed over is ready: only what came after the store's own word is service.
_TRIPS = f"""
    SELECT o.store_id, {slot_sql("d.picked_up_at")} AS slot,
        CASE WHEN d.distance_m >= {SHORTEST_M} THEN d.distance_m / nullif(extract(epoch FROM
            coalesce(d.reached_door_at, d.ended_at - make_interval(secs => %(service)s * 60)) - d.picked_up_at
        ) / 60, 0) END AS travel,
        CASE WHEN d.reached_store_at IS NOT NULL AND o.ready_at < d.picked_up_at - interval '1 second'
            THEN extract(epoch FROM d.picked_up_at - greatest(d.reached_store_at, o.ready_at)) / 60 END AS at_store,
        extract(epoch FROM d.ended_at - d.reached_door_at) / 60 AS at_door
    FROM (
        SELECT order_id, distance_m, picked_up_at, ended_at, reached_store_at, reached_door_at
        FROM deliveries_delivery
        WHERE status = 'delivered' AND created_at >= now() - make_interval(weeks => %(weeks)s)
          AND picked_up_at < ended_at
        ORDER BY created_at DESC LIMIT %(most)s
    ) d JOIN orders_order o ON o.id = d.order_id JOIN orders_store s ON s.id = o.store_id {ZONES}
"""  # noqa: S608 - made of constants


def _repeat_per_measure(template: str) -> str:
    """The piece of SQL once for every measure."""
    return ", ".join(template.format(name=name, begin=begin) for name, begin in MEASURES.items())


def _steadied_level(level: str, towards: str) -> str:
    """The level's medians, drawn towards those of a coarser one (`{name}` is the measure)."""
    drawn = f"({level}.{{name}}_n * coalesce({level}.{{name}}, 0) + {STEADIED_BY} * {towards})"
    return _repeat_per_measure(f"{drawn} / ({level}.{{name}}_n + {STEADIED_BY}) AS {{name}}, {level}.{{name}}_n")


_LEARN = f"""
    WITH trips AS MATERIALIZED ({_TRIPS}), plausible AS MATERIALIZED (
        SELECT store_id, slot,
            CASE WHEN travel BETWEEN %(slowest)s AND %(fastest)s THEN travel END AS travel,
            CASE WHEN at_store BETWEEN %(shortest)s AND %(longest)s THEN at_store END AS at_store,
            CASE WHEN at_door BETWEEN %(shortest)s AND %(longest)s THEN at_door END AS at_door
        FROM trips
    ), levels AS MATERIALIZED (
        SELECT store_id, slot,
            {_repeat_per_measure("percentile_cont(0.5) WITHIN GROUP (ORDER BY {name}) AS {name}")},
         {_repeat_per_measure(f"CASE WHEN count({{name}}) >= {FEWEST} THEN count({{name}}) ELSE 0 END AS {{name}}_n")}
        FROM plausible GROUP BY GROUPING SETS ((store_id, slot), (store_id), (slot), ())
    ), all_stores AS (
        SELECT l.store_id, l.slot, {_steadied_level("l", "{begin}")}
        FROM levels l WHERE l.store_id IS NULL AND l.slot IS NULL
    ), all_stores_by_slot AS (
        SELECT l.store_id, l.slot, {_steadied_level("l", "a.{name}")}
        FROM levels l CROSS JOIN all_stores a WHERE l.store_id IS NULL AND l.slot IS NOT NULL
    ), stores AS (
        SELECT l.store_id, l.slot, {_steadied_level("l", "a.{name}")}
        FROM levels l CROSS JOIN all_stores a WHERE l.store_id IS NOT NULL AND l.slot IS NULL
    ), stores_by_slot AS (
        SELECT l.store_id, l.slot, {_steadied_level("l", "s.{name} * h.{name} / a.{name}")}
        FROM levels l JOIN stores s ON s.store_id = l.store_id JOIN all_stores_by_slot h ON h.slot = l.slot
        CROSS JOIN all_stores a
    ), learned AS (
        SELECT * FROM all_stores UNION ALL SELECT * FROM all_stores_by_slot
        UNION ALL SELECT * FROM stores UNION ALL SELECT * FROM stores_by_slot
    )
    INSERT INTO deliveries_learnedspeed (store_id, slot, travel_m_per_min, at_store_min, at_door_min, trips,
        store_stops, door_stops, configured_m_per_min, learned_at)
    SELECT store_id, slot, travel, at_store, at_door, travel_n, at_store_n, at_door_n, %(speed)s, now()
    FROM learned WHERE travel_n + at_store_n + at_door_n > 0
"""  # noqa: S608 - made of constants


def learn_speeds() -> int:
    """Replace what was learned by what the last weeks say. Returns how many rows that makes; again changes nothing."""
    speed, service = settings.TRAVEL_SPEED_M_PER_MIN, settings.SERVICE_MINUTES
    params = {
        "weeks": settings.LEARN_WEEKS,
        "most": MOST,
        "speed": speed,
        "service": service,
        **dict(zip(("slowest", "fastest"), (speed * times for times in SPEED_WITHIN), strict=True)),
        **dict(zip(("shortest", "longest"), (service * times for times in SERVICE_WITHIN), strict=True)),
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '10min'")
        cursor.execute(
            "LOCK TABLE deliveries_learnedspeed IN SHARE ROW EXCLUSIVE MODE"
        )  # one night at a time; all may read
        cursor.execute("DELETE FROM deliveries_learnedspeed")
        cursor.execute(_LEARN, params)
        learned = cursor.rowcount
    log.info("speeds_learned", rows=learned)
    return learned


# ── what is expected ─────────────────────────────────────────────────────────────────────────────────────────────
def expected_arrival(
    order: Order, delivery: Delivery | None, *, now: datetime, last_fix: PositionFix | None = None
) -> datetime:
    """When the customer should have this one order, by what was learned and where its carrier was last."""
    if last_fix is None and delivery is not None and delivery.status in CARRIED:
        last_fix = tracks.latest_fix(delivery)
    return estimate.estimate_arrival(
        order, delivery, load_outlooks([order], now=now)[order.pk], now=now, last_fix=last_fix
    )


def minutes_to_arrival(order: Order, delivery: Delivery) -> int:
    """Whole minutes until the customer should have it, as messages say them."""
    now = clock.now()
    return estimate.minutes_left(expected_arrival(order, delivery, now=now), now=now)


def load_outlooks(orders: Sequence[Order], *, now: datetime) -> dict[int, TravelOutlook]:
    """What is expected of each, by the order's id: two queries, however many there are."""
    speeds = _load_speeds(orders, now)
    waited_for = [order for order in orders if order.ready_at is None and order.minimum_prep_minutes is None]
    usual = preparation_times.usual_minutes(waited_for) if waited_for else {}
    return {
        order.pk: TravelOutlook(deadlines.expected_ready_at(order, usual.get(order.pk)), *speeds[order.pk])
        for order in orders
    }


def _load_speeds(orders: Iterable[Order], now: datetime) -> dict[int, Speeds]:
    """The finest that is known: of this store at this hour, of the store, of this hour in all stores, of all."""
    asked = {order.pk: (order.store_id, slot_of(order.store, now)) for order in orders}
    stores, slots = {store for store, _ in asked.values()}, {slot for _, slot in asked.values()}
    rows = LearnedSpeed.objects.filter(
        Q(store__in=stores) | Q(store=None),
        Q(slot__in=slots) | Q(slot=None),
        configured_m_per_min=settings.TRAVEL_SPEED_M_PER_MIN,
    ).values_list("store_id", "slot", "travel_m_per_min", "at_store_min", "at_door_min")
    known: dict[tuple[int | None, int | None], Speeds] = {
        (store, slot): (travel, at_store, at_door) for store, slot, travel, at_store, at_door in rows
    }
    service = settings.SERVICE_MINUTES
    configured = (settings.TRAVEL_SPEED_M_PER_MIN, service, service)
    return {
        pk: next(
            (known[key] for key in ((store, slot), (store, None), (None, slot), (None, None)) if key in known),
            configured,
        )
        for pk, (store, slot) in asked.items()
    }
