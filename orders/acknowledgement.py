"""The store hears of a paid order and says yes in time, or somebody acts (SPEC O5).

Half the deadline: the store is reminded. The deadline: ops is told. A second one, by the store's policy: cancelled and
refunded. All three are jobs; each reads what is true when it is due, under the lock and on the database's clock.
"""

from foundation import clock, events, jobs
from foundation.errors import Invalid
from foundation.events import Cause
from notifications.incidents import service
from notifications.models import Severity
from orders import cancellation, deadlines, locks, notices, pos, transitions
from orders.lifecycle import OrderStatus, PaymentState, PreparationState
from orders.models import Order, Store
from orders.pos import queue

POS_IS_OFF = "pos_is_off"
MAX_PREP_MINUTES = 24 * 60
PAID_STATES = frozenset({PaymentState.PAID, PaymentState.PARTLY_REFUNDED})
AWAITING_ACKNOWLEDGEMENT = frozenset({OrderStatus.PAYMENT_CONFIRMED, OrderStatus.STORE_NOTIFIED})


def submit_to_store(order: Order, *, by: Cause) -> None:
    """The locked order is paid: its POS is asked to take it, or the store gets a message. Doing it twice is doing it
    once. A POS is asked even if it spoke of the order before it was paid: it cannot have had it from us."""
    if order.payment not in PAID_STATES or order.preparation in transitions.CALLED_OFF:
        return
    provider = pos.find_pos(order.store)
    if provider and provider.is_enabled():
        queue.enqueue_save(order)
        deadlines.set_relay_deadline(order)
        service.resolve_key(_pos_off_key(order.store), f"{order.store.pos_kind} is configured")
        return
    if provider:
        _report_pos_off(order.store)
    notices.notify_store(order, "store.order_placed")
    transitions.advance_axes(order, preparation=PreparationState.NOTIFIED, by=by)


def _report_pos_off(store: Store) -> None:
    service.open_incident(
        POS_IS_OFF,
        severity=Severity.WARNING,
        title=f"{store.name} uses {store.pos_kind}, which is not configured: it is told by message instead",
        dedupe=_pos_off_key(store),
        subject=events.subject_of(store),
    )


def _pos_off_key(store: Store) -> str:
    return f"{POS_IS_OFF}:{store.slug}"


def acknowledge_order(order: Order, *, by: Cause, prep_minutes: int | None = None, why: str = "") -> None:
    """The store takes the locked order, and may say how long it needs. Raises IllegalMove, Invalid."""
    if prep_minutes is not None and not 0 < prep_minutes <= MAX_PREP_MINUTES:
        raise Invalid(f"must be 1 to {MAX_PREP_MINUTES}", field="prep_minutes")
    if prep_minutes is not None:
        order.minimum_prep_minutes = prep_minutes
    transitions.take_strict_step(order, OrderStatus.CONFIRMED, by=by, why=why)
    if prep_minutes is not None:
        order.save(update_fields=["minimum_prep_minutes"])


# ── when a deadline is there ─────────────────────────────────────────────────────────────────────────────────────
def remind_store(order_id: int) -> None:
    order = locks.lock_order(order_id)
    if order.status == OrderStatus.STORE_NOTIFIED and clock.database_now() >= deadlines.remind_at(order):
        notices.notify_store(order, "store.acknowledge_reminder")


def report_unacknowledged(order_id: int) -> None:
    order = locks.lock_order(order_id)
    if order.status not in AWAITING_ACKNOWLEDGEMENT:
        return
    due_at = deadlines.acknowledge_by(order)
    if clock.database_now() < due_at:  # it was told later than we thought when we set this clock
        jobs.enqueue_job(deadlines.ACKNOWLEDGEMENT_DUE, events.subject_of(order), due_at=due_at)
        return
    was_notified = order.status == OrderStatus.STORE_NOTIFIED
    what = "has not acknowledged" if was_notified else "could not be told of"
    notices.report_to_ops(
        order,
        deadlines.UNACKNOWLEDGED,
        f"{order.store.name} {what} order {order.order_id}",
        severity=Severity.CRITICAL,
        store=order.store.slug,
        since=order.notified_at or order.paid_at,
    )


def cancel_unacknowledged(order_id: int) -> None:
    order = locks.lock_order(order_id)
    due_at = deadlines.auto_cancel_at(order)
    if order.status != OrderStatus.STORE_NOTIFIED or due_at is None:
        return
    if clock.database_now() < due_at:
        jobs.enqueue_job(deadlines.ACKNOWLEDGEMENT_LAPSED, events.subject_of(order), due_at=due_at)
        return
    by = Cause("clock", "job:orders.acknowledgement_lapsed")
    cancellation.cancel_order(order, by=by, reason="The store did not answer in time", waive_fee=True)


def report_not_ready(order_id: int) -> None:
    """Long acknowledged and still not ready: a rider would wait, the customer does."""
    order = locks.lock_order(order_id)
    if order.preparation not in (PreparationState.ACKNOWLEDGED, PreparationState.PICKING):
        return
    due_at = deadlines.ready_by(order)
    if clock.database_now() < due_at:  # the store asked for more time since
        jobs.enqueue_job(deadlines.READY_OVERDUE, events.subject_of(order), due_at=due_at)
        return
    title = f"{order.store.name} has not got order {order.order_id} ready"
    notices.report_to_ops(order, deadlines.NOT_READY, title, expected_at=deadlines.expected_ready_at(order))
