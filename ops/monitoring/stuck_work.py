"""Orders, deliveries and money that stand still (W6): each step has a time by which somebody should have moved.

Most steps have a deadline row of their own, which reminds, alerts or gives up. This looks at what is true in the
tables, and so finds what no deadline was set for, or whose deadline was lost. All that hang at the same point are one
incident, which names the longest waiting.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet

from deliveries.lifecycle import CARRIED, LIVE
from deliveries.models import IN_HOUSE, Delivery
from foundation import clock
from foundation.money import format_money
from foundation.work import OPEN
from notifications.incidents import service
from notifications.incidents.service import Problem
from notifications.models import Severity
from orders.lifecycle import OrderStatus
from orders.models import Order, Refund
from payouts.lifecycle import PayoutStatus
from payouts.models import Payout
from riders.models import RiderSpot

MOST = 1_000
NAMED = 5
ORDERS, DELIVERIES, MONEY = "orders_stuck", "deliveries_silent", "money_stuck"


@dataclass(frozen=True)
class Step:
    """Orders that are `status` and were there `since` (a column) for longer than `minutes`."""

    status: OrderStatus
    since: str
    minutes: int
    description: str
    severity: Severity = Severity.WARNING


STEPS = (
    Step(OrderStatus.PAYMENT_CONFIRMED, "paid_at", 15, "paid, and their stores do not know", Severity.CRITICAL),
    Step(OrderStatus.STORE_NOTIFIED, "notified_at", 60, "waiting for their stores to answer"),
    Step(OrderStatus.SUBSTITUTIONS_NEEDED, "confirmed_at", 120, "waiting for a word about substitutions"),
    Step(OrderStatus.ASSIGNED_TO_DRIVER, "assigned_at", 90, "given to a carrier who does not fetch them"),
    Step(OrderStatus.PICKED_UP, "picked_up_at", 120, "fetched, and not on their way"),
    Step(OrderStatus.IN_TRANSIT, "in_transit_at", 180, "on their way for hours"),
)
READY_WAITS = timedelta(minutes=10)
SILENT = timedelta(minutes=15)
REFUND_WAITS = timedelta(hours=1)
PAYOUT_WAITS = timedelta(hours=24)
BANK_WAITS = timedelta(days=7)


def watch_stuck_work() -> None:
    now = clock.database_now()
    service.sync_incidents(ORDERS, [*_stuck_orders(now), *_ready_without_search(now)], resolution="they moved on")
    service.sync_incidents(DELIVERIES, _stuck_deliveries(now), resolution="they are heard of again")
    service.sync_incidents(MONEY, _stuck_money(now), resolution="it is settled")


# ── orders ───────────────────────────────────────────────────────────────────────────────────────────────────────
def _stuck_orders(now: datetime) -> Iterable[Problem]:
    for step in STEPS:
        since = now - timedelta(minutes=step.minutes)
        there = Order.objects.filter(status=step.status, created_at__lt=since)
        stuck = there.filter(**{f"{step.since}__lt": since}).order_by("created_at")
        names = list(stuck.values_list("order_id", flat=True)[:MOST])
        yield from _problem_of_names(f"{ORDERS}:{step.status}", names, f"orders are {step.description}", step.severity)


def _ready_without_search(now: datetime) -> Iterable[Problem]:
    """Ready, and there is not even a search for a carrier."""
    since = now - READY_WAITS
    ready = Order.objects.filter(status=OrderStatus.READY_FOR_PICKUP, created_at__lt=since, ready_at__lt=since)
    cared_for = Delivery.objects.filter(order=OuterRef("pk"), status__in=LIVE)
    alone = ready.exclude(Exists(cared_for)).order_by("created_at").values_list("order_id", flat=True)[:MOST]
    words = "orders are ready, and nobody looks for a carrier"
    yield from _problem_of_names(f"{ORDERS}:{OrderStatus.READY_FOR_PICKUP}", alone, words, Severity.CRITICAL)


# ── deliveries ───────────────────────────────────────────────────────────────────────────────────────────────────
def _stuck_deliveries(now: datetime) -> Iterable[Problem]:
    """A company that says nothing of a live job, although it is asked each two minutes; a rider whose phone is mute."""
    since = now - SILENT
    jobs = Delivery.objects.filter(status__in=LIVE, courier_job__last_heard_at__lt=since, courier_job__stop_decision="")
    silent = jobs.order_by("courier_job__last_heard_at").values_list("external_id", flat=True)[:MOST]
    yield from _problem_of_names(f"{DELIVERIES}:couriers", silent, "jobs at courier companies show no sign of life")
    seen = RiderSpot.objects.filter(pk=OuterRef("rider"), seen_at__gte=since)
    carried = Delivery.objects.filter(status__in=CARRIED, courier=IN_HOUSE, assigned_at__lt=since, created_at__lt=since)
    mute = carried.exclude(Exists(seen)).order_by("created_at").values_list("external_id", flat=True)[:MOST]
    yield from _problem_of_names(f"{DELIVERIES}:riders", mute, "deliveries are with riders whose phones say nothing")


# ── money ────────────────────────────────────────────────────────────────────────────────────────────────────────
def _stuck_money(now: datetime) -> Iterable[Problem]:
    refunds = Refund.objects.filter(state__in=OPEN, retry_count__gt=0, created_at__lt=now - REFUND_WAITS)
    yield from _problem_of_sums(f"{MONEY}:refunds", refunds, "refunds are not through, and are tried again")
    unsent = Payout.objects.filter(
        status__in=(PayoutStatus.PENDING, PayoutStatus.SUBMITTING), created_at__lt=now - PAYOUT_WAITS
    )
    yield from _problem_of_sums(
        f"{MONEY}:payouts", unsent, "payouts of yesterday or before are not sent", Severity.CRITICAL
    )
    on_the_way = Payout.objects.filter(
        status=PayoutStatus.PROCESSING, created_at__lt=now - BANK_WAITS, transferred_at__lt=now - BANK_WAITS
    )
    yield from _problem_of_sums(f"{MONEY}:bank", on_the_way, "payouts have not reached the bank for a week")


def _problem_of_sums(
    key: str, rows: QuerySet[Refund] | QuerySet[Payout], words: str, severity: Severity = Severity.WARNING
) -> Iterable[Problem]:
    found = rows.order_by("created_at").values_list("amount_minor", "currency")[:MOST]
    return _problem_of_names(key, [format_money(amount, currency) for amount, currency in found], words, severity)


def _problem_of_names(
    key: str, rows: Iterable[str], words: str, severity: Severity = Severity.WARNING
) -> Iterable[Problem]:
    if names := list(rows):
        many = f"{len(names)}{'+' if len(names) >= MOST else ''}"
        worst = ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")
        yield Problem(key, f"{many} {words}: {worst}", severity, len(names), detail={"longest_waiting": names[:NAMED]})
