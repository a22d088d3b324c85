"""How long a store takes to prepare an order, learned from what it has done (SPEC D7, O5): per store and hour.

Every night the newest orders of the last LEARN_WEEKS are read once. A median of few orders says little: below
MIN_ORDERS it is not looked at, above it is drawn towards the coarser one (an hour's towards the store's, the store's
towards its own `preparation_minutes`) as if PRIOR_ORDERS orders had taken exactly that long. What the store says of one
order goes before all of it (orders/deadlines.py).
"""

from collections.abc import Iterable
from datetime import datetime

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from orders.models import Order, PreparationTime
from orders.stores.hour_slots import ZONES, slot_of, slot_sql

log = structlog.get_logger(__name__)
MAX_ORDERS = 1_000_000  # orders that one night reads, the newest first
MIN_ORDERS, PRIOR_ORDERS = 5, 10
MIN_MINUTES, MAX_MINUTES = 1, 240  # less is a button pressed twice, more is one forgotten

# An order that is handed over is ready (the pickup sets PreparationState.READY): how long before nobody knows.
_LEARN_SQL = f"""
    WITH newest AS MATERIALIZED (
        SELECT store_id, coalesce(confirmed_at, notified_at, paid_at, created_at) AS started_at, ready_at
        FROM orders_order
        WHERE status = 'delivered' AND created_at >= now() - make_interval(weeks => %(weeks)s)
          AND ready_at < picked_up_at - interval '1 second'
        ORDER BY created_at DESC LIMIT %(most)s
    ), prepared AS MATERIALIZED (
        SELECT n.store_id, s.preparation_minutes AS configured, {slot_sql("n.started_at")} AS slot,
               extract(epoch FROM n.ready_at - n.started_at) / 60 AS minutes
        FROM newest n JOIN orders_store s ON s.id = n.store_id {ZONES}
    ), levels AS MATERIALIZED (
        SELECT store_id, configured, slot, count(*) AS orders,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY minutes) AS median
        FROM prepared WHERE minutes BETWEEN {MIN_MINUTES} AND {MAX_MINUTES}
        GROUP BY GROUPING SETS ((store_id, configured, slot), (store_id, configured)) HAVING count(*) >= {MIN_ORDERS}
    ), stores AS (
        SELECT store_id, configured, orders,
               (orders * median + {PRIOR_ORDERS} * configured) / (orders + {PRIOR_ORDERS}) AS minutes
        FROM levels WHERE slot IS NULL
    )
    INSERT INTO orders_preparationtime (store_id, slot, minutes, orders, configured_minutes, learned_at)
    SELECT store_id, NULL, minutes, orders, configured, now() FROM stores
    UNION ALL
    SELECT l.store_id, l.slot, (l.orders * l.median + {PRIOR_ORDERS} * s.minutes) / (l.orders + {PRIOR_ORDERS}),
           l.orders, l.configured, now()
    FROM levels l JOIN stores s USING (store_id) WHERE l.slot IS NOT NULL
"""  # noqa: S608 - made of constants


def learn_preparation_times() -> int:
    """Replace what was learned by what the last weeks say. Returns how many rows that makes; again changes nothing."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '10min'")
        cursor.execute(
            "LOCK TABLE orders_preparationtime IN SHARE ROW EXCLUSIVE MODE"
        )  # one night at a time; all may read
        cursor.execute("DELETE FROM orders_preparationtime")
        cursor.execute(_LEARN_SQL, {"weeks": settings.LEARN_WEEKS, "most": MAX_ORDERS})
        learned = cursor.rowcount
    log.info("preparation_times_learned", rows=learned)
    return learned


def work_started_at(order: Order) -> datetime:
    """Since when the store has worked on it, as far as we know."""
    return order.confirmed_at or order.notified_at or order.paid_at or order.created_at


def usual_minutes(orders: Iterable[Order]) -> dict[int, float]:
    """How long their stores take for orders begun at that hour, by the order's id: one query for all of them.

    What was learned counts as long as the store's own figure is the one of that night: somebody who changes it knows
    better.
    """
    asked = {order.pk: (order.store, slot_of(order.store, work_started_at(order))) for order in orders}
    stores, slots = {store.pk for store, _ in asked.values()}, {slot for _, slot in asked.values()}
    rows = PreparationTime.objects.filter(Q(slot__in=slots) | Q(slot=None), store_id__in=stores)
    known: dict[tuple[int, int | None, int], float] = {
        (store_id, slot, configured): minutes
        for store_id, slot, configured, minutes in rows.values_list("store_id", "slot", "configured_minutes", "minutes")
    }
    found = {}
    for pk, (store, slot) in asked.items():
        usual = store.preparation_minutes
        whole_day = known.get((store.pk, None, usual), float(usual))
        found[pk] = known.get((store.pk, slot, usual), whole_day)
    return found
