"""Whether what was promised will be kept (SPEC D7): a sweep over the orders under way, the most urgent first.

For each it works out when it will arrive, from what is left to do, and writes that down; whoever watches an order whose
expectation changed is given a hint. Expected later than promised: the customer and the rider are told, each once for a
promise. Past the promise: ops has one incident for all of them together, as long as there are any.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain

from django.db import transaction
from django.db.models import Count

from deliveries.eta import estimate, learned_speeds
from deliveries.lifecycle import CARRIED, LIVE, DeliveryStatus
from deliveries.models import Delivery
from deliveries.positions import tracks
from deliveries.realtime import publisher
from foundation import clock
from foundation.sweeps import sweep_rows
from notifications.incidents import service
from notifications.incidents.service import Problem
from notifications.outbox import enqueue
from orders import promised_times
from orders.models import Order

MOST = 20_000
AT_ONCE = 500
COUNTED_TO = 1_000
NEWS = "delivery:eta"
NAMED = 10
ORDERS_LATE, UNWATCHED = "orders_late", "orders_unwatched"
ENDED_BADLY = (DeliveryStatus.FAILED, DeliveryStatus.RETURNED)


@dataclass(frozen=True)
class ExpectedArrival:
    """One order under way, the delivery that is about it now, and when it will arrive."""

    order: Order
    delivery: Delivery | None
    arrival_at: datetime

    @property
    def is_behind(self) -> bool:
        return promised_times.is_behind(self.order, self.arrival_at)


def sweep_orders() -> int:
    """Look at every order under way. Returns how many are expected late."""
    now = clock.database_now()
    behind, hints, failed = 0, list[publisher.Hint](), list[int]()
    for part in _in_parts(promised_times.list_active_ids(MOST)):
        answers, bad = sweep_rows(part, partial(_sweep_part, now=now), name="promises")
        behind += sum(late for late, _ in answers)
        hints += chain.from_iterable(news for _, news in answers)
        failed += bad
    if hints:
        publisher.publish_hints(hints)
    _report_incident(now)
    _report_failed(failed)
    return behind


def _in_parts(order_ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (order_ids[start : start + AT_ONCE] for start in range(0, len(order_ids), AT_ONCE))


def _sweep_part(order_ids: Sequence[int], *, now: datetime) -> tuple[int, list[publisher.Hint]]:
    """(how many of these are expected late, the hints for their watchers)."""
    expected = _estimate_orders(Order.objects.filter(pk__in=order_ids).select_related("store", "customer"), now)
    news = promised_times.set_expected_arrivals({one.order.pk: one.arrival_at for one in expected})
    late = _warn_customers([one for one in expected if one.is_behind], now)
    return late, [_arrival_hint(one.order) for one in expected if one.order.pk in news]


def _estimate_orders(orders: Iterable[Order], now: datetime) -> list[ExpectedArrival]:
    orders = list(orders)
    live = Delivery.objects.filter(order__in=[order.pk for order in orders], status__in=LIVE).select_related(
        "rider", "courier_job"
    )
    deliveries = {delivery.order_id: delivery for delivery in live}
    seen = tracks.latest_of([delivery.pk for delivery in deliveries.values() if delivery.status in CARRIED])
    outlooks = learned_speeds.load_outlooks(orders, now=now)
    found = []
    for order in orders:
        delivery = deliveries.get(order.pk)
        last = seen.get(delivery.pk) if delivery else None
        found.append(
            ExpectedArrival(
                order, delivery, estimate.estimate_arrival(order, delivery, outlooks[order.pk], now=now, last_fix=last)
            )
        )
    return found


def _arrival_hint(order: Order) -> publisher.Hint:
    """An expectation has no version: who hears of it reads the order again."""
    return {"topic": publisher.order_topic(order.public_id), "version": None, "name": NEWS}


# ── telling, once ────────────────────────────────────────────────────────────────────────────────────────────────
def _warn_customers(behind: Sequence[ExpectedArrival], now: datetime) -> int:
    """The dedupe keys of the messages make it once, however often expectations cross the promise."""
    if not behind:
        return 0
    failed = Delivery.objects.filter(order__in=[one.order.pk for one in behind], status__in=ENDED_BADLY)
    failures = dict(failed.order_by().values_list("order_id").annotate(Count("id")))
    with transaction.atomic():
        for one in behind:
            minutes = estimate.minutes_left(one.arrival_at, now=now)
            promised_times.warn_customer(one.order, minutes, failures=failures.get(one.order.pk, 0))
            _warn_rider(one.order, one.delivery)
    return len(behind)


def _warn_rider(order: Order, delivery: Delivery | None) -> None:
    if delivery is None or delivery.rider is None or delivery.status not in CARRIED or order.promised_at is None:
        return
    enqueue.enqueue_message(
        delivery.rider.recipient_id,
        "delivery.behind_schedule",
        {"orderId": order.public_id, "store": order.store.name},
        dedupe=f"delivery:{delivery.pk}:{order.promised_at:{promised_times.PROMISE_KEY_FORMAT}}",
        order_ref=order.public_id,
    )


def _report_incident(now: datetime) -> None:
    """Any number of late orders is one incident, and none of them is none."""
    late = promised_times.late_orders(now)[:COUNTED_TO].count()
    title = f"{late}{'+' if late >= COUNTED_TO else ''} orders are later than promised"
    wrong = [Problem(ORDERS_LATE, title, count=late)] if late else []
    service.sync_incidents(ORDERS_LATE, wrong, resolution="everything is on time again")


def _report_failed(order_ids: Sequence[int]) -> None:
    """Orders that nobody warns of: ops has to look after them."""
    names = list(Order.objects.filter(pk__in=order_ids[:NAMED]).values_list("order_id", flat=True))
    title = f"{len(order_ids)} orders cannot be watched for lateness: {', '.join(names)}"
    wrong = [Problem(UNWATCHED, title, count=len(order_ids))] if order_ids else []
    service.sync_incidents(UNWATCHED, wrong, resolution="all orders are watched again")
