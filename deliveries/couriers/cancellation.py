"""The rule of one: at most one live job carries an order, and the next is asked for only when the last one's end is
proven: cancelled and confirmed, refused and final, or lapsed (SPEC C4, O7).

Stopping is a wish until the courier confirms it; till then the delivery is live and nobody else is sent. Where the
courier will not stop, the machine stops instead and asks ops: keep it, or pay for two.
"""

from typing import Any

import structlog

from deliveries.couriers import enqueue, outcomes, status_history, updates
from deliveries.couriers.providers.status_update import CourierStage, CourierUpdate
from deliveries.lifecycle import LIVE, DeliveryStatus
from deliveries.models import IN_HOUSE, CourierCall, CourierJob, Delivery
from foundation import clock, events
from foundation.errors import Conflict
from foundation.events import Cause
from foundation.fields import max_length
from foundation.models import User
from foundation.work import WorkState
from notifications.incidents import service
from notifications.models import Severity
from orders.models import Order

log = structlog.get_logger(__name__)

Purpose = CourierCall.Purpose
REASON_LENGTH = max_length(CourierJob, "stop_reason")
KEEP, DOUBLE_COST = "keep", "double_cost"


# ── wanting it to end ────────────────────────────────────────────────────────────────────────────────────────────
def stop_courier(order: Order, delivery: Delivery, reason: str, *, by: Cause) -> None:
    """We want this courier to carry it no more. Order and delivery are locked; nothing happens twice."""
    job = delivery.courier_job
    if job.stop_requested_at is not None or delivery.status not in LIVE:
        return
    job.stop_reason, job.stop_requested_at = reason[:REASON_LENGTH], clock.now()
    job.save(update_fields=["stop_reason", "stop_requested_at"])
    untried = CourierCall.objects.filter(
        delivery=delivery, purpose=Purpose.CREATE, state=WorkState.PENDING, retry_count=0
    )
    if untried.update(state=WorkState.DISCARDED, processed_at=clock.now(), error_message=f"not wanted: {reason}"[:300]):
        end_for_us(order, delivery, reason, by=by)  # it was never asked
    else:
        enqueue.enqueue_call(delivery, Purpose.CANCEL, reason)


def end_for_us(order: Order, delivery: Delivery, reason: str, *, by: Cause, **job_columns: Any) -> None:
    """Its end is proven, or it has lapsed: for us it is over."""
    history = status_history.mark_stopped(delivery.courier_job.history, clock.database_now())
    told = {"end_reason": (delivery.end_reason or reason)[:REASON_LENGTH]}
    updates.settle_delivery(order, delivery, history, by=by, columns=told, job_columns=job_columns)
    outcomes.no_longer_asked(delivery, "it is over")


def give_up(order: Order, delivery: Delivery, *, by: Cause) -> None:
    """Five minutes of the contract have passed since the first try that failed: our own riders carry it (SPEC C4)."""
    if delivery.status != DeliveryStatus.REQUESTED or delivery.courier_job.reference:
        return  # it ended, or has been taken after all
    calls = CourierCall.objects.filter(delivery=delivery, purpose=Purpose.CREATE)
    maybe_there = calls.filter(maybe_sent=True).exists()
    calls.filter(state=WorkState.PENDING).update(
        state=WorkState.IGNORED, processed_at=clock.now(), error_message="given up: five minutes without an answer"
    )
    log.warning("courier_given_up", delivery=delivery.pk, courier=delivery.courier, maybe_there=maybe_there)
    service.open_incident(
        "courier_given_up",
        severity=Severity.CRITICAL,
        title=f"{delivery.courier} did not take order {order.order_id} in five minutes: other carriers are asked",
        dedupe=f"courier_given_up:{delivery.courier}",
        subject=events.subject_of(delivery),
        order_ref=order.public_id,
        detail={"courier": delivery.courier, "maybe_there": maybe_there},
    )
    if maybe_there:
        enqueue.enqueue_call(delivery, Purpose.CANCEL, "given up: it must not be carried twice")
    end_for_us(order, delivery, f"{delivery.courier} did not answer for five minutes", by=by)


# ── the courier's answer ─────────────────────────────────────────────────────────────────────────────────────────
def confirm_stop(order: Order, delivery: Delivery, fee_minor: int | None, currency: str, *, by: Cause) -> None:
    """The courier has stopped; `fee_minor` is what that costs, None where it did not say: what it would have taken for
    carrying it is not that."""
    fee = {"fee_minor": fee_minor, "fee_currency": currency if fee_minor is not None else ""}
    end_for_us(order, delivery, delivery.courier_job.stop_reason or "cancelled", by=by, **fee)


def record_refusal(order: Order, delivery: Delivery, why: str, *, by: Cause) -> None:
    """The courier goes on. Nobody else is sent before ops has decided."""
    if delivery.status not in LIVE and status_history.STOPPED not in delivery.courier_job.history:
        return
    CourierJob.objects.filter(pk=delivery.pk).update(stop_refused_at=clock.now())
    events.record_event("delivery.stop_refused", delivery, by=by, data={"reason": why[:300]}, order_ref=order.public_id)
    service.open_incident(
        "courier_will_not_stop",
        severity=Severity.CRITICAL,
        title=f"{delivery.courier} will not stop carrying order {order.order_id}: keep it, or pay for two",
        dedupe=outcomes.will_not_stop_key(delivery),
        subject=events.subject_of(delivery),
        order_ref=order.public_id,
        detail={"courier": delivery.courier, "answer": why[:300], "wanted": delivery.courier_job.stop_reason},
    )


def decide_stop(order: Order, delivery: Delivery, choice: str, *, user: User, by: Cause) -> None:
    """Ops' word: KEEP it, or accept DOUBLE_COST. On record with who said so. Raises Conflict when nothing was asked."""
    job = delivery.courier_job if delivery.courier != IN_HOUSE else None
    if job is None or job.stop_refused_at is None:
        raise Conflict("This courier was not asked to stop, or has not refused", code="NOT_REFUSED")
    job.stop_decision, job.stop_decided_by = choice, user
    job.save(update_fields=["stop_decision", "stop_decided_by"])
    events.record_event("delivery.stop_decided", delivery, by=by, data={"choice": choice}, order_ref=order.public_id)
    service.resolve_key(outcomes.will_not_stop_key(delivery), f"{user}: {choice}")
    if choice == DOUBLE_COST:
        end_for_us(order, delivery, "ops accepted double cost", by=by)


def ended_by_ops(order: Order, delivery: Delivery, stage: CourierStage, reason: str, *, by: Cause) -> None:
    """Ops knows how it ended, whatever the courier says or does not say."""
    news = CourierUpdate(courier=delivery.courier, external_id=delivery.external_id, stage=stage, reason=reason)
    history = status_history.add_update(delivery.courier_job.history, news, clock.database_now())
    updates.settle_delivery(order, delivery, history, by=by, columns={"end_reason": reason[:REASON_LENGTH]})
