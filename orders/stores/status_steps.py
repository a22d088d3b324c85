"""A store, its storefront or ops moves the store's part of an order by hand (SPEC T1, O1): strict steps only."""

from django.db import transaction

from foundation.errors import Forbidden, Invalid
from foundation.events import Cause
from foundation.models import Role
from orders import acknowledgement, cancellation, locks, transitions
from orders.lifecycle import OrderStatus, PreparationState
from orders.models import Order

# The statuses that are a store's to say, and what they mean for its part of the order.
STORE_STATES: dict[str, PreparationState] = {
    OrderStatus.STORE_NOTIFIED: PreparationState.NOTIFIED,
    OrderStatus.CONFIRMED: PreparationState.ACKNOWLEDGED,
    OrderStatus.PICKING_IN_PROGRESS: PreparationState.PICKING,
    OrderStatus.READY_FOR_PICKUP: PreparationState.READY,
    OrderStatus.CANCELLED: PreparationState.CANCELLED,
    OrderStatus.FAILED: PreparationState.REFUSED,
}
CANCELLING = (OrderStatus.CANCELLED, OrderStatus.FAILED)


def set_status(order_id: int, target: OrderStatus, *, by: Cause, role: Role, reason: str = "") -> None:
    """`target` is reached. Saying again what already is so changes nothing.

    Raises Forbidden for statuses that follow from payment and carriage, IllegalMove for what is not the next step.
    """
    if target == OrderStatus.SUBSTITUTIONS_NEEDED:
        raise Invalid("follows from proposals: PUT them to …/substitutions", field="status")
    if target not in STORE_STATES:
        raise Forbidden(f"{role.label} may not set an order to {target.upper()}")
    with transaction.atomic():
        order = locks.lock_order(order_id)
        goes_on = order.status == OrderStatus.SUBSTITUTIONS_NEEDED and target == OrderStatus.PICKING_IN_PROGRESS
        if order.preparation == STORE_STATES[target] and not goes_on:
            return
        if target in CANCELLING:
            _cancel_for_store(order, target, by=by, role=role, reason=reason)
        else:
            transitions.take_strict_step(order, target, by=by, why=reason)


def _cancel_for_store(order: Order, target: OrderStatus, *, by: Cause, role: Role, reason: str) -> None:
    """The customer pays no fee for what the store could not do."""
    cancellation.cancel_by_person(
        order.pk,
        by=by,
        reason=reason or f"cancelled by {role.label.lower()}",
        refuse_store=target == OrderStatus.FAILED,
        waive_fee=role == Role.STORE_STAFF,
    )


def acknowledge_for_store(order_id: int, prep_minutes: int | None, *, by: Cause) -> None:
    """The store takes the order. Raises IllegalMove unless it is paid and nobody was faster."""
    with transaction.atomic():
        order = locks.lock_order(order_id)
        if order.status != OrderStatus.CONFIRMED:
            acknowledgement.acknowledge_order(order, by=by, prep_minutes=prep_minutes)
