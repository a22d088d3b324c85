"""A payout's life: frozen, sent, settled. "Refused" and "nobody knows" end differently (SPEC M4). And that of a courier
company's invoice, with what can be said of each of its lines (SPEC M6)."""

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
# The ledger: in these the money has left `payable`; in the others it is back.
GONE = (_P.PENDING, _P.SUBMITTING, _P.PROCESSING, _P.PAID, _P.REVIEW)


class InvoiceStatus(models.TextChoices):
    """Derived from the lines and the debits (payouts/invoices/matching.py), but for `replaced`, which is for good."""

    IMPORTED = "imported"
    MATCHED = "matched"  # every line is as we expected, or was accepted
    DIFFERING = "differing"
    SETTLED = "settled"  # matched, and the company has taken exactly its total
    REPLACED = "replaced"  # a corrected version was imported


class LineResult(models.TextChoices):
    SAME = "same"
    AMOUNT_DIFFERS = "amount_differs"
    UNKNOWN = "unknown_to_us"
    MISSING = "missing_in_invoice"
    TWICE = "twice"
