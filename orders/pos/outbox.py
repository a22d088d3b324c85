"""Telling the POS: the calls behind the rows of orders/pos/queue.py (work queue `pos`).

Refused for good: the order fails, the money goes back, customer and ops hear of it. Unknown: tried again (see
the POS's own page for why that is safe); a callback in the meantime proves that the POS has it.
"""

from typing import Any

from foundation.errors import Permanent
from foundation.events import Cause
from foundation.work import OPEN, Backoff, Release, WorkState
from foundation.work_queues import CallQueue
from notifications.models import Severity
from orders import cancellation, locks, notices, pos, transitions
from orders.lifecycle import PREPARATION, OrderStatus, PreparationState
from orders.models import Order, PosRelay
from orders.pos import queue
from orders.pos.base import PosProvider

REFUSED = "pos_relay_failed"
NOT_STOPPED = "pos_cancel_failed"
WAIT_FOR_SAVE_S = 3.0


def _call(relay: PosRelay) -> str | None:
    """The POS's number for the order ("" when it gave none); None: there was nothing to tell."""
    order = Order.objects.select_related("store__recipient", "customer__recipient").get(pk=relay.order_id)
    if relay.kind == PosRelay.Kind.CANCEL:
        return _cancel_at_pos(relay, order)
    if order.preparation in transitions.CALLED_OFF or order.status == OrderStatus.REFUNDED:
        return None
    if relay.retry_count > 1 and _has_answered(order):
        return order.pos_order_id
    return _require_pos(order).save_order(order, attempt=relay.retry_count)


def _cancel_at_pos(relay: PosRelay, order: Order) -> str | None:
    save = PosRelay.objects.filter(order=order, kind=PosRelay.Kind.SAVE).first()
    if save is None or save.state in (WorkState.IGNORED, WorkState.DISCARDED):
        return None
    if save.state in OPEN:  # the order may be arriving there right now: first it, then its cancellation
        raise Release(WAIT_FOR_SAVE_S, "the order is still being saved")
    _require_pos(order).cancel_order(order, reason=order.cancel_reason, attempt=relay.retry_count)
    return ""


def _require_pos(order: Order) -> PosProvider:
    provider = pos.find_pos(order.store)
    if provider is None:
        raise Permanent("the store has no POS any more")
    return provider


def _has_answered(order: Order) -> bool:
    return PREPARATION.has_reached(order.preparation, PreparationState.ACKNOWLEDGED)


def _record_answer(relay: PosRelay, number: str | None) -> str:
    if number is None:
        return WorkState.IGNORED
    if relay.kind == PosRelay.Kind.SAVE:
        order = locks.lock_order(relay.order_id)
        order.pos_order_id = number[:80] or order.pos_order_id
        order.save(update_fields=["pos_order_id"])
        transitions.advance_axes(order, preparation=PreparationState.NOTIFIED, by=_cause_of(order))
        if order.preparation in transitions.CALLED_OFF:
            queue.enqueue_cancel(order)
    else:
        notices.resolve_report(locks.lock_order(relay.order_id), NOT_STOPPED, "the POS has taken the cancellation")
    return WorkState.DONE


def _on_give_up(relay: PosRelay, error: Exception) -> str:
    order = locks.lock_order(relay.order_id)
    facts: dict[str, Any] = {"error": str(error), "store": order.store.slug, "relay": relay.pk}
    if relay.kind == PosRelay.Kind.CANCEL:
        if not PosRelay.objects.filter(order=order, kind=PosRelay.Kind.SAVE, state=WorkState.DEAD).exists():
            title = f"The POS of {order.store.name} did not take the cancellation of order {order.order_id}"
            notices.report_to_ops(order, NOT_STOPPED, title, severity=Severity.CRITICAL, **facts)
        return WorkState.DEAD
    refused = isinstance(error, Permanent)
    if _has_answered(order) and not refused and order.preparation not in transitions.CALLED_OFF:
        return WorkState.DONE
    reason = "The store cannot take the order" if refused else "The store could not be reached"
    cancellation.cancel_order(order, by=_cause_of(order), reason=reason, refuse_store=True, notify_pos=not refused)
    title = f"The POS of {order.store.name} did not take order {order.order_id}: {error}"
    notices.report_to_ops(order, REFUSED, title, severity=Severity.CRITICAL, **facts)
    return WorkState.DEAD


def _cause_of(order: Order) -> Cause:
    return Cause(order.store.pos_kind, "job:orders.pos")


QUEUE = CallQueue(
    name="pos",
    model=PosRelay,
    call=_call,
    apply=_record_answer,
    on_give_up=_on_give_up,
    poll_s=0.05,
    schedule=Backoff(first_s=2, cap_s=60, tries=14),  # about seven minutes
)
