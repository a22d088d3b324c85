"""The work queue `couriers`: what we want of courier companies, called and written down (SPEC C2, C4, C8).

A call is made outside any transaction, with the same ids on every try; its outcome is recorded in the transaction that
finishes the row. Refused and unknown differ: an unknown create is tried again with the same ids, which no
company takes for a second job.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef

from deliveries import locks as deliveries_locks
from deliveries import search_queue
from deliveries.couriers import (
    cancellation,
    circuit_breaker,
    enqueue,
    outcomes,
    providers,
    shipment,
    status_history,
    updates,
)
from deliveries.couriers.providers.base import (
    CallAttempt,
    CancellationResult,
    CannotCancel,
    CourierProvider,
    JobReference,
    LookupUnsupported,
    Quote,
)
from deliveries.couriers.providers.status_update import CourierUpdate
from deliveries.lifecycle import LIVE, DeliveryStatus
from deliveries.models import CourierCall, CourierQuote, Delivery, Track
from foundation import clock, events, jobs
from foundation.errors import CallFailed, Permanent, Transient, Unknown
from foundation.events import Cause
from foundation.work import Backoff, LostLease, Release, WorkState
from foundation.work_queues import CallQueue
from orders import locks as orders_locks
from orders.models import Order

COURIER_TIME_IS_UP = jobs.handler_name("deliveries.courier_time_is_up")

log = structlog.get_logger(__name__)

Purpose = CourierCall.Purpose
GIVE_UP_S = 300.0  # after the first try that failed (the contract's clock)
EVERY_S = 30.0  # between tries once the quick ones are used up
LAST_TRY_S = 5.0  # before the five minutes are over, one more: whoever is back by then carries it
QUOTE_TRIES = 2
PATIENT = Backoff(first_s=2, cap_s=30, tries=40)  # looking up and cancelling
DEPLOY_WAIT_S = 5.0
CREATED_WAIT_S = 1.0  # until a create that is under way has said what the job is called


@dataclass(frozen=True)
class CallNotWanted:
    """The world moved on before the call was made."""

    why: str


Answer = Quote | CourierUpdate | CancellationResult | CallNotWanted


def cause_of(call: CourierCall) -> Cause:
    return Cause("system", f"courier_call:{call.pk}")


# ── calling ──────────────────────────────────────────────────────────────────────────────────────────────────────
def make_call(call: CourierCall) -> Answer:
    """Make the call. Raises Permanent, Transient or Unknown."""
    try:
        provider = providers.find_provider(call.courier)
    except KeyError:
        raise Release(DEPLOY_WAIT_S, f"{call.courier} is unknown to this process") from None
    delivery = Delivery.objects.select_related("order__store__recipient", "order__customer").get(pk=call.delivery_id)
    if why := _not_wanted(call, delivery):
        return CallNotWanted(why)
    attempt = CallAttempt(call.request_id, events.subject_of(delivery), call.retry_count)
    try:
        answer = _send_call(provider, call, delivery, attempt)
    except CallFailed as error:
        _note_failure(call, error)
        raise
    circuit_breaker.record_success(call.courier)
    return answer


def _send_call(provider: CourierProvider, call: CourierCall, delivery: Delivery, attempt: CallAttempt) -> Answer:
    if call.purpose == Purpose.QUOTE:  # before a company is chosen there is no job
        return provider.request_quote(shipment.build_shipment(delivery), attempt)
    job = delivery.courier_job
    handle = JobReference(delivery.external_id, job.reference)
    if call.purpose == Purpose.CANCEL and not job.reference and _is_being_created(delivery):
        raise Release(CREATED_WAIT_S, "its create is under way: what it is called will be known")
    if call.purpose == Purpose.CREATE:
        return provider.create_job(shipment.build_shipment(delivery), job.quote.reference if job.quote else "", attempt)
    if call.purpose == Purpose.CHECK:
        return provider.get(handle, attempt)
    return provider.cancel_job(handle, call.reason, attempt)


def _is_being_created(delivery: Delivery) -> bool:
    return CourierCall.objects.filter(delivery=delivery, purpose=Purpose.CREATE, state=WorkState.LEASED).exists()


def _not_wanted(call: CourierCall, delivery: Delivery) -> str:
    if call.purpose == Purpose.QUOTE and delivery.status != DeliveryStatus.SEARCHING:
        return "the search is over"
    if call.purpose == Purpose.CREATE and (delivery.status not in LIVE or delivery.courier_job.reference):
        return "nobody is to be sent any more, or it is known there"
    if call.purpose == Purpose.CREATE and delivery.courier_job.stop_requested_at is not None and not call.maybe_sent:
        return "nobody is to be sent any more"  # one that may be there is found by its create alone, and then stopped
    if call.purpose == Purpose.CANCEL and status_history.final_stage(delivery.courier_job.history) is not None:
        return "it has ended"
    return ""


def _note_failure(call: CourierCall, error: CallFailed) -> None:
    """What the failed try means for the breaker, and for the contract's five minutes."""
    if isinstance(error, LookupUnsupported):
        return
    if isinstance(error, Transient | Unknown):
        circuit_breaker.record_failure(call.courier, str(error))
    else:
        circuit_breaker.record_success(call.courier)
    if isinstance(error, Unknown):
        CourierCall.objects.filter(pk=call.pk).update(maybe_sent=True)
    if call.first_failed_at is None:
        call.first_failed_at = clock.database_now()
        CourierCall.objects.filter(pk=call.pk).update(first_failed_at=call.first_failed_at)
        if call.purpose == Purpose.CREATE and not isinstance(error, Permanent):
            give_up_at = call.first_failed_at + timedelta(seconds=GIVE_UP_S)
            subject = events.subject_key("delivery", call.delivery_id)
            jobs.enqueue_job(COURIER_TIME_IS_UP, subject, due_at=give_up_at)


