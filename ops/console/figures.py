"""The numbers of the ops home (SPEC A1): each a bounded, indexed query, each with the filtered list it leads to."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, QuerySet
from django.urls import reverse

from deliveries.lifecycle import DeliveryStatus, FlagStatus
from deliveries.models import Delivery, FraudFlag
from foundation import money
from foundation.work import WorkState
from foundation.work_queues import all_queues
from notifications.models import STANDING, Incident, Severity
from ops.monitoring import queue_lag
from orders import promised_times
from orders.lifecycle import LIVE, OrderStatus
from orders.models import Order
from payouts.lifecycle import PayoutStatus
from payouts.models import LedgerAccount, Payout
from riders.models import RiderSpot

COUNTED_TO = 1_000
LIVE_IN_ORDER = [status for status in OrderStatus.values if status in LIVE]


@dataclass(frozen=True)
class Figure:
    """One number: `tone` is calm, warn or alarm; `link` is the list of what was counted."""

    label: str
    value: str
    link: str
    tone: str = "calm"
    note: str = ""


def start_of_day(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def bounded_count(rows: QuerySet) -> int:
    """Count no further than a thousand: a number on a page must not read ten million rows."""
    return rows.order_by()[:COUNTED_TO].count()


def format_count(count: int) -> str:
    return f"{COUNTED_TO}+" if count >= COUNTED_TO else str(count)


def list_link(model: str, **filters: Any) -> str:
    query = "&".join(f"{key}={value}" for key, value in filters.items())
    return reverse(f"admin:{model}_changelist") + (f"?{query}" if query else "")


def list_figures(now: datetime) -> list[Figure]:
    late, at_risk = bounded_count(promised_times.late_orders(now)), bounded_count(promised_times.at_risk_orders(now))
    flags = bounded_count(FraudFlag.objects.filter(status=FlagStatus.OPEN))
    failed = bounded_count(Delivery.objects.filter(status=DeliveryStatus.FAILED, created_at__gte=start_of_day(now)))
    review = bounded_count(Payout.objects.filter(status=PayoutStatus.REVIEW))
    return [
        _count_figure(
            "Orders today",
            bounded_count(Order.objects.filter(created_at__gte=start_of_day(now))),
            list_link("orders_order", age="24h"),
        ),
        _count_figure(
            "In preparation or delivery",
            bounded_count(Order.objects.filter(status__in=LIVE)),
            list_link("orders_order", progress="open"),
        ),
        _count_figure("Late", late, list_link("orders_order", progress="late"), alarm=late > 0),
        _count_figure("At risk or late", at_risk, list_link("orders_order", progress="at_risk"), warn=at_risk > 0),
        _count_figure(
            "Riders online", bounded_count(RiderSpot.objects.all()), list_link("riders_rider", is_online__exact=1)
        ),
        _count_figure(
            "Open fraud flags", flags, list_link("deliveries_fraudflag", status__exact=FlagStatus.OPEN), warn=flags > 0
        ),
        _count_figure(
            "Failed deliveries today",
            failed,
            list_link("deliveries_delivery", status__exact=DeliveryStatus.FAILED),
            warn=failed > 0,
        ),
        _dead_letters(),
        _incidents_figure(),
        _count_figure(
            "Payouts to review",
            review,
            list_link("payouts_payout", status__exact=PayoutStatus.REVIEW),
            alarm=review > 0,
        ),
        _payable_figure(),
    ]


def _count_figure(label: str, count: int, link: str, *, warn: bool = False, alarm: bool = False) -> Figure:
    return Figure(label, format_count(count), link, "alarm" if alarm else "warn" if warn else "calm")


def _incidents_figure() -> Figure:
    """What is not resolved, a storm counting as one."""
    found = Counter(unresolved_incidents().values_list("severity", flat=True)[:COUNTED_TO])
    note = ", ".join(f"{found[severity]} {severity}" for severity in reversed(Severity.values) if found[severity])
    tone = "alarm" if found[Severity.CRITICAL] else "warn" if found[Severity.WARNING] else "calm"
    return Figure("Incidents", format_count(found.total()), list_link("notifications_incident"), tone, note)


def _dead_letters() -> Figure:
    dead = {queue.name: queue_lag.count_dead(queue) for queue in all_queues().values()}
    worst = ", ".join(f"{name} {count}" for name, count in dead.items() if count)
    link = list_link("webhooks_webhookevent", state__exact=WorkState.DEAD)
    return Figure("Dead letters", format_count(sum(dead.values())), link, "alarm" if worst else "calm", worst)


def _payable_figure() -> Figure:
    rows = (
        LedgerAccount.objects.filter(payee_kind="store", kind="payable", balance_minor__gt=0)
        .values("currency")
        .annotate(payees=Count("id"))
    )
    sums = {row["currency"]: row["payees"] for row in rows}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT currency, sum(balance_minor) FROM payouts_ledgeraccount"
            " WHERE payee_kind = 'store' AND kind = 'payable' AND balance_minor > 0 GROUP BY currency ORDER BY 2 DESC"
        )
        due = [money.format_money(int(amount), currency) for currency, amount in cursor.fetchall()]
    return Figure(
        "Due to stores",
        due[0] if due else "–",
        list_link("payouts_ledgeraccount", kind__exact="payable"),
        note=", ".join([*due[1:], f"{sum(sums.values())} stores"]) if due else "",
    )


def day_state(now: datetime) -> dict[str, Any]:
    """The day in one line: `{open: {status: count}, late, backlog}`; refunded and ended orders are not open."""
    live = Order.objects.filter(status__in=LIVE)
    by_status = dict(live.order_by().values_list("status").annotate(orders=Count("id")))
    return {
        "open": {status: by_status[status] for status in LIVE_IN_ORDER if status in by_status},
        "late": bounded_count(promised_times.late_orders(now)),
        "backlog": sum(queue_lag.count_backlog().values()),
    }


@dataclass(frozen=True)
class Chart:
    """One chart: `series` maps a legend to one value per label. `kind` is bar or line; stacked bars."""

    key: str
    title: str
    labels: list[str]
    series: dict[str, list[int]]
    kind: str = "bar"


def list_charts(now: datetime) -> list[Chart]:
    return [
        _hourly_chart(now, "orders", "Orders by hour and status", "orders_order", "status"),
        _hourly_chart(now, "offers", "Offers by hour and outcome", "deliveries_offer", "status"),
        _hourly_chart(now, "webhooks", "Webhooks received by hour", "webhook_events", "provider"),
        _hourly_chart(now, "messages", "Messages by hour and channel", "notifications_message", "channel"),
    ]


def _hourly_chart(now: datetime, key: str, title: str, table: str, column: str) -> Chart:
    """Rows of today by hour and by `column`; every table has an index that starts with or covers created_at."""
    hours = [start_of_day(now) + timedelta(hours=hour) for hour in range(now.hour + 1)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT date_trunc('hour', created_at, 'UTC'), coalesce(nullif({column}, ''), 'none'), count(*)"  # noqa: S608
            f" FROM {table} WHERE created_at >= %s GROUP BY 1, 2",
            [start_of_day(now)],
        )
        counts = {(hour, name): count for hour, name, count in cursor.fetchall()}
    names = sorted({name for _, name in counts})
    series = {name: [counts.get((hour, name), 0) for hour in hours] for name in names}
    return Chart(key, title, [f"{hour:%H}:00" for hour in hours], series)


@dataclass(frozen=True)
class ProviderHealth:
    """One provider's webhooks in the last hour; `p95_s` from receipt to done, in seconds."""

    provider: str
    received: int
    waiting: int
    dead: int
    p95_s: float | None
    link: str


def webhook_health(now: datetime) -> Iterable[ProviderHealth]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT provider, count(*), count(*) FILTER (WHERE state IN ('pending', 'leased')),
                   count(*) FILTER (WHERE state = 'dead'),
                   percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM processed_at - created_at))
            FROM webhook_events WHERE created_at >= %s GROUP BY provider ORDER BY provider
            """,
            [now - timedelta(hours=1)],
        )
        rows = cursor.fetchall()
    return [
        ProviderHealth(
            provider, received, waiting, dead, p95_s, list_link("webhooks_webhookevent", provider__exact=provider)
        )
        for provider, received, waiting, dead, p95_s in rows
    ]


def unresolved_incidents() -> QuerySet[Incident]:
    """The worst first, by the index of the queue."""
    return Incident.objects.filter(STANDING, folded_into=None).order_by("rank", "-last_at")
