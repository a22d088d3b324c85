"""Moving an order: the only code that writes its axes and its status (SPEC O1, O2).

`advance_axes` is for evidence and for verbs that have checked what they may: every axis keeps the furthest it has seen,
the status follows. `take_strict_step` is for people and APIs: SPEC's table first. The caller holds the order's lock
(orders/locks.py).
"""

from datetime import datetime
from typing import Any

from foundation import clock
from foundation.errors import IllegalMove
from foundation.events import Cause
from orders import deadlines, locks, substitution_decisions
from orders.lifecycle import (
    CARRIAGE,
    PAYMENT,
    PREPARATION,
    STRICT,
    CarriageState,
    OrderStatus,
    PaymentState,
    PreparationState,
    derive_status,
)
from orders.models import Order

# The time an axis first stood there. Set once; late evidence still brings the time that it alone knows ...
STAMPS: dict[str, dict[str, str]] = {
    "payment": {
        PaymentState.PAID: "paid_at",
        PaymentState.REFUNDED: "refunded_at",
        PaymentState.CANCELLED: "failed_at",
    },
    "preparation": {
        PreparationState.NOTIFIED: "notified_at",
        PreparationState.ACKNOWLEDGED: "confirmed_at",
        PreparationState.READY: "ready_at",
        PreparationState.CANCELLED: "failed_at",
        PreparationState.REFUSED: "failed_at",
    },
    "carriage": {
        CarriageState.ASSIGNED: "assigned_at",
        CarriageState.PICKED_UP: "picked_up_at",
        CarriageState.IN_TRANSIT: "in_transit_at",
        CarriageState.DELIVERED: "delivered_at",
        CarriageState.FAILED: "failed_at",
        CarriageState.RETURNED: "failed_at",
    },
}
# ... but for ends: an end that did not come about did not happen.
ONLY_IF_MOVED = frozenset({"failed_at", "refunded_at"})
CARRIAGE_PROGRESS = ("assigned_at", "picked_up_at", "in_transit_at")
CARRIAGE_STAMPS = ("assigned_at", "picked_up_at", "in_transit_at", "delivered_at")
AXES = ("payment", "preparation", "carriage")
CALLED_OFF = frozenset({PreparationState.CANCELLED, PreparationState.REFUSED})


def advance_axes(
    order: Order,
    *,
    payment: PaymentState | None = None,
    preparation: PreparationState | None = None,
    carriage: CarriageState | None = None,
    attempt: int | None = None,
    overrule: bool = False,
    by: Cause,
    occurred_at: datetime | None = None,
    why: str = "",
) -> bool:
    """The order has got at least so far. Returns whether anything moved; times and events are written as it does.

    `attempt` names the delivery that `carriage` is about: that of an earlier one moves nothing, that of a later one
    starts the carriage axis anew. `overrule` lets one end of a delivery replace the other: `deliveries` has compared
    the provider's times (SPEC O1, failed against completed).
    """
    before = _axis_states(order)
    moment = occurred_at or clock.database_now()
    touched: set[str] = set()
    if payment is not None:
        _advance_axis(order, "payment", PAYMENT.furthest_of(order.payment, payment), payment, moment, touched)
    if preparation is not None:
        _advance_axis(
            order, "preparation", PREPARATION.furthest_of(order.preparation, preparation), preparation, moment, touched
        )
    if carriage is not None and _is_about_current_attempt(order, attempt, touched):
        further = str(carriage) if overrule else CARRIAGE.furthest_of(order.carriage, carriage)
        _advance_axis(order, "carriage", further, carriage, moment, touched)
        if overrule:
            _replace_end(order, carriage, moment, touched)
    if touched:
        _settle_status(order, before, touched, by=by, occurred_at=moment, why=why)
    return _axis_states(order) != before


def reset_carriage(order: Order, attempt: int, *, by: Cause, why: str = "") -> bool:
    """Nobody carries the order (any more); from now on the carriage axis is about delivery number `attempt`."""
    before = _axis_states(order)
    touched = _restart_carriage(order, max(attempt, order.attempt))
    if not touched:
        return False
    _settle_status(order, before, touched, by=by, occurred_at=clock.database_now(), why=why)
    return True


def take_strict_step(order: Order, to: OrderStatus, *, by: Cause, why: str = "") -> None:
    """A person or an API takes the next step of the store's part. Raises IllegalMove, nothing changed, unless SPEC's
    table allows it; cancelling, refunding, proposing and carrying have verbs of their own. Back to picking: the store
    takes back what it has proposed."""
    STRICT.require_move(order.status, to)
    if order.status == OrderStatus.SUBSTITUTIONS_NEEDED and to == OrderStatus.PICKING_IN_PROGRESS:
        substitution_decisions.withdraw_proposals(order, by=by)
        update_for_substitutions(order, by=by, why=why)
        return
    state = {
        OrderStatus.STORE_NOTIFIED: PreparationState.NOTIFIED,
        OrderStatus.CONFIRMED: PreparationState.ACKNOWLEDGED,
        OrderStatus.PICKING_IN_PROGRESS: PreparationState.PICKING,
        OrderStatus.READY_FOR_PICKUP: PreparationState.READY,
    }.get(to)
    if state is None or PREPARATION.has_reached(order.preparation, state):
        raise IllegalMove(f"{to} cannot be set by hand: it follows from payment, proposals, carriage or cancellation")
    advance_axes(order, preparation=state, by=by, why=why)