# ── writing down ─────────────────────────────────────────────────────────────────────────────────────────────────
def record_answer(call: CourierCall, answer: Answer) -> WorkState:
    """What the answer means, in the transaction that finishes the row."""
    if isinstance(answer, CallNotWanted):
        CourierCall.objects.filter(pk=call.pk).update(reason=answer.why[:300])
        return WorkState.IGNORED
    order, delivery = _lock_call(call)
    if isinstance(answer, Quote):
        _keep_quote(delivery, call.courier, CourierQuote.Outcome.OK, quote=answer)
    elif isinstance(answer, CancellationResult):
        cancellation.confirm_stop(order, delivery, answer.fee_minor, answer.currency, by=cause_of(call))
    else:
        news = replace(answer, external_id=delivery.external_id, cause=cause_of(call).cause, is_hint=False)
        updates.apply_to_delivery(order, delivery, news)
        if call.purpose == Purpose.CREATE:
            _came_late(order, delivery)
        else:
            outcomes.clear_awaited_proof(order)
    return WorkState.DONE


def _came_late(order: Order, delivery: Delivery) -> None:
    """The answer of a request that was given up, or called off, meanwhile."""
    if delivery.status not in LIVE and status_history.final_stage(delivery.courier_job.history) is None:
        enqueue.enqueue_call(delivery, Purpose.CANCEL, "it came too late")
    elif delivery.courier_job.stop_requested_at is not None:
        enqueue.enqueue_call(delivery, Purpose.CANCEL, delivery.courier_job.stop_reason)


def give_up(call: CourierCall, error: Exception) -> WorkState:
    """The company refused, or the tries are used up."""
    order, delivery = _lock_call(call)
    reason = str(error)[:300]
    CourierCall.objects.filter(pk=call.pk).update(error_message=reason)
    if call.purpose == Purpose.QUOTE:
        refused = isinstance(error, Permanent)
        outcome = CourierQuote.Outcome.REFUSED if refused else CourierQuote.Outcome.SILENT
        _keep_quote(delivery, call.courier, outcome, reason=reason)
    elif call.purpose == Purpose.CREATE:
        _not_created(order, delivery, call, reason)
    elif call.purpose == Purpose.CHECK:
        outcomes.clear_awaited_proof(order)
    else:
        return _not_cancelled(order, delivery, call, error)
    return WorkState.IGNORED


def _not_created(order: Order, delivery: Delivery, call: CourierCall, reason: str) -> None:
    if delivery.status == DeliveryStatus.REQUESTED:
        cancellation.end_for_us(order, delivery, f"{call.courier} refused: {reason}", by=cause_of(call))


def _not_cancelled(order: Order, delivery: Delivery, call: CourierCall, error: Exception) -> WorkState:
    if isinstance(error, CannotCancel):
        cancellation.record_refusal(order, delivery, str(error), by=cause_of(call))
    elif isinstance(error, LookupUnsupported | Permanent) and _may_be_known_now(delivery, error):
        CourierCall.objects.filter(pk=call.pk).update(due_at=clock.database_now() + timedelta(seconds=CREATED_WAIT_S))
        return WorkState.PENDING
    elif isinstance(error, LookupUnsupported):
        _let_lapse(order, delivery, call)
    elif isinstance(error, Permanent):  # it knows no such job: nothing to cancel
        cancellation.confirm_stop(order, delivery, None, "", by=cause_of(call))
    else:
        cancellation.record_refusal(order, delivery, f"no answer: {error}", by=cause_of(call))
    return WorkState.IGNORED


