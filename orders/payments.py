"""What Stripe says about the money of an order (SPEC P1-P4, P8, O8).

Evidence may come late, twice and in any order. A refund proves its payment, so a refund that is seen first books the
payment as well; the payment's own event then finds it there. Refunded amounts are cumulative: the largest stands.
"""

from contextlib import suppress
from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import Sum

from foundation import clock
from foundation.errors import NotFound, Transient
from foundation.events import Cause
from foundation.evidence import EventOutcome
from foundation.money import format_money, is_known_currency
from notifications.incidents import service
from notifications.models import Severity
from orders import acknowledgement, cancellation, locks, notices, refunds, transitions
from orders.evidence import ChargeRefunded, PaymentCanceled, PaymentEvidence, PaymentFailed, PaymentSucceeded
from orders.lifecycle import PAYMENT, PaymentState, PreparationState
from orders.models import Order, Payment
from orders.pos import callbacks

log = structlog.get_logger(__name__)

# A storefront may create a PaymentIntent itself and have it paid before it has placed the order with us.
ORPHAN_WAIT = timedelta(minutes=10)
ORPHAN = "payment_without_order"
MISMATCH = "payment_mismatch"
PAID_TWICE = "paid_twice"
LATE_REFERENCE = "late_payment"
PAYMENT_FAILED = "order.payment_failed"


def apply_payment_event(evidence: PaymentEvidence) -> EventOutcome:
    """Book what Stripe says. Raises Transient while an order for it may still come, and is an incident after that."""
    with transaction.atomic():
        order = _find_order(evidence)
        if order is None:
            return _report_orphan(evidence)
        match evidence:
            case PaymentSucceeded():
                outcome = _apply_succeeded(order, evidence)
            case PaymentFailed():
                outcome = _apply_failed(order, evidence)
            case PaymentCanceled():
                outcome = _apply_canceled(order, evidence)
            case ChargeRefunded():
                outcome = _apply_refunded(order, evidence)
            case _:
                raise TypeError(f"not evidence about a payment: {evidence!r}")
    log.info("payment_evidence", order=order.public_id, what=type(evidence).__name__, outcome=str(outcome))
    return outcome


def _find_order(evidence: PaymentEvidence) -> Order | None:
    """By our id in the metadata first: a webhook can be faster than our own commit of the PaymentIntent's id."""
    if evidence.order_ref:
        with suppress(NotFound):
            return locks.lock_by_public_id(evidence.order_ref)
    return locks.find_by_intent_locked(evidence.intent_id)


def _report_orphan(evidence: PaymentEvidence) -> EventOutcome:
    if not isinstance(evidence, PaymentSucceeded | ChargeRefunded):
        return EventOutcome.IGNORED  # no money moved; placing an order with this intent asks Stripe for its state
    if clock.now() - evidence.occurred_at < ORPHAN_WAIT:
        raise Transient(f"no order has the payment intent {evidence.intent_id} yet")
    service.open_incident(
        ORPHAN,
        severity=Severity.CRITICAL,
        title=f"Money moved for {evidence.intent_id}, which belongs to no order",
        dedupe=f"{ORPHAN}:{evidence.intent_id}",
        detail={"amount_minor": evidence.amount_minor, "currency": evidence.currency, "claims": evidence.order_ref},
    )
    return EventOutcome.REFUSED


# ── paid ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _apply_succeeded(order: Order, evidence: PaymentSucceeded) -> EventOutcome:
    payment = Payment.objects.filter(stripe_payment_intent=evidence.intent_id).first()
    if payment is None:
        called_off = order.preparation in transitions.CALLED_OFF
        if _book_payment(order, evidence) is None:
            return EventOutcome.REFUSED
        if called_off:
            _refund_late_payment(order, evidence.by)
        return EventOutcome.APPLIED
    if payment.paid_at == evidence.occurred_at:
        return EventOutcome.REPEATED
    # It was booked on the word of a refund: its own event knows better when it was paid.
    payment.paid_at = order.paid_at = evidence.occurred_at
    payment.save(update_fields=["paid_at"])
    order.save(update_fields=["paid_at"])
    return EventOutcome.APPLIED


def _book_payment(order: Order, evidence: PaymentSucceeded | ChargeRefunded) -> Payment | None:
    """The payment, and what follows from it. None: it contradicts the order, nothing moves, ops knows."""
    amount_minor = evidence.amount_minor
    if (amount_minor, evidence.currency.upper()) != (order.authorised_minor, order.currency.upper()):
        expected = format_money(order.authorised_minor, order.currency)
        currency = evidence.currency.upper()
        paid = format_money(amount_minor, currency) if is_known_currency(currency) else f"{amount_minor} {currency}"
        title = f"Order {order.order_id} of {expected} was paid with {paid}"
        _report_contradiction(order, MISMATCH, title, evidence)
        return None
    if Payment.objects.filter(order=order).exists():
        _report_contradiction(order, PAID_TWICE, f"Order {order.order_id} was paid a second time", evidence)
        return None
    paid_at = evidence.paid_at if isinstance(evidence, ChargeRefunded) else evidence.occurred_at
    payment = Payment.objects.create(
        order=order,
        stripe_payment_intent=evidence.intent_id,
        stripe_charge=evidence.charge_id,
        amount_minor=amount_minor,
        currency=order.currency,
        paid_at=paid_at,
    )
    order.stripe_payment_intent = evidence.intent_id
    order.payment_error = ""
    order.save(update_fields=["stripe_payment_intent", "payment_error"])
    transitions.advance_axes(order, payment=PaymentState.PAID, by=evidence.by, occurred_at=paid_at)
    if order.preparation not in transitions.CALLED_OFF:
        callbacks.apply_held(order)
        acknowledgement.submit_to_store(order, by=evidence.by)
    return payment