def update_for_substitutions(order: Order, *, by: Cause, why: str = "") -> None:
    """Something was proposed or decided: the status says whether anything waits for the customer."""
    _settle_status(order, _axis_states(order), set(), by=by, occurred_at=clock.database_now(), why=why)


def _axis_states(order: Order) -> dict[str, Any]:
    return {name: getattr(order, name) for name in (*AXES, "status")}


def _is_about_current_attempt(order: Order, attempt: int | None, touched: set[str]) -> bool:
    """Whether news of delivery number `attempt` is about what is carried now; a later one starts the axis anew."""
    number = order.attempt if attempt is None else attempt
    if number > order.attempt:
        touched |= _restart_carriage(order, number)
    return number == order.attempt


def _restart_carriage(order: Order, attempt: int) -> set[str]:
    """The axis and its times start anew: "set once" is once per delivery, and the earlier one keeps its own times.
    Returns the columns that changed."""
    fresh: dict[str, Any] = {"attempt": attempt, "carriage": CarriageState.NONE, **dict.fromkeys(CARRIAGE_STAMPS)}
    if not _is_called_off(_axis_states(order)):
        fresh["failed_at"] = None
    changed = {column for column, value in fresh.items() if getattr(order, column) != value}
    for column in changed:
        setattr(order, column, fresh[column])
    return changed


def _replace_end(order: Order, carriage: CarriageState, moment: datetime, touched: set[str]) -> None:
    """One end of a delivery replaces the other, which did not come about; its time is the latest that was told."""
    ends = ["delivered_at"] if _is_called_off(_axis_states(order)) else ["delivered_at", "failed_at"]
    for column in ends:
        value = moment if STAMPS["carriage"].get(carriage) == column else None
        if getattr(order, column) != value:
            setattr(order, column, value)
            touched.add(column)


def _advance_axis(order: Order, axis: str, further: str, seen: str, moment: datetime, touched: set[str]) -> None:
    moved = getattr(order, axis) != further
    if moved:
        setattr(order, axis, further)
        touched.add(axis)
    column = STAMPS[axis].get(seen)
    known = getattr(order, column) if column else None
    earlier = column in CARRIAGE_PROGRESS and known is not None and moment < known  # couriers tell in any order
    if column and (known is None or earlier) and (moved or column not in ONLY_IF_MOVED):
        setattr(order, column, moment)
        touched.add(column)


def _settle_status(
    order: Order, before: dict[str, Any], touched: set[str], *, by: Cause, occurred_at: datetime, why: str
) -> None:
    """Derive the status, write one event for each thing that changed, save, set the next deadlines. Proposals that
    come too late to be answered are decided."""
    asking = order.undecided_substitutions > 0
    order.status = derive_status(order.payment, order.preparation, order.carriage, undecided_substitutions=asking)
    after = _axis_states(order)
    for name, data in _list_changes(before, after, order.attempt):
        locks.record_event(order, name, by=by, data={**data, **({"why": why} if why else {})}, occurred_at=occurred_at)
    order.save(update_fields=sorted({*touched, "status", "version"}))
    if before["preparation"] != after["preparation"]:
        deadlines.set_next_deadline(order)
    if asking and order.status != OrderStatus.SUBSTITUTIONS_NEEDED:
        substitution_decisions.decide_remaining(order, by=by)


def _list_changes(before: dict[str, Any], after: dict[str, Any], attempt: int) -> list[tuple[str, dict[str, Any]]]:
    """The events of a move, causes before the status that follows from them."""
    moves = {axis: {"from": before[axis], "to": after[axis]} for axis in AXES if before[axis] != after[axis]}
    found: list[tuple[str, dict[str, Any]]] = []
    if "payment" in moves and not PAYMENT.has_reached(before["payment"], PaymentState.PAID):
        paid = PAYMENT.has_reached(after["payment"], PaymentState.PAID)
        found.append(("order.payment_confirmed" if paid else "order.payment_canceled", moves["payment"]))
    if "preparation" in moves:
        found.append(("order.preparation_changed", moves["preparation"]))
    if "carriage" in moves:
        found.append(("order.carriage_changed", {**moves["carriage"], "attempt": attempt}))
    if _is_called_off(after) and not _is_called_off(before):
        found.append(("order.cancelled", {"from": before["status"]}))
    if "carriage" in moves and after["carriage"] == CarriageState.DELIVERED:
        found.append(("order.delivered", {"attempt": attempt}))
    if before["status"] != after["status"]:
        found.append(("order.status_changed", {"from": before["status"], "to": after["status"]}))
    return found


def _is_called_off(states: dict[str, Any]) -> bool:
    return states["preparation"] in CALLED_OFF or states["payment"] == PaymentState.CANCELLED
