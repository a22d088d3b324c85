"""Telling the POS: the calls behind the rows of orders/relays.py (lane `pos`).

Refused for good: the order fails, the money goes back, customer and ops hear of it. Unknown: tried again (see the
POS's own page for why that is safe); a callback in the meantime proves that the POS has it.
"""

from typing import Any

from foundation.errors import Permanent
from foundation.events import Cause
from foundation.lanes import CallLane
from foundation.work import OPEN, Backoff, Release, WorkState
from notifications.models import Severity
from orders import cancelling, moves, pos, relays, rows, telling
from orders.lifecycle import PREPARATION, OrderStatus, PreparationState
from orders.models import Order, PosRelay
from orders.pos.base import Pos

REFUSED = "pos_relay_failed"
NOT_STOPPED = "pos_cancel_failed"
WAIT_FOR_SAVE_S = 3.0


def _call(relay: PosRelay) -> str | None:
    """The POS's number for the order ("" when it gave none); None: there was nothing to tell."""
    order = Order.objects.select_related("store__recipient", "customer__recipient").get(pk=relay.order_id)
    if relay.kind == PosRelay.Kind.CANCEL:
        return _cancel(relay, order)
    if order.preparation in moves.CALLED_OFF or order.status == OrderStatus.REFUNDED:
        return None
    if relay.retry_count > 1 and _has_answered(order):
        return order.pos_order_id
    return _system(order).save(order, attempt=relay.retry_count)


def _cancel(relay: PosRelay, order: Order) -> str | None:
    save = PosRelay.objects.filter(order=order, kind=PosRelay.Kind.SAVE).first()
    if save is None or save.state in (WorkState.IGNORED, WorkState.DISCARDED):
        return None
    if save.state in OPEN:  # the order may be arriving there right now: first it, then its cancellation
        raise Release(WAIT_FOR_SAVE_S, "the order is still being saved")
    _system(order).cancel(order, reason=order.cancel_reason, attempt=relay.retry_count)
    return ""


def _system(order: Order) -> Pos:
    system = pos.of(order.store)
    if system is None:
        raise Permanent("the store has no POS any more")
    return system


def _has_answered(order: Order) -> bool:
    return PREPARATION.reached(order.preparation, PreparationState.ACKNOWLEDGED)


def _apply(relay: PosRelay, number: str | None) -> str:
    if number is None:
        return WorkState.IGNORED
    if relay.kind == PosRelay.Kind.SAVE:
        order = rows.lock(relay.order_id)
        order.pos_order_id = number[:80] or order.pos_order_id
        order.save(update_fields=["pos_order_id"])
        moves.advance(order, preparation=PreparationState.NOTIFIED, by=_by(order))
        if order.preparation in moves.CALLED_OFF:
            relays.cancel(order)
    else:
        telling.ops_no_more(rows.lock(relay.order_id), NOT_STOPPED, "the POS has taken the cancellation")
    return WorkState.DONE


def _given_up(relay: PosRelay, error: Exception) -> str:
    order = rows.lock(relay.order_id)
    facts: dict[str, Any] = {"error": str(error), "store": order.store.slug, "relay": relay.pk}
    if relay.kind == PosRelay.Kind.CANCEL:
        if not PosRelay.objects.filter(order=order, kind=PosRelay.Kind.SAVE, state=WorkState.DEAD).exists():
            title = f"The POS of {order.store.name} did not take the cancellation of order {order.order_id}"
            telling.ops(order, NOT_STOPPED, title, severity=Severity.CRITICAL, **facts)
        return WorkState.DEAD
    refused = isinstance(error, Permanent)
    if _has_answered(order) and not refused and order.preparation not in moves.CALLED_OFF:
        return WorkState.DONE
    reason = "The store cannot take the order" if refused else "The store could not be reached"
    cancelling.cancel(order, by=_by(order), reason=reason, refuse_store=True, tell_pos=not refused)
    title = f"The POS of {order.store.name} did not take order {order.order_id}: {error}"
    telling.ops(order, REFUSED, title, severity=Severity.CRITICAL, **facts)
    return WorkState.DEAD


def _by(order: Order) -> Cause:
    return Cause(order.store.pos_kind, "job:orders.pos")


LANE = CallLane(
    name="pos",
    model=PosRelay,
    call=_call,
    apply=_apply,
    given_up=_given_up,
    poll_s=0.05,
    schedule=Backoff(first_s=2, cap_s=60, tries=14),  # about seven minutes
)
