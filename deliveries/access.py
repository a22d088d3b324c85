"""Who may see an order and its delivery (SPEC T1, T4): the tracking API and the sockets ask here.

Storefronts see their own orders, store staff those of their store, customers their own, riders those they carry or are
offered, staff all. What is not theirs does not exist for storefronts, stores and customers (404); a rider is told that
it is somebody else's (403), as the contract has it.
"""

from django.db.models import QuerySet
from django.utils import timezone

from deliveries.lifecycle import OfferStatus
from deliveries.models import Delivery, Offer
from foundation.errors import Forbidden, NotFound
from foundation.models import STAFF_ROLES, Role, User
from orders import rows
from orders.models import Customer, Order, StoreStaff
from riders.models import Rider

NOT_YOURS = "This order is not assigned to you"


def visible_order(user: User, ref: str) -> Order:
    """The order by either of its ids, if `user` may see it. Raises Invalid (malformed), NotFound, Forbidden."""
    if user.role == Role.STOREFRONT:
        return rows.find(user, ref)
    if user.role == Role.CUSTOMER:
        return _of_customer(user, ref)
    order = rows.find(None, ref)
    if user.role in STAFF_ROLES:
        return order
    if user.role == Role.STORE_STAFF and StoreStaff.objects.filter(user=user, store=order.store_id).exists():
        return order
    if user.role == Role.RIDER:
        require_carrier(order, Rider.objects.filter(user=user).first())
        return order
    raise NotFound(rows.UNKNOWN, code="ORDER_NOT_FOUND")


def _of_customer(user: User, ref: str) -> Order:
    customer = Customer.objects.filter(user=user).select_related("storefront").first()
    if customer is None:
        raise NotFound(rows.UNKNOWN, code="ORDER_NOT_FOUND")
    order = rows.find(customer.storefront, ref)
    if order.customer_id != customer.pk:
        raise NotFound(rows.UNKNOWN, code="ORDER_NOT_FOUND")
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
