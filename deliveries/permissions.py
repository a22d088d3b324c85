"""Who may see an order and its delivery, and a store's orders (SPEC T1, T4): the tracking API and the sockets ask here.

Storefronts see their own orders, store staff those of their store, customers their own, riders those they carry or are
offered, staff all. What is not theirs does not exist for storefronts, stores and customers (404); a rider is told that
it is somebody else's (403), as the contract has it. All of a store's orders are for its staff and for ours; a
storefront sees its own among them.

`still_sees_orders` and `still_sees_stores` ask the same for many at once, of people who were let in before: one
statement each, whose rules are those of `visible_order` and `visible_store` (a test holds them together).
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from deliveries.lifecycle import OfferStatus
from deliveries.models import Delivery, Offer
from foundation.errors import Forbidden, NotFound
from foundation.models import STAFF_ROLES, Role, User
from orders import locks
from orders.models import Customer, Order, Store, StoreStaff
from riders.models import Rider

NOT_YOURS = "This order is not assigned to you"
STORE_ROLES = frozenset({Role.STOREFRONT, Role.STORE_STAFF, *STAFF_ROLES})


def visible_order(user: User, ref: str) -> Order:
    """The order by either of its ids, if `user` may see it. Raises Invalid (malformed), NotFound, Forbidden."""
    if user.role == Role.STOREFRONT:
        return locks.find_order(user, ref)
    if user.role == Role.CUSTOMER:
        return _of_customer(user, ref)
    order = locks.find_order(None, ref)
    if user.role in STAFF_ROLES:
        return order
    if user.role == Role.STORE_STAFF and StoreStaff.objects.filter(user=user, store=order.store_id).exists():
        return order
    if user.role == Role.RIDER:
        require_carrier(order, Rider.objects.filter(user=user).first())
        return order
    raise NotFound(locks.UNKNOWN, code="ORDER_NOT_FOUND")


def visible_store(user: User, slug: str) -> Store:
    """The store, if `user` may see its orders (a storefront: its own). Raises Invalid (malformed), NotFound,
    Forbidden."""
    locks.require_id(slug, field="store_id")
    if user.role not in STORE_ROLES:
        raise Forbidden("Your role may not see a store's orders")
    store = Store.objects.filter(slug=slug).first()
    if store is None or (
        user.role == Role.STORE_STAFF and not StoreStaff.objects.filter(user=user, store=store).exists()
    ):
        raise NotFound("Store not found", code="STORE_NOT_FOUND")
    return store


def own_orders_only(user: User) -> int | None:
    """Of whose orders alone `user` hears at a store; None: of all."""
    return user.pk if user.role == Role.STOREFRONT else None


def _of_customer(user: User, ref: str) -> Order:
    customer = Customer.objects.filter(user=user).select_related("storefront").first()
    if customer is None:
        raise NotFound(locks.UNKNOWN, code="ORDER_NOT_FOUND")
    order = locks.find_order(customer.storefront, ref)
    if order.customer_id != customer.pk:
        raise NotFound(locks.UNKNOWN, code="ORDER_NOT_FOUND")
    return order


def require_carrier(order: Order, rider: Rider | None) -> None:
    """Raises Forbidden unless the rider carries (or carried) the order, or it is offered to them right now."""
    if rider is not None:
        if Delivery.objects.filter(order=order, rider=rider).exists():
            return
        if open_offers(rider).filter(delivery__order=order).exists():
            return
    raise not_yours()


def not_yours() -> Forbidden:
    return Forbidden(NOT_YOURS, code="NOT_ASSIGNED_TO_YOU")


def open_offers(rider: Rider) -> QuerySet[Offer]:
    """What is put before the rider and may still be accepted."""
    return Offer.objects.filter(rider=rider, status=OfferStatus.PENDING, expires_at__gt=timezone.now())


# ── of many at once ──────────────────────────────────────────────────────────────────────────────────────────────
class AccessState(StrEnum):
    """What has become of somebody's right to see something."""

    ALLOWED = "stands"
    SIGNED_OUT = "signed_out"  # the user is not active any more
    LOST = "lost"


_ORDERS = """
    SELECT w.user_id, w.order_id, u.is_active, CASE
        WHEN u.role = ANY(%(staff)s) THEN true
        WHEN u.role = 'storefront' THEN o.storefront_id = u.id
        WHEN u.role = 'customer' THEN EXISTS (
            SELECT FROM orders_customer c WHERE c.id = o.customer_id AND c.user_id = u.id)
        WHEN u.role = 'store_staff' THEN EXISTS (
            SELECT FROM orders_storestaff s WHERE s.user_id = u.id AND s.store_id = o.store_id)
        WHEN u.role = 'rider' THEN EXISTS (
            SELECT FROM deliveries_delivery d JOIN riders_rider r ON r.id = d.rider_id
            WHERE d.order_id = o.id AND r.user_id = u.id
        ) OR EXISTS (
            SELECT FROM deliveries_delivery d JOIN deliveries_offer f ON f.delivery_id = d.id
            JOIN riders_rider r ON r.id = f.rider_id
            WHERE d.order_id = o.id AND r.user_id = u.id AND f.status = 'pending' AND f.expires_at > clock_timestamp())
        ELSE false END
    FROM unnest(%(users)s::bigint[], %(things)s::bigint[]) AS w(user_id, order_id)
    JOIN foundation_user u ON u.id = w.user_id JOIN orders_order o ON o.id = w.order_id
"""
_STORES = """
    SELECT w.user_id, w.store_id, u.is_active, CASE
        WHEN u.role = ANY(%(staff)s) THEN true
        WHEN u.role = 'storefront' THEN w.own_only
        WHEN u.role = 'store_staff' THEN EXISTS (
            SELECT FROM orders_storestaff s WHERE s.user_id = u.id AND s.store_id = w.store_id)
        ELSE false END
    FROM unnest(%(users)s::bigint[], %(things)s::bigint[], %(own_only)s::boolean[]) AS w(user_id, store_id, own_only)
    JOIN foundation_user u ON u.id = w.user_id
"""
Pair = tuple[int, int]


def still_sees_orders(pairs: Sequence[Pair]) -> dict[Pair, AccessState]:
    """For each (user's id, order's id); who is not in it has lost it."""
    return _load_access_states(_ORDERS, pairs, {})


def still_sees_stores(pairs: Sequence[Pair], own_only: Sequence[bool]) -> dict[Pair, AccessState]:
    """For each (user's id, store's id). `own_only`: whether they hear of their own orders alone, as storefronts do."""
    return _load_access_states(_STORES, pairs, {"own_only": list(own_only)})


def _load_access_states(statement: str, pairs: Sequence[Pair], more: dict[str, Any]) -> dict[Pair, AccessState]:
    params = {
        "users": [user_id for user_id, _ in pairs],
        "things": [thing_id for _, thing_id in pairs],
        "staff": [str(role) for role in STAFF_ROLES],
        **more,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return {
            (user_id, thing_id): _access_state_of(active, sees) for user_id, thing_id, active, sees in cursor.fetchall()
        }


def _access_state_of(active: bool, sees: bool) -> AccessState:
    if not active:
        return AccessState.SIGNED_OUT
    return AccessState.ALLOWED if sees else AccessState.LOST
