"""Who stands behind a user: notifications knows recipients only, the rooms above know whose they are (SPEC N1)."""

from foundation.errors import Forbidden, Invalid, NotFound
from foundation.models import Role, User
from notifications.models import Recipient
from orders.models import EXTERNAL_ID_SHAPE, Customer, StoreStaff
from riders import locks

UNKNOWN = "There is no such customer"


def recipient_of_user(user: User, customer_id: str) -> tuple[Recipient, str]:
    """The recipient that `user` may speak for, and the id they know it by.

    Themselves, their store, or the customer of theirs (a storefront's) that `customer_id` names. Raises Invalid,
    NotFound, Forbidden.
    """
    recipient, own_id = _customer_of(user, customer_id) if user.role == Role.STOREFRONT else _own_recipient(user)
    if customer_id and customer_id != own_id:
        raise NotFound(UNKNOWN)
    return recipient, own_id


def _customer_of(storefront: User, customer_id: str) -> tuple[Recipient, str]:
    if not EXTERNAL_ID_SHAPE.match(customer_id):
        raise Invalid("must name one of your customers", field="customer_id")
    mine = Customer.objects.filter(storefront=storefront, external_id=customer_id)
    customer = mine.select_related("recipient").first()
    if customer is None:
        raise NotFound(UNKNOWN)
    return customer.recipient, customer.external_id


def _own_recipient(user: User) -> tuple[Recipient, str]:
    if user.role == Role.RIDER:
        rider = locks.rider_of_user(user)
        return rider.recipient, str(rider.public_id)
    if user.role == Role.STORE_STAFF:
        place = StoreStaff.objects.filter(user=user).select_related("store__recipient").first()
        if place is not None:
            return place.store.recipient, place.store.slug
    customer = Customer.objects.filter(user=user).select_related("recipient").first()
    if customer is None:
        raise Forbidden("There is nobody to write to behind this user", code="NO_RECIPIENT")
    return customer.recipient, customer.external_id
