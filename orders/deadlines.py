"""What an order must have reached by when (SPEC O5): rows due at the deadline, written as the preparation moves.

The jobs are looked at in orders/reactions.py and read what is true then; nobody takes them back.
"""

from datetime import datetime, timedelta

from foundation import events, jobs
from orders import notices
from orders.lifecycle import PREPARATION, PreparationState
from orders.models import Order
from orders.stores import preparation_times

ACKNOWLEDGEMENT_DUE = jobs.handler_name("orders.acknowledgement_due")
ACKNOWLEDGEMENT_LAPSED = jobs.handler_name("orders.acknowledgement_lapsed")
READY_OVERDUE = jobs.handler_name("orders.ready_overdue")
REMIND_STORE = jobs.handler_name("orders.remind_store")

UNACKNOWLEDGED = "order_unacknowledged"
NOT_READY = "order_not_ready"
READY_GRACE_S = 600


def set_next_deadline(order: Order) -> None:
    """The preparation axis has moved: set the next deadline, and close what was reported about a passed one."""
    state = order.preparation
    subject = events.subject_of(order)
    if state == PreparationState.NOTIFIED:
        jobs.enqueue_job(REMIND_STORE, subject, due_at=remind_at(order))
        jobs.enqueue_job(ACKNOWLEDGEMENT_DUE, subject, due_at=acknowledge_by(order))
        if lapse_at := auto_cancel_at(order):
            jobs.enqueue_job(ACKNOWLEDGEMENT_LAPSED, subject, due_at=lapse_at)
    if PREPARATION.has_reached(state, PreparationState.ACKNOWLEDGED):
        notices.resolve_report(order, UNACKNOWLEDGED, f"the store's part is now: {state}")
    if state in (PreparationState.ACKNOWLEDGED, PreparationState.PICKING):
        jobs.enqueue_job(READY_OVERDUE, subject, due_at=ready_by(order))
    if PREPARATION.has_reached(state, PreparationState.READY):
        notices.resolve_report(order, NOT_READY, f"the store's part is now: {state}")


def set_relay_deadline(order: Order) -> None:
    """Paid, and its POS is about to be told: if that does not work out, ops shall know by the same deadline."""
    jobs.enqueue_job(ACKNOWLEDGEMENT_DUE, events.subject_of(order), in_s=order.store.acknowledge_s)


def remind_at(order: Order) -> datetime:
    return _notified_at(order) + timedelta(seconds=order.store.acknowledge_s / 2)


def acknowledge_by(order: Order) -> datetime:
    return _notified_at(order) + timedelta(seconds=order.store.acknowledge_s)


def auto_cancel_at(order: Order) -> datetime | None:
    """None: this store's orders wait for ever."""
    after_s = order.store.cancel_unacknowledged_s
    return None if after_s is None else _notified_at(order) + timedelta(seconds=after_s)


def ready_by(order: Order) -> datetime:
    return expected_ready_at(order) + timedelta(seconds=READY_GRACE_S)


def _notified_at(order: Order) -> datetime:
    """When the store was told; not yet: long ago, so that whoever asks looks at it now."""
    return order.notified_at or order.created_at


def expected_ready_at(order: Order, usual_minutes: float | None = None) -> datetime:
    """When the food is, or should be, ready: the store's word for this order, else its usual time at that hour
    (orders/stores/preparation_times.py), which who asks about many orders looks up for all of them."""
    if order.ready_at:
        return order.ready_at
    minutes: float | None = order.minimum_prep_minutes
    if minutes is None:
        minutes = preparation_times.usual_minutes([order])[order.pk] if usual_minutes is None else usual_minutes
    return preparation_times.work_started_at(order) + timedelta(minutes=minutes)