def _may_be_known_now(delivery: Delivery, error: Exception) -> bool:
    """Its create is under way, or was answered while the company told us that it does not know it by our id."""
    return _is_being_created(delivery) or (
        isinstance(error, LookupUnsupported) and bool(delivery.courier_job.reference)
    )


def _let_lapse(order: Order, delivery: Delivery, call: CourierCall) -> None:
    """It is known by our id alone, which this company cannot look up: the create that is still tried settles it, or
    the end of its five minutes (deliveries.courier_time_is_up)."""
    if delivery.status not in LIVE:
        return
    created = CourierCall.objects.filter(delivery=delivery, purpose=Purpose.CREATE).order_by("-pk").first()
    if created is None or not created.maybe_sent:
        cancellation.end_for_us(order, delivery, delivery.courier_job.stop_reason, by=cause_of(call))


def _keep_quote(
    delivery: Delivery,
    courier: str,
    outcome: CourierQuote.Outcome,
    *,
    quote: Quote | None = None,
    reason: str = "",
) -> None:
    said = (
        {}
        if quote is None
        else {
            "fee_minor": quote.fee_minor,
            "currency": quote.currency,
            "arrival_at": quote.arrival_at,
            "expires_at": quote.expires_at,
            "reference": quote.reference,
        }
    )
    CourierQuote.objects.create(delivery=delivery, courier=courier, outcome=outcome, reason=reason, **said)
    search_queue.wake_search(delivery)


def _lock_call(call: CourierCall) -> tuple[Order, Delivery]:
    order = orders_locks.lock_order(Delivery.objects.values_list("order_id", flat=True).get(pk=call.delivery_id))
    return order, deliveries_locks.lock_delivery(call.delivery_id)


# ── the work queue ───────────────────────────────────────────────────────────────────────────────────────────────
def delay_s(call: CourierCall, now: datetime) -> float | None:
    """How long to wait after a failed try; None: no more tries."""
    if call.purpose == Purpose.QUOTE:
        return 0.5 if call.retry_count < QUOTE_TRIES else None
    if call.purpose != Purpose.CREATE:
        return PATIENT.delay_s(call.retry_count)
    quick = providers.find_provider(call.courier).create_retries.delay_s(call.retry_count)
    wait_s = EVERY_S if quick is None else quick
    left_s = GIVE_UP_S - (now - (call.first_failed_at or now)).total_seconds()
    if left_s <= LAST_TRY_S:
        return max(left_s, 0.0) + EVERY_S  # courier_time_is_up comes first
    return min(wait_s, left_s - LAST_TRY_S)


class CourierCallQueue(CallQueue):
    """Its retries follow the contracts, which differ by what is asked (`delay_s`)."""

    def record_failure(self, item: Any, error: Exception) -> None:
        if isinstance(error, LostLease | Release) or not isinstance(error, CallFailed):
            super().record_failure(item, error)
            return
        refused = isinstance(error, Permanent | LookupUnsupported)
        wait_s = None if refused else delay_s(item, clock.database_now())
        if wait_s is None:
            self.give_up(item, error)
        else:
            item.retry_in(wait_s, repr(error))
        log.info("courier_call_failed", call=item.pk, courier=item.courier, purpose=item.purpose, error=repr(error))


QUEUE = CourierCallQueue(
    name="couriers",
    model=CourierCall,
    call=make_call,
    apply=record_answer,
    on_give_up=give_up,
    batch=32,
    threads=8,
    lease_s=150.0,  # four times 30 s: a batch is four times the threads
    schedule=PATIENT,
)


# ── deadlines and sweeps ─────────────────────────────────────────────────────────────────────────────────────────
def time_is_up(delivery_id: int) -> None:
    """Five minutes after the first failed create (reaction `courier_time_is_up`)."""
    cause = Cause("clock", "job:deliveries.courier_time_is_up")
    with transaction.atomic():
        order = orders_locks.lock_order(Delivery.objects.values_list("order_id", flat=True).get(pk=delivery_id))
        delivery = deliveries_locks.lock_delivery(delivery_id)
        cancellation.give_up(order, delivery, by=cause)


def poll_silent(*, silent_s: float, limit: int = 200) -> int:
    """Ask how jobs stand that were not heard of for so long (SPEC C5). Returns how many are asked about."""
    before = clock.database_now() - timedelta(seconds=silent_s)
    silent = Delivery.objects.filter(
        status__in=LIVE, courier_job__last_heard_at__lt=before, courier_job__stop_decision=""
    )
    seen = Track.objects.filter(delivery=OuterRef("pk"), received_at__gte=before)
    silent = silent.exclude(courier_job__reference="").exclude(Exists(seen))
    silent = silent.order_by("courier_job__last_heard_at")[:limit]
    for delivery in silent:
        enqueue.enqueue_call(delivery, Purpose.CHECK, "silent")
    return len(silent)
