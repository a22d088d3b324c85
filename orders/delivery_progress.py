"""How far the carrying of an order is: called down by `deliveries`, which holds the order's lock (orders/locks.py).

`attempt` is the number of the delivery that it is about. What an earlier delivery tells is STALE and moves nothing.
The customer's, the store's and ops' messages about the carriage are sent from here; the delivery's own rows are not
this room's.
"""

from datetime import datetime, timedelta

from foundation import clock
from foundation.errors import Conflict
from foundation.events import Cause
from foundation.evidence import EventOutcome
from foundation.work import WorkState
from notifications.models import Severity
from orders import notices, refunds, transitions
from orders.lifecycle import CarriageState
from orders.models import Order, Refund

DELIVERED_ANYWAY = "delivered_after_cancelled"
DELIVERY_FAILED = "delivery_failed"


def open_attempt(order: Order, attempt: int, *, by: Cause) -> None:
    """Delivery number `attempt` begins to look for a carrier. The refund for an earlier failed one is taken back.

    Raises Conflict when that refund may have reached Stripe: then the order cannot be tried again (SPEC O8).
    """
    if order.carriage in (CarriageState.FAILED, CarriageState.RETURNED):
        reference = refunds.failed_delivery_reference(order.attempt)
        if not refunds.withdraw_unsent(order, reference) and refunds.is_in_progress(order, reference):
            raise Conflict("The refund for the failed delivery is already on its way", code="REFUND_UNDER_WAY")
        notices.resolve_report(order, DELIVERY_FAILED, f"tried again as attempt {attempt}")
    transitions.reset_carriage(order, attempt, by=by, why=f"attempt {attempt}")


def record_courier(order: Order, attempt: int, courier: str, reference: str) -> None:
    """A courier company has taken delivery `attempt`; the order shows which, and COOCO's id of it (SPEC C9)."""
    if attempt >= order.attempt:
        order.external_delivery_provider = courier
        order.cooco_delivery_id = reference if courier == "cooco" else ""
        order.save(update_fields=["external_delivery_provider", "cooco_delivery_id"])


def record_unassigned(order: Order, attempt: int, *, by: Cause, why: str) -> None:
    """The carrier of delivery `attempt` will not carry it; the same delivery looks for another one."""
    if attempt >= order.attempt:
        transitions.reset_carriage(order, attempt, by=by, why=why)


def record_assigned(
    order: Order, attempt: int, *, by: Cause, carrier: str, rider_name: str, occurred_at: datetime | None = None
) -> EventOutcome:
    """`carrier` names who carries ("rider:7"), so that the customer hears of each one once."""
    outcome = _advance_carriage(order, attempt, CarriageState.ASSIGNED, by, occurred_at)
    if outcome == EventOutcome.APPLIED:
        notices.notify_customer(order, "delivery.assigned", dedupe_suffix=f"{attempt}:{carrier}", rider=rider_name)
    return outcome


def record_carrier_changed(order: Order, attempt: int, *, carrier: str, rider_name: str) -> None:
    """Somebody else of the same company carries it on: the customer hears of each one once."""
    if attempt == order.attempt:
        notices.notify_customer(order, "delivery.assigned", dedupe_suffix=f"{attempt}:{carrier}", rider=rider_name)


def record_picked_up(
    order: Order, attempt: int, *, by: Cause, eta_minutes: int, occurred_at: datetime | None = None
) -> EventOutcome:
    outcome = _advance_carriage(order, attempt, CarriageState.PICKED_UP, by, occurred_at)
    if outcome == EventOutcome.APPLIED:
        notices.notify_customer(order, "delivery.on_the_way", dedupe_suffix=str(attempt), etaMinutes=eta_minutes)
    return outcome


def record_in_transit(
    order: Order, attempt: int, *, by: Cause, eta_minutes: int, occurred_at: datetime | None = None
) -> EventOutcome:
    outcome = _advance_carriage(order, attempt, CarriageState.IN_TRANSIT, by, occurred_at)
    if outcome == EventOutcome.APPLIED:
        # Told by the pickup already, unless this came first: the same fact is told once.
        notices.notify_customer(order, "delivery.on_the_way", dedupe_suffix=str(attempt), etaMinutes=eta_minutes)
    return outcome


