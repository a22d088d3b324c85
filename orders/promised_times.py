"""What was promised to the customer, and what is expected now (SPEC D7). `deliveries` works out the expectation."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F, Q, QuerySet

from orders import notices
from orders.lifecycle import LIVE, OrderStatus
from orders.models import Order

MIN_ETA_CHANGE = timedelta(seconds=30)  # an expectation that moved by less is the same
GRACE = timedelta(minutes=2)  # estimates are not better than this
PROMISE_KEY_FORMAT = "%Y%m%dT%H%M%S"  # names a promise in what is told of it once
NOT_STARTED = (OrderStatus.PENDING, OrderStatus.PAYMENT_CONFIRMED, OrderStatus.STORE_NOTIFIED)  # nobody has begun
IN_PROGRESS = sorted(LIVE - set(NOT_STARTED))

# Whoever is just moving an order holds it: its expectation is written by the next look, and nobody waits for anybody.
_SET_ETA_SQL = """
    WITH news AS MATERIALIZED (
        SELECT o.id, n.at FROM unnest(%(ids)s::bigint[], %(times)s::timestamptz[]) AS n(id, at)
        JOIN orders_order o ON o.id = n.id
        WHERE o.status = ANY(%(live)s) AND (o.eta_at IS NULL OR abs(extract(epoch FROM o.eta_at - n.at)) >= %(worth_s)s)
        ORDER BY o.id FOR NO KEY UPDATE OF o SKIP LOCKED
    )
    UPDATE orders_order o SET eta_at = news.at FROM news WHERE o.id = news.id RETURNING o.id
"""


def list_active_ids(limit: int) -> list[int]:
    """Ids of the orders that somebody works on, the most urgent first, those without a promise last."""
    found = Order.objects.filter(status__in=IN_PROGRESS).order_by("promised_at")
    return list(found.values_list("pk", flat=True)[:limit])


def late_orders(now: datetime) -> QuerySet[Order]:
    """Those that should have been delivered by now; as the next one by the index on the promises that live."""
    return Order.objects.filter(status__in=IN_PROGRESS, promised_at__lt=now)


def at_risk_orders(now: datetime) -> QuerySet[Order]:
    """Those that are late, or expected to be."""
    expected_late = Q(eta_at__gt=F("promised_at") + GRACE)
    return Order.objects.filter(
        Q(promised_at__lt=now) | expected_late, status__in=IN_PROGRESS, promised_at__isnull=False
    )


def is_behind(order: Order, arrival_at: datetime) -> bool:
    return order.promised_at is not None and arrival_at > order.promised_at + GRACE


def minutes_behind(order: Order, now: datetime) -> int:
    """How much later than promised it is by now, or is expected to be; 0 where it is not, or has ended."""
    if order.promised_at is None or order.status not in LIVE:
        return 0
    expected_at = max(now, order.eta_at or now)
    return max(0, round((expected_at - order.promised_at).total_seconds() / 60))


def set_expected_arrivals(arrivals: Mapping[int, datetime]) -> set[int]:
    """Write down when orders are expected, by their ids. Returns those whose expectation is news; no event: a position
    every few seconds would fill the history."""
    params: dict[str, Any] = {
        "ids": list(arrivals),
        "times": list(arrivals.values()),
        "live": sorted(LIVE),
        "worth_s": MIN_ETA_CHANGE.total_seconds(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_SET_ETA_SQL, params)
        return {row[0] for row in cursor.fetchall()}


def warn_customer(order: Order, eta_minutes: int, *, failures: int) -> None:
    """The customer hears that it may be late: once for a promise, and once more after every delivery that failed."""
    promise = f"{order.promised_at:{PROMISE_KEY_FORMAT}}" if order.promised_at else ""
    notices.notify_customer(order, "delivery.delayed", dedupe_suffix=f"{promise}:{failures}", etaMinutes=eta_minutes)
