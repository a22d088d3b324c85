"""Calling an order off, whatever it takes: money, store, customer, live delivery (SPEC O7).

Callers who are people or APIs use `cancel_by_person`, which checks SPEC's table first.
"""

import structlog
from django.db import transaction

from foundation.errors import IllegalMove
from foundation.events import Cause
from notifications.models import Severity
from orders import locks, notices, payment_intents, refunds, transitions
from orders.lifecycle import CARRIAGE, PAYMENT, PREPARATION, STRICT, CarriageState, OrderStatus, PaymentState
from orders.lifecycle import PreparationState as Preparation
from orders.models import Order
from orders.pos import queue
from orders.serviceability import Refusal

log = structlog.get_logger(__name__)

REFUND_REFERENCE = "cancelled"
REFUNDED_IN_FULL = "refunded in full"
ENDED = frozenset({CarriageState.DELIVERED, CarriageState.FAILED, CarriageState.RETURNED})


def cancel_by_person(
    order_id: int, *, by: Cause, reason: str, refuse_store: bool = False, waive_fee: bool = False
) -> Order:
    """Cancel as a person or an API may: raises IllegalMove (nothing changed) unless SPEC's table allows it."""
    with transaction.atomic():
        order = locks.lock_order(order_id)
        STRICT.require_move(order.status, OrderStatus.FAILED if refuse_store else OrderStatus.CANCELLED)
        if not cancel_order(order, by=by, reason=reason, refuse_store=refuse_store, waive_fee=waive_fee):
            raise IllegalMove("The order is already called off")
    return order


def reject_undeliverable(order: Order, refusal: Refusal, *, by: Cause) -> bool:
    """The order cannot be delivered (SPEC D3): called off, and the customer hears why. The order is locked."""
    return cancel_order(
        order,
        by=by,
        reason=refusal.message,
        waive_fee=True,
        customer_event="order.auto_rejected",
        customer_reason=refusal.reason,
    )


def cancel_order(
    order: Order,
    *,
    by: Cause,
    reason: str,
    refuse_store: bool = False,
    waive_fee: bool = False,
    notify_pos: bool = True,
    customer_event: str = "order.cancelled",
    customer_reason: str = "",
) -> bool:
    """Call the locked order off; False when it was already. `refuse_store`: the store or its POS refused for good, the
    order ends as failed. `waive_fee`: it is not the customer who changed their mind.

    The live delivery is ended by `deliveries`, as a reaction to the event order.cancelled.
    """
    known = PREPARATION.has_reached(order.preparation, Preparation.NOTIFIED)
    fee_is_due = not refuse_store and not waive_fee and _is_fee_due(order)
    state = Preparation.REFUSED if refuse_store else Preparation.CANCELLED
    if not transitions.advance_axes(order, preparation=state, by=by, why=reason):
        return False
    order.cancel_reason = reason[:300]
    _settle_money(order, fee_is_due, by)
    order.save(update_fields=["cancel_reason", "cancellation_fee_minor"])
    if notify_pos and not queue.enqueue_cancel(order) and known:
        notices.notify_store(order, "store.order_cancelled", reason=reason)
    notices.notify_customer(order, customer_event, reason=customer_reason or reason)
    log.info("order_called_off", order=order.public_id, status=order.status, actor=by.actor)
    return True


def _is_fee_due(order: Order) -> bool:
    """The store has acknowledged, and it is not we who failed to deliver."""
    return PREPARATION.has_reached(order.preparation, Preparation.ACKNOWLEDGED) and order.carriage not in ENDED


def _settle_money(order: Order, fee_is_due: bool, by: Cause) -> None:
    """Unpaid: nobody shall be able to pay any more. Paid: everything back, but for the fee."""
    if not PAYMENT.has_reached(order.payment, PaymentState.PAID):
        if order.payment == PaymentState.UNPAID:
            payment_intents.request_cancellation(order)
        return
    refunds.withdraw_unsent(
        order, refunds.failed_delivery_reference(order.attempt)
    )  # it waited for the store's delay: not any more
    refundable = refunds.refundable_minor(order)
    if fee_is_due:
        order.cancellation_fee_minor = max(0, min(order.store.cancellation_fee_minor, refundable))
    refunds.request_remaining(
        order, reference=REFUND_REFERENCE, reason=order.cancel_reason, by=by, keep_minor=order.cancellation_fee_minor
    )


def cancel_after_refund(order: Order, *, by: Cause) -> None:
    """Every cent went back: nobody cooks or carries it for nothing. What is on its way already is for ops to decide."""
    if order.preparation in transitions.CALLED_OFF or order.carriage in ENDED:
        return
    if CARRIAGE.has_reached(order.carriage, CarriageState.PICKED_UP):
        title = f"Order {order.order_id} was refunded in full while it is being carried"
        notices.report_to_ops(order, "refunded_on_the_way", title, severity=Severity.WARNING)
        return
    cancel_order(order, by=by, reason=REFUNDED_IN_FULL, waive_fee=True)