def record_delivered(
    order: Order, attempt: int, *, by: Cause, occurred_at: datetime | None = None, overrule: bool = False
) -> EventOutcome:
    """Also after a cancellation: a courier refused to stop, the customer has the goods, ops decides (SPEC O8)."""
    called_off = order.preparation in transitions.CALLED_OFF
    outcome = _advance_carriage(order, attempt, CarriageState.DELIVERED, by, occurred_at, overrule=overrule)
    if outcome != EventOutcome.APPLIED:
        return outcome
    if called_off:
        notices.report_to_ops(order, DELIVERED_ANYWAY, f"Order {order.order_id} was delivered after it was cancelled")
    refunds.withdraw_unsent(order, refunds.failed_delivery_reference(attempt))  # failed first, completed after all
    notices.resolve_report(order, DELIVERY_FAILED, "it was delivered")
    notices.notify_customer(order, "delivery.completed", totalPaise=order.total_minor)
    notices.notify_customer(order, "review.requested")
    return outcome


def record_failed(
    order: Order,
    attempt: int,
    reason: str,
    *,
    by: Cause,
    occurred_at: datetime | None = None,
    overrule: bool = False,
) -> EventOutcome:
    """Nobody will carry delivery `attempt` to its end: refund by the store's policy, tell all, open a ticket."""
    outcome = _advance_carriage(order, attempt, CarriageState.FAILED, by, occurred_at, why=reason, overrule=overrule)
    if outcome == EventOutcome.APPLIED and order.preparation not in transitions.CALLED_OFF:
        refunds.request_remaining(
            order,
            reference=refunds.failed_delivery_reference(attempt),
            reason=f"delivery failed: {reason}",
            by=by,
            due_at=clock.database_now() + timedelta(seconds=order.store.refund_delay_s),
        )
        notices.notify_customer(order, "delivery.failed", dedupe_suffix=str(attempt))
        notices.notify_store(order, "store.delivery_failed", dedupe_suffix=str(attempt), reason=reason)
        title = f"Delivery of order {order.order_id} failed: {reason}"
        notices.report_to_ops(order, DELIVERY_FAILED, title, severity=Severity.CRITICAL, attempt=attempt, reason=reason)
    return outcome


def record_returned(order: Order, attempt: int, *, by: Cause, occurred_at: datetime | None = None) -> EventOutcome:
    """What failed to be delivered is back at the store."""
    return _advance_carriage(
        order, attempt, CarriageState.RETURNED, by, occurred_at, why="brought back to the store", overrule=True
    )


def refund_at_once(order: Order, *, by: Cause, why: str) -> Refund:
    """The refund for the failed delivery waits for the store's policy no longer. Raises Conflict when it has not failed
    or all its money is given back already."""
    _require_failed(order)
    reference = refunds.failed_delivery_reference(order.attempt)
    refund = refunds.hurry_refund(order, reference) or refunds.request_remaining(
        order, reference=reference, reason=why, by=by
    )
    if refund is None or refund.state != WorkState.PENDING:
        raise Conflict("There is nothing left to refund", code="NOTHING_LEFT")
    return refund


def close_ticket(order: Order, resolution: str) -> None:
    """Ops has seen to a failed delivery: its ticket is closed. Raises Conflict when it has not failed."""
    _require_failed(order)
    notices.resolve_report(order, DELIVERY_FAILED, resolution)


def _require_failed(order: Order) -> None:
    if order.carriage not in (CarriageState.FAILED, CarriageState.RETURNED):
        raise Conflict("The delivery has not failed", code="NOT_FAILED")


def _advance_carriage(
    order: Order,
    attempt: int,
    state: CarriageState,
    by: Cause,
    occurred_at: datetime | None,
    *,
    why: str = "",
    overrule: bool = False,
) -> EventOutcome:
    if attempt < order.attempt:
        return EventOutcome.STALE
    known = order.carriage
    transitions.advance_axes(
        order, carriage=state, attempt=attempt, by=by, occurred_at=occurred_at, why=why, overrule=overrule
    )
    if known == state:
        return EventOutcome.REPEATED
    return EventOutcome.APPLIED if order.carriage == state else EventOutcome.STALE
