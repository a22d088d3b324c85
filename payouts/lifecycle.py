"""A payout's life: frozen, sent, settled. "Refused" and "nobody knows" end differently (SPEC M4)."""

from django.db import models

from foundation.lifecycle import LifeCycle


class PayoutStatus(models.TextChoices):
    PENDING = "pending"
    SUBMITTING = "submitting"
    PROCESSING = "processing"
    PAID = "paid"
    FAILED = "failed"
    REVERSED = "reversed"
    CANCELLED = "cancelled"
    REVIEW = "review"


_P = PayoutStatus
# A transfer exists at Stripe. Evidence of one leads here from everywhere, also from where we thought there was none.
SENT = (_P.PROCESSING, _P.PAID, _P.REVERSED)
PAYOUT = LifeCycle(
    PayoutStatus,
    _P.PENDING,
    {
        _P.PENDING: [_P.SUBMITTING, _P.CANCELLED, _P.REVIEW, *SENT],
        _P.SUBMITTING: [_P.PENDING, _P.FAILED, _P.REVIEW, *SENT],
        _P.REVIEW: [_P.SUBMITTING, *SENT],
        _P.PROCESSING: [_P.PAID, _P.REVERSED],
        _P.PAID: [_P.PROCESSING, _P.REVERSED],  # back: the bank returned it to the payee's Stripe balance
        _P.FAILED: SENT,
        _P.CANCELLED: SENT,
        _P.REVERSED: [],
    },
)
# The books: in these the money has left `payable`; in the others it is back.
GONE = (_P.PENDING, _P.SUBMITTING, _P.PROCESSING, _P.PAID, _P.REVIEW)
