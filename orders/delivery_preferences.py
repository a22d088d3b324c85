"""How the customer wants it brought (delivery preferences): told when ordering, changed until it is on its way."""

from typing import Any

from foundation.errors import Conflict
from foundation.events import Cause
from orders import locks
from orders.lifecycle import LIVE, OrderStatus
from orders.models import Order

ON_THE_WAY = (OrderStatus.PICKED_UP, OrderStatus.IN_TRANSIT)


def can_change(order: Order) -> bool:
    return order.status in LIVE and order.status not in ON_THE_WAY


def change_preferences(order: Order, preferences: dict[str, Any], *, by: Cause) -> bool:
    """`preferences`: contact_free, call_before_arriving, entrance. The caller has locked the order. Returns whether
    that changed anything; raises Conflict once it is too late. The history says which, not what: an entrance is the
    customer's own affair."""
    if not can_change(order):
        raise Conflict("The order is on its way or over: this cannot be changed any more", code="TOO_LATE")
    changed = {**order.delivery_preferences, **preferences}
    if changed == order.delivery_preferences:
        return False
    names = sorted(name for name, value in changed.items() if value != order.delivery_preferences.get(name))
    order.delivery_preferences = changed
    locks.record_event(order, "order.preferences_changed", by=by, data={"changed": names})
    order.save(update_fields=["delivery_preferences", "version"])
    return True
