"""Reads over the tables of this room: an order's history, orders by any of their ids."""

from django.db.models import Q, QuerySet

from foundation.models import Event, Role, User
from orders import locks
from orders.models import Order


def order_timeline(order: Order) -> QuerySet[Event]:
    """Everything that happened to the order, its deliveries included, oldest first."""
    return Event.objects.filter(order_ref=order.public_id).order_by("recorded_at", "id")


def status_history(order: Order) -> QuerySet[Event]:
    """The moves of its status: `data` {from, to, why?}, when it happened, when we learned it, who, by what."""
    return locks.list_events(order, "order.status_changed").order_by("version")


def matching_orders(text: str) -> Q:
    """Orders by an exact id, each look-up on an index: ours, a storefront's, a PaymentIntent's."""
    # The storefronts are few: as a list they let PostgreSQL use its indexes, as a subquery it would read the table.
    storefronts = list(User.objects.filter(role=Role.STOREFRONT).values_list("pk", flat=True))
    return Q(public_id=text) | Q(stripe_payment_intent=text) | Q(storefront__in=storefronts, order_id=text)
