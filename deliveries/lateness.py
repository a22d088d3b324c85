"""Whether what was promised will be kept (SPEC D7): a sweep over the orders under way, the most urgent first.

For each it works out when it will arrive, from what is left to do. Expected later than promised: the customer and the
rider are told, each once. Past the promise: ops has one incident for all of them together, as long as there are any.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from deliveries import eta, tracks
from deliveries.lifecycle import CARRIED, LIVE, DeliveryStatus
from deliveries.models import Delivery
from foundation import clock
from notifications import incidents, messages
from notifications.models import Severity
from orders import promises
from orders.models import Order

MOST = 1_000
GRACE = timedelta(minutes=2)  # estimates are not better than this
ON_THE_WAY = (DeliveryStatus.PICKED_UP, DeliveryStatus.IN_TRANSIT)
ORDERS_LATE = "orders_late"


def sweep() -> int:
    """Look at every order under way. Returns how many are expected late."""
    now = clock.database_now()
    orders = list(promises.under_way(MOST))
    deliveries = _live_deliveries(orders)
    behind = sum(_look(order, deliveries.get(order.pk), now) for order in orders)
    _report(now)
    return behind


def _live_deliveries(orders: Sequence[Order]) -> dict[int, Delivery]:
    live = Delivery.objects.filter(order__in=orders, status__in=LIVE).select_related("rider")
    return {delivery.order_id: delivery for delivery in live}


def _look(order: Order, delivery: Delivery | None, now: datetime) -> bool:
    arrival_at = expected_at(order, delivery, now)
    promises.expect(order, arrival_at)
    if not is_behind(order, arrival_at):
        return False
    with transaction.atomic():
        promises.warn(order, eta.minutes_left(arrival_at, now=now))
        _urge(order, delivery)
    return True


def expected_at(order: Order, delivery: Delivery | None, now: datetime) -> datetime:
    """When it will arrive, with its live delivery (None: there is none), from where the carrier is if that is known."""
    seen = tracks.latest(delivery) if delivery is not None and delivery.status in ON_THE_WAY else None
    return eta.arrival(order, delivery, now=now, position=seen.point if seen else None)


def is_behind(order: Order, arrival_at: datetime) -> bool:
    return order.promised_at is not None and arrival_at > order.promised_at + GRACE


def _urge(order: Order, delivery: Delivery | None) -> None:
    if delivery is None or delivery.rider is None or delivery.status not in CARRIED:
        return
    messages.send(
        delivery.rider.recipient_id,
        "delivery.behind_schedule",
        {"orderId": order.public_id, "store": order.store.name},
        dedupe=f"delivery:{delivery.pk}",
        order_ref=order.public_id,
    )


def _report(now: datetime) -> None:
    """Any number of late orders is one incident, and none of them is none."""
    late = promises.late(now, MOST)
    if not late:
        incidents.resolve_key(ORDERS_LATE, "everything is on time again")
        return
    incidents.open(
        ORDERS_LATE,
        severity=Severity.WARNING,
        title=f"{late}{'+' if late >= MOST else ''} orders are later than promised",
        dedupe=ORDERS_LATE,
        detail={"late": late},
    )
