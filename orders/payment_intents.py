"""Cancelling an unpaid PaymentIntent at Stripe, so that nobody pays for a cancelled order.

Stripe refuses when the customer was faster: then the money arrives as evidence and is refunded by itself (SPEC O8).
"""

import structlog

from foundation import stripe
from foundation.errors import Permanent
from foundation.work import Backoff, WorkState
from foundation.work_queues import CallQueue
from orders.models import IntentCancellation, Order

log = structlog.get_logger(__name__)


def request_cancellation(order: Order) -> None:
    """The order is locked and not paid. One without an intent has nothing to cancel yet: placing asks again."""
    if order.stripe_payment_intent:
        IntentCancellation.objects.get_or_create(order=order)


def _cancel_at_stripe(item: IntentCancellation) -> str:
    order = Order.objects.only("public_id", "stripe_payment_intent").get(pk=item.order_id)
    try:
        answer = stripe.cancel_payment_intent(
            order.stripe_payment_intent,
            reference=f"order:{order.pk}",
            # A refusal is kept under its key, too: another attempt must be able to see another state.
            idempotency_key=f"cancel-{order.public_id}-{item.retry_count}",
        )
    except Permanent as refusal:
        # It succeeded meanwhile, was cancelled before, or is gone. None of these is mended by trying again.
        log.info("intent_not_cancelled", order=order.public_id, reason=str(refusal))
        return WorkState.IGNORED
    return WorkState.DONE if answer.status == "canceled" else WorkState.IGNORED


def _record_cancelled(item: IntentCancellation, state: str) -> str:
    return state


QUEUE = CallQueue(
    name="intents",
    model=IntentCancellation,
    call=_cancel_at_stripe,
    apply=_record_cancelled,
    poll_s=0.2,
    schedule=Backoff(first_s=2, cap_s=600, tries=30),
)