def _refund_late_payment(order: Order, by: Cause) -> None:
    """Money for an order that was called off before it came goes back by itself (SPEC O8)."""
    refunds.request_remaining(order, reference=LATE_REFERENCE, reason="paid after it was cancelled", by=by)


def _report_contradiction(order: Order, kind: str, title: str, evidence: PaymentSucceeded | ChargeRefunded) -> None:
    notices.report_to_ops(
        order,
        kind,
        title,
        severity=Severity.CRITICAL,
        dedupe_suffix=evidence.intent_id,
        intent=evidence.intent_id,
        amount_minor=evidence.amount_minor,
        currency=evidence.currency,
    )


# ── not paid ─────────────────────────────────────────────────────────────────────────────────────────────────────
def _apply_failed(order: Order, evidence: PaymentFailed) -> EventOutcome:
    """Declined: kept and told; the customer may try again. After the money came it is old news."""
    if order.payment != PaymentState.UNPAID or order.preparation in transitions.CALLED_OFF:
        return EventOutcome.STALE
    if locks.has_seen_cause(order, PAYMENT_FAILED, evidence.by):
        return EventOutcome.REPEATED
    earlier = locks.list_events(order, PAYMENT_FAILED).order_by("-occurred_at", "-cause").first()
    if earlier is None or (earlier.occurred_at, earlier.cause) < (evidence.occurred_at, evidence.by.cause):
        order.payment_error = evidence.reason[:300]
    data = {"reason": evidence.reason}
    locks.record_event(order, PAYMENT_FAILED, by=evidence.by, data=data, occurred_at=evidence.occurred_at)
    order.save(update_fields=["payment_error", "version"])
    notices.notify_customer(order, "order.payment_failed", dedupe_suffix=evidence.event_id)
    return EventOutcome.APPLIED


def _apply_canceled(order: Order, evidence: PaymentCanceled) -> EventOutcome:
    """Nobody can pay any more: an unpaid order ends. That of an intent which the order no longer uses says nothing."""
    if order.stripe_payment_intent not in ("", evidence.intent_id):
        return EventOutcome.STALE
    if PAYMENT.has_reached(order.payment, PaymentState.CANCELLED):
        return EventOutcome.REPEATED if order.payment == PaymentState.CANCELLED else EventOutcome.STALE
    called_off = order.preparation in transitions.CALLED_OFF
    reason = evidence.reason or "The payment was cancelled"
    transitions.advance_axes(
        order,
        payment=PaymentState.CANCELLED,
        preparation=PreparationState.CANCELLED,
        by=evidence.by,
        occurred_at=evidence.occurred_at,
        why=reason,
    )
    if not called_off:
        order.cancel_reason = reason[:300]
        order.save(update_fields=["cancel_reason"])
        notices.notify_customer(order, "order.cancelled", reason=reason)
    return EventOutcome.APPLIED


# ── given back ───────────────────────────────────────────────────────────────────────────────────────────────────
def _apply_refunded(order: Order, evidence: ChargeRefunded) -> EventOutcome:
    payment = Payment.objects.filter(stripe_payment_intent=evidence.intent_id).first()
    late = payment is None and order.preparation in transitions.CALLED_OFF
    payment = payment or _book_payment(order, evidence)
    if payment is None:
        return EventOutcome.REFUSED
    if evidence.currency.upper() != payment.currency.upper() or evidence.refunded_minor > payment.amount_minor:
        _report_contradiction(order, MISMATCH, f"A refund does not fit the payment of order {order.order_id}", evidence)
        return EventOutcome.REFUSED
    if evidence.refunded_minor <= payment.refunded_minor:
        return EventOutcome.REPEATED if evidence.refunded_minor == payment.refunded_minor else EventOutcome.STALE
    difference_minor = evidence.refunded_minor - payment.refunded_minor
    payment.refunded_minor = evidence.refunded_minor
    payment.stripe_charge = payment.stripe_charge or evidence.charge_id
    payment.save(update_fields=["refunded_minor", "stripe_charge"])
    _settle_refund(order, evidence, difference_minor)
    if late:
        _refund_late_payment(order, evidence.by)
    return EventOutcome.APPLIED


def _settle_refund(order: Order, evidence: ChargeRefunded, difference_minor: int) -> None:
    total = Payment.objects.filter(order=order).aggregate(sum=Sum("refunded_minor"))["sum"]
    order.refunded_minor = total
    full = total >= order.authorised_minor
    data = {"refunded_minor": total, "difference_minor": difference_minor, "full": full}
    locks.record_event(order, "order.refunded", by=evidence.by, data=data, occurred_at=evidence.occurred_at)
    order.save(update_fields=["refunded_minor", "version"])
    state = PaymentState.REFUNDED if full else PaymentState.PARTLY_REFUNDED
    transitions.advance_axes(order, payment=state, by=evidence.by, occurred_at=evidence.occurred_at)
    notices.notify_customer(
        order, "order.refunded", dedupe_suffix=str(total), amount=format_money(difference_minor, order.currency)
    )
    if full:
        cancellation.cancel_after_refund(order, by=evidence.by)
