"""What was promised to the customer, and what is expected now (SPEC D7). `deliveries` works out the expectation."""

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from orders import telling
from orders.lifecycle import LIVE, OrderStatus
from orders.models import Order

WORTH_WRITING = timedelta(seconds=30)  # an expectation that moved by less is the same
NOT_YET = (OrderStatus.PENDING, OrderStatus.PAYMENT_CONFIRMED, OrderStatus.STORE_NOTIFIED)  # nobody has begun


def under_way(limit: int) -> QuerySet[Order]:
    """Orders that somebody works on and that have a promise, the most urgent first."""
    wanted = Order.objects.filter(promised_at__isnull=False, status__in=sorted(LIVE - set(NOT_YET)))
    return wanted.select_related("store", "customer").order_by("promised_at")[:limit]


def late(now: datetime, at_most: int) -> int:
    """How many that are still to be delivered should have been by now."""
    return Order.objects.filter(status__in=LIVE, promised_at__lt=now).exclude(status__in=NOT_YET)[:at_most].count()


def expect(order: Order, arrival_at: datetime) -> bool:
    """Write down when it is expected, if that is news. No event: watchers read it with the order."""
    if order.eta_at is not None and abs(order.eta_at - arrival_at) < WORTH_WRITING:
        return False
    ended = ~Q(status__in=LIVE)
    return bool(Order.objects.filter(pk=order.pk).exclude(ended).update(eta_at=arrival_at))


def warn(order: Order, eta_minutes: int) -> None:
    """The customer hears, once per order, that it may be late."""
    telling.customer(order, "delivery.delayed", etaMinutes=eta_minutes)
