"""What follows when a job at a courier company ends, or goes on although it is over for us (SPEC C4, C9, O8)."""

import structlog

from deliveries.couriers import enqueue, status_history
from deliveries.couriers.providers.status_update import ENDS, CourierUpdate
from deliveries.models import CourierCall, Delivery
from foundation import events, jobs
from foundation.events import Cause
from foundation.work import OPEN
from notifications.incidents import service
from notifications.models import Severity
from orders import delivery_progress, transitions
from orders.models import Order

FOLLOW_ORDER = jobs.handler_name("deliveries.follow_order")

log = structlog.get_logger(__name__)

Purpose = CourierCall.Purpose
PROOF_WAIT_S = 20.0


def handle_early_end(order: Order, delivery: Delivery, *, by: Cause) -> None:
    """It ended before pickup: somebody else shall fetch it, as soon as the end is proven.

    News may overtake each other: that it was picked up may still be on its way. So an end that only a webhook told is
    looked up first, if the courier can be asked; the search goes on without an answer, a little later.
    """
    delivery_progress.record_unassigned(order, delivery.attempt, by=by, why=delivery.end_reason or delivery.status)
    if (
        status_history.final_stage(delivery.courier_job.history) is not None
        and delivery.courier_job.stop_requested_at is None
    ):
        enqueue.enqueue_call(delivery, Purpose.CHECK, "confirm that it ended")
    jobs.enqueue_job(FOLLOW_ORDER, events.subject_of(order), in_s=PROOF_WAIT_S if is_awaiting_proof(order) else 0.0)


def is_awaiting_proof(order: Order) -> bool:
    """Whether the end of the order's last delivery is still being looked up."""
    last = Delivery.objects.filter(order=order).order_by("-attempt").only("id").first()
    looked_up = CourierCall.objects.filter(delivery=last, purpose=Purpose.CHECK, state__in=OPEN, first_failed_at=None)
    return last is not None and looked_up.exists()


def clear_awaited_proof(order: Order) -> None:
    """The look-up is done."""
    jobs.enqueue_job(FOLLOW_ORDER, events.subject_of(order))


def handle_delivered(order: Order, delivery: Delivery, *, by: Cause, overrule: bool) -> None:
    """Handed over. When we had given this courier up, somebody else may be under way with nothing to fetch (O8)."""
    if delivery.attempt >= order.attempt:
        delivery_progress.record_delivered(
            order, delivery.attempt, by=by, occurred_at=delivery.ended_at, overrule=overrule
        )
        no_longer_asked(delivery, "it was delivered")
        return
    service.open_incident(
        "delivered_by_earlier_courier",
        severity=Severity.CRITICAL,
        title=f"{delivery.courier} delivered order {order.order_id} after it was given up; another carrier has it too",
        dedupe=f"delivered_by_earlier_courier:{delivery.pk}",
        subject=events.subject_of(delivery),
        order_ref=order.public_id,
        detail={"attempt": delivery.attempt, "now": order.attempt},
    )


def report_unwanted_progress(order: Order, delivery: Delivery, news: CourierUpdate, *, by: Cause) -> None:
    """A job that is over for us shows that it lives: the late answer of a request that was given up (SPEC C4). It is
    cancelled at the courier, so that nothing is carried twice."""
    if news.stage in ENDS or status_history.final_stage(delivery.courier_job.history) is not None:
        return
    log.warning("courier_goes_on", delivery=delivery.pk, courier=delivery.courier, word=news.status_text)
    if order.preparation not in transitions.CALLED_OFF:
        events.record_event(
            "delivery.came_too_late", delivery, by=by, data={"word": news.status_text}, order_ref=order.public_id
        )
    enqueue.enqueue_call(delivery, Purpose.CANCEL, "it came too late")


def no_longer_asked(delivery: Delivery, why: str) -> None:
    """Nothing is wanted of ops any more."""
    service.resolve_key(will_not_stop_key(delivery), why)


def will_not_stop_key(delivery: Delivery) -> str:
    return f"courier_will_not_stop:{delivery.pk}"
