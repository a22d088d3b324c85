"""Giving money back (SPEC O7, O8, P4): requests are rows, the work queue `refunds` puts them before Stripe.

Never more than was captured: requests are measured under the order's lock, and Stripe refuses the rest. Never twice:
one row per reason; its id is in the refund's metadata at Stripe, and any attempt but the first looks there before it
sends. What a refund changes (amounts, status, books) follows from Stripe's evidence: orders/payments.py, not here.
"""

from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import F, Sum
from django.db.models.functions import Now

from foundation import clock, stripe
from foundation.errors import CallFailed, Invalid, NotEnabled, Permanent, Unknown
from foundation.events import Cause
from foundation.money import format_money
from foundation.work import OPEN, Backoff, WorkState
from foundation.work_queues import CallQueue
from notifications.models import Severity
from orders import locks, notices
from orders.models import Order, Payment, Refund

log = structlog.get_logger(__name__)

ALREADY_REFUNDED = "charge_already_refunded"
FAILED = "refund_failed"
SYSTEM = Cause("system")


def refundable_minor(order: Order) -> int:
    """What was captured and is neither refunded nor promised by an open request. The order is locked."""
    captured = Payment.objects.filter(order=order).aggregate(sum=Sum("amount_minor"))["sum"] or 0
    mine = Refund.objects.filter(order=order)
    sent = mine.filter(state=WorkState.DONE).aggregate(sum=Sum("amount_minor"))["sum"] or 0
    promised = mine.filter(state__in=OPEN).aggregate(sum=Sum("amount_minor"))["sum"] or 0
    # What we sent shows up in Stripe's evidence a little later: the larger of the two is what is gone.
    return int(captured - max(sent, order.refunded_minor) - promised)


def request_refund(
    order: Order,
    amount_minor: int,
    *,
    reference: str,
    reason: str,
    by: Cause = SYSTEM,
    due_at: datetime | None = None,
    store_part_minor: int | None = None,
) -> Refund:
    """Ask for `amount_minor` to be given back, at once or at `due_at`. The order is locked.

    `reference` names the reason: a second request for the same one is the same refund. `store_part_minor`: how much of
    the store's share goes with it, where that is not in proportion. Raises Invalid for an amount that is not positive
    or above what is left of the captured money.
    """
    existing = Refund.objects.filter(order=order, reference=reference).first()
    if existing and not _was_withdrawn(existing):
        return existing
    left = refundable_minor(order)
    if not 0 < amount_minor <= left:
        raise Invalid(f"must be above zero and at most {format_money(max(left, 0), order.currency)}", field="amount")
    payment = Payment.objects.filter(order=order).latest("paid_at")
    refund = existing or Refund(order=order, reference=reference)
    refund.stripe_payment_intent = payment.stripe_payment_intent
    refund.reason, refund.amount_minor, refund.currency = reason[:300], amount_minor, order.currency
    refund.store_part_minor = store_part_minor
    refund.state, refund.due_at = WorkState.PENDING, due_at or clock.database_now()
    refund.error_message, refund.processed_at = "", None
    refund.save()
    data = {"amount_minor": amount_minor, "reference": reference, "reason": reason}
    locks.record_event(order, "order.refund_requested", by=by, data=data)
    order.save(update_fields=["version"])
    log.info("refund_requested", order=order.public_id, amount_minor=amount_minor, reference=reference)
    return refund


def refund_by_person(order_id: int, amount_minor: int | None, *, by: Cause, reason: str, reference: str) -> Refund:
    """Ops gives money back, `amount_minor` or (None) all that is left. Raises Invalid."""
    with transaction.atomic():
        order = locks.lock_order(order_id)
        amount = refundable_minor(order) if amount_minor is None else amount_minor
        return request_refund(order, amount, reference=reference, reason=reason, by=by)


def request_remaining(
    order: Order,
    *,
    reference: str,
    reason: str,
    by: Cause = SYSTEM,
    keep_minor: int = 0,
    due_at: datetime | None = None,
) -> Refund | None:
    """Everything that is still refundable, but for `keep_minor`; None when that is nothing."""
    amount_minor = refundable_minor(order) - keep_minor
    if amount_minor <= 0:
        return None
    return request_refund(order, amount_minor, reference=reference, reason=reason, by=by, due_at=due_at)


