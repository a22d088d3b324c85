"""The numbers of the ops home (SPEC A1): each a bounded, indexed query, each with the filtered list it leads to."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, QuerySet
from django.urls import reverse

from config.watching import lanes
from deliveries.lifecycle import DeliveryStatus, FlagStatus
from deliveries.models import Delivery, FraudFlag
from foundation import money
from foundation.lanes import all_lanes
from foundation.work import WorkState
from notifications.models import STANDING, Incident, Severity
from orders import promises
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


def today(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def bounded(rows: QuerySet) -> int:
    """Count no further than a thousand: a number on a page must not read ten million rows."""
    return rows.order_by()[:COUNTED_TO].count()


def shown(count: int) -> str:
    return f"{COUNTED_TO}+" if count >= COUNTED_TO else str(count)


def listed(model: str, **filters: Any) -> str:
    query = "&".join(f"{key}={value}" for key, value in filters.items())
    return reverse(f"admin:{model}_changelist") + (f"?{query}" if query else "")


def figures(now: datetime) -> list[Figure]:
    late, at_risk = bounded(promises.late(now)), bounded(promises.at_risk(now))
    flags = bounded(FraudFlag.objects.filter(status=FlagStatus.OPEN))
    failed = bounded(Delivery.objects.filter(status=DeliveryStatus.FAILED, created_at__gte=today(now)))
    review = bounded(Payout.objects.filter(status=PayoutStatus.REVIEW))
    return [
        _count(
            "Orders today",
            bounded(Order.objects.filter(created_at__gte=today(now))),
            listed("orders_order", age="24h"),
        ),
        _count(
            "On the road or in the kitchen",
            bounded(Order.objects.filter(status__in=LIVE)),
            listed("orders_order", progress="open"),
        ),
        _count("Late", late, listed("orders_order", progress="late"), alarm=late > 0),
        _count("At risk or late", at_risk, listed("orders_order", progress="at_risk"), warn=at_risk > 0),
        _count("Riders online", bounded(RiderSpot.objects.all()), listed("riders_rider", is_online__exact=1)),
        _count(
            "Open fraud flags", flags, listed("deliveries_fraudflag", status__exact=FlagStatus.OPEN), warn=flags > 0
        ),
        _count(
            "Failed deliveries today",
            failed,
            listed("deliveries_delivery", status__exact=DeliveryStatus.FAILED),
            warn=failed > 0,
        ),
        _dead_letters(),
        _incidents(),
        _count(
            "Payouts to review", review, listed("payouts_payout", status__exact=PayoutStatus.REVIEW), alarm=review > 0
        ),
        _payable(),
    ]


def _count(label: str, count: int, link: str, *, warn: bool = False, alarm: bool = False) -> Figure:
    return Figure(label, shown(count), link, "alarm" if alarm else "warn" if warn else "calm")


def _incidents() -> Figure:
    """What is not resolved, a storm counting as one."""
    found = Counter(standing_incidents().values_list("severity", flat=True)[:COUNTED_TO])
    note = ", ".join(f"{found[severity]} {severity}" for severity in reversed(Severity.values) if found[severity])
    tone = "alarm" if found[Severity.CRITICAL] else "warn" if found[Severity.WARNING] else "calm"
    return Figure("Incidents", shown(found.total()), listed("notifications_incident"), tone, note)


def _dead_letters() -> Figure:
    dead = {lane.name: lanes.dead(lane) for lane in all_lanes().values()}
    worst = ", ".join(f"{name} {count}" for name, count in dead.items() if count)
    link = listed("webhooks_webhookevent", state__exact=WorkState.DEAD)
    return Figure("Dead letters", shown(sum(dead.values())), link, "alarm" if worst else "calm", worst)


def _payable() -> Figure:
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
        due = [money.show(int(amount), currency) for currency, amount in cursor.fetchall()]
    return Figure(
        "Due to stores",
        due[0] if due else "–",
        listed("payouts_ledgeraccount", kind__exact="payable"),
        note=", ".join([*due[1:], f"{sum(sums.values())} stores"]) if due else "",
    )


def state(now: datetime) -> dict[str, Any]:
    """The day in one line: `{open: {status: count}, late, backlog}`; refunded and ended orders are not open."""
    live = Order.objects.filter(status__in=LIVE)
    by_status = dict(live.order_by().values_list("status").annotate(orders=Count("id")))
    return {
        "open": {status: by_status[status] for status in LIVE_IN_ORDER if status in by_status},
        "late": bounded(promises.late(now)),
        "backlog": sum(lanes.backlog().values()),
    }


@dataclass(frozen=True)
class Chart:
    """One chart: `series` maps a legend to one value per label. `kind` is bar or line; stacked bars."""

    key: str
    title: str
    labels: list[str]
    series: dict[str, list[int]]
    kind: str = "bar"


def charts(now: datetime) -> list[Chart]:
    return [
        _hourly(now, "orders", "Orders by hour and status", "orders_order", "status"),
        _hourly(now, "offers", "Offers by hour and outcome", "deliveries_offer", "status"),
        _hourly(now, "webhooks", "Webhooks received by hour", "webhook_events", "provider"),
        _hourly(now, "messages", "Messages by hour and channel", "notifications_message", "channel"),
    ]


def _hourly(now: datetime, key: str, title: str, table: str, column: str) -> Chart:
    """Rows of today by hour and by `column`; every table has an index that starts with or covers created_at."""
    hours = [today(now) + timedelta(hours=hour) for hour in range(now.hour + 1)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT date_trunc('hour', created_at, 'UTC'), coalesce(nullif({column}, ''), 'none'), count(*)"  # noqa: S608
            f" FROM {table} WHERE created_at >= %s GROUP BY 1, 2",
            [today(now)],
        )
        counts = {(hour, name): count for hour, name, count in cursor.fetchall()}
    names = sorted({name for _, name in counts})
    series = {name: [counts.get((hour, name), 0) for hour in hours] for name in names}
    return Chart(key, title, [f"{hour:%H}:00" for hour in hours], series)


@dataclass(frozen=True)
class Health:
    """One provider's webhooks in the last hour; `p95_s` from receipt to done, in seconds."""

    provider: str
    received: int
    waiting: int
    dead: int
    p95_s: float | None
    link: str


def webhook_health(now: datetime) -> Iterable[Health]:
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
        Health(provider, received, waiting, dead, p95_s, listed("webhooks_webhookevent", provider__exact=provider))
        for provider, received, waiting, dead, p95_s in rows
    ]


def standing_incidents() -> QuerySet[Incident]:
    """The worst first, by the index of the queue."""
    return Incident.objects.filter(STANDING, folded_into=None).order_by("rank", "-last_at")
