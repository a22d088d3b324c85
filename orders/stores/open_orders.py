"""A store's orders at work, as its screen, storefronts and ops see them (SPEC T2): what the store's socket begins with,
and what its address in the API answers.

At work is what is paid and not over. The most urgent stand first; more than MAX_ORDERS are cut off, which is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F

from orders.lifecycle import AT_WORK
from orders.models import Order, Store

MAX_ORDERS = 200


@dataclass(frozen=True)
class OpenOrders:
    """`truncated`: there are more than these."""

    store: Store
    orders: Sequence[Order]
    truncated: bool


def list_open_orders(store: Store, storefront_id: int | None) -> OpenOrders:
    """Those of one storefront, or (None) of all."""
    wanted = Order.objects.filter(store=store, status__in=sorted(AT_WORK))
    if storefront_id is not None:
        wanted = wanted.filter(storefront=storefront_id)
    found = list(wanted.order_by(F("promised_at").asc(nulls_last=True), "-created_at", "-pk")[: MAX_ORDERS + 1])
    return OpenOrders(store, found[:MAX_ORDERS], len(found) > MAX_ORDERS)
