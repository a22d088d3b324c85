"""Finding and locking orders, and writing their history. Every verb of this room starts here.

The Order's row lock is the first lock of the house and guards everything that hangs on the order: its payments,
refunds, relays and events. An order's `version` is that of its last event, so that a watcher who was told of version N
knows whether its snapshot has it.
"""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from foundation import events
from foundation.errors import Conflict, Invalid, NotFound
from foundation.events import Cause
from foundation.models import Event, Role, User
from orders.models import EXTERNAL_ID, EXTERNAL_ID_SHAPE, Order

UNKNOWN = "Order not found"


def _lockable_orders() -> QuerySet[Order]:
    return Order.objects.select_for_update(no_key=True, of=("self",)).select_related("store", "customer")


def lock_order(pk: int) -> Order:
    """The order, locked until the end of the transaction. Raises Order.DoesNotExist."""
    return _lockable_orders().get(pk=pk)


def lock_by_public_id(ref: str) -> Order:
    """Raises NotFound."""
    order = _lockable_orders().filter(public_id=ref).first()
    if order is None:
        raise NotFound(UNKNOWN, code="ORDER_NOT_FOUND")
    return order


def find_by_intent_locked(intent_id: str) -> Order | None:
    return _lockable_orders().filter(stripe_payment_intent=intent_id).first() if intent_id else None


def find_order(storefront: User | None, ref: str) -> Order:
    """The order by either of its ids: ours, or the storefront's (SPEC 1). Not locked.

    With a storefront only its own orders are seen. Without one, an `order_id` that two storefronts use is refused
    (409): only our id tells them apart. Raises Invalid for a malformed id, NotFound for an unknown one.
    """
    require_id(ref, field="order_id")
    orders = Order.objects.select_related("store", "customer")
    if storefront is not None:
        orders = orders.filter(storefront=storefront)
    order = orders.filter(public_id=ref).first()
    if order is not None:
        return order
    # By way of the storefronts, of which there are few: then the unique index on (storefront, order_id) serves.
    found = list(orders.filter(storefront__role=Role.STOREFRONT, order_id=ref)[:2])
    if not found:
        raise NotFound(UNKNOWN, code="ORDER_NOT_FOUND")
    if len(found) > 1:
        raise Conflict("Several storefronts use this order id; use ours", code="ORDER_ID_AMBIGUOUS", field="order_id")
    return found[0]


def require_id(value: str, *, field: str) -> None:
    """Raises Invalid unless `value` is 1 to 64 of A-Z, a-z, 0-9, _ and -."""
    if not EXTERNAL_ID_SHAPE.match(value):
        raise Invalid(str(EXTERNAL_ID.message), code="MALFORMED_ID", field=field)


def record_event(
    order: Order, name: str, *, by: Cause, data: dict[str, Any] | None = None, occurred_at: datetime | None = None
) -> None:
    """Write an event of the locked order. The caller saves the order's `version` with what it changes."""
    order.version = events.record_event(
        name, order, by=by, data=data, order_ref=order.public_id, occurred_at=occurred_at
    )


def has_seen_cause(order: Order, name: str, by: Cause) -> bool:
    """Whether this very cause has brought an event of this name before (a repeated piece of evidence)."""
    return list_events(order, name).filter(cause=by.cause).exists()


def list_events(order: Order, name: str) -> QuerySet[Event]:
    return Event.objects.filter(subject=events.subject_of(order), name=name)