def withdraw_unsent(order: Order, reference: str) -> bool:
    """Take a request back that nobody has begun to send. False: there is none, or it may have reached Stripe."""
    return bool(
        Refund.objects.filter(order=order, reference=reference, state=WorkState.PENDING, retry_count=0).update(
            state=WorkState.DISCARDED, error_message="taken back before it was sent", processed_at=Now()
        )
    )


def _was_withdrawn(refund: Refund) -> bool:
    return refund.state == WorkState.DISCARDED and refund.retry_count == 0


def hurry_refund(order: Order, reference: str) -> Refund | None:
    """A request that waits for its time is due now. None: there is none that waits."""
    waiting = Refund.objects.filter(order=order, reference=reference, state=WorkState.PENDING)
    waiting.filter(due_at__gt=Now()).update(due_at=Now())
    return waiting.first()


def failed_delivery_reference(attempt: int) -> str:
    """The reference of the refund that a failed delivery brings."""
    return f"delivery_failed:{attempt}"


def is_in_progress(order: Order, reference: str) -> bool:
    """Whether the request is being sent, was sent, or waits to be sent again: Stripe may have it."""
    return Refund.objects.filter(order=order, reference=reference).exclude(state=WorkState.DISCARDED).exists()


# ── the work queue ───────────────────────────────────────────────────────────────────────────────────────────────
def _send_refund(refund: Refund) -> stripe.StripeRefund | None:
    """Stripe's refund, made now or by an earlier attempt; None when the charge was refunded in full by other hands."""
    reference = f"refund:{refund.pk}"
    if refund.retry_count > 1:
        for known in stripe.list_refunds(refund.stripe_payment_intent, reference=reference):
            if known.metadata.get("refund") == refund.public_id:
                return known
    order = Order.objects.only("public_id").get(pk=refund.order_id)
    try:
        return stripe.create_refund(
            intent_id=refund.stripe_payment_intent,
            amount_minor=refund.amount_minor,
            metadata={"refund": refund.public_id, "order": order.public_id, "reference": refund.reference},
            reference=reference,
            idempotency_key=f"refund-{refund.public_id}-{refund.key_number}",
        )
    except Unknown as error:
        if error.answer is not None:
            # It was answered (500), so it is over at Stripe: the next attempt looks it up and, if nothing is there,
            # sends it under a fresh key. Without an answer it may still be running: the key stays.
            Refund.objects.filter(pk=refund.pk).update(key_number=F("key_number") + 1)
        raise
    except Permanent as error:
        if error.code == ALREADY_REFUNDED:
            return None
        raise


def _record_sent(refund: Refund, answer: stripe.StripeRefund | None) -> str:
    order = locks.lock_order(refund.order_id)
    if answer is None:
        log.warning("refund_not_needed", order=order.public_id, reference=refund.reference)
        return WorkState.IGNORED
    Refund.objects.filter(pk=refund.pk).update(stripe_refund=answer.id)
    notices.resolve_report(order, FAILED, "Stripe took the refund")
    return WorkState.DONE


def _on_give_up(refund: Refund, error: Exception) -> None:
    """Refused for good, or out of tries: the customer still waits for the money, so ops must act."""
    order = locks.lock_order(refund.order_id)
    known = isinstance(error, CallFailed | NotEnabled)
    notices.report_to_ops(
        order,
        FAILED,
        f"Refund of {format_money(refund.amount_minor, refund.currency)} for order {order.order_id} did not go through",
        severity=Severity.CRITICAL,
        refund=refund.pk,
        reason=refund.reason,
        error=str(error) if known else repr(error),
    )


QUEUE = CallQueue(
    name="refunds",
    model=Refund,
    call=_send_refund,
    apply=_record_sent,
    on_give_up=_on_give_up,
    poll_s=0.1,
    lease_s=90,  # longer than a look-up and a refund may take together
    schedule=Backoff(first_s=2, cap_s=3600, tries=48),  # a day and a half of outage
)
