"""Payouts at Stripe: one transfer each, whatever crashes, whatever answer is lost (SPEC M4, P7).

Documented at docs.stripe.com/api/transfers. A transfer happens at once or not at all: there is no transfer.paid and no
transfer.failed. The work queue: commit "submitting" → call → record. What guards against paying twice:

* one idempotency key until the answer is known; Stripe forgets keys after a day, so
* every attempt but the first looks the payout's transfer_group up before it sends, and adopts what it finds;
* an answer that says neither yes nor no (time-out, 5xx) is never taken for a no: the key stays, the next attempt looks
  up. Out of tries, the payout goes to review, and a person decides.

"Not enough money" is a no that will change: the payout waits. Stripe remembers that answer under its key for a day,
so the next attempt uses the next key; that is safe because this answer is known.
"""

from django.db import transaction

from foundation import clock, stripe
from foundation.errors import CallFailed, Permanent, Unknown
from foundation.events import Cause, subject_of
from foundation.evidence import EventOutcome
from foundation.work import Backoff, LostLease, Release, WorkState
from foundation.work_queues import CallQueue
from notifications.models import Severity
from payouts.lifecycle import PayoutStatus
from payouts.models import Payout
from payouts.runs import alerts, settlement, stripe_events, transitions
from payouts.runs.stripe_events import TransferEvidence

INSUFFICIENT = "balance_insufficient"
FUNDS_WAIT_S = 900.0  # balance.available usually comes first
DISABLED_WAIT_S = 60.0
STUCK_AFTER = 6  # attempts (some five minutes) after which ops is told that nobody knows yet
SYSTEM = Cause("system", "queue:payouts")


def send_payout(payout: Payout) -> TransferEvidence | None:
    """Put a payout before Stripe; None: there is nothing to send any more (cancelled, or heard of meanwhile)."""
    if not stripe.is_enabled():
        raise Release(DISABLED_WAIT_S, "Stripe is off")
    row, sent_before = _mark_submitted(payout)
    if row is None:
        return None
    try:
        return (_look_up(row) if sent_before else None) or _create_transfer(row)
    except Permanent as refusal:
        if refusal.code != INSUFFICIENT:
            raise
        _wait_for_funds(payout)
        raise Release(FUNDS_WAIT_S, str(refusal)) from refusal
    except CallFailed as error:
        if payout.retry_count == STUCK_AFTER:
            alerts.report_payout(payout, alerts.STUCK, f"{payout} is not settled: {error}")
        raise


def _mark_submitted(payout: Payout) -> tuple[Payout | None, bool]:
    """Commit that it is being submitted, before the call. Also says whether an earlier attempt may have reached Stripe.

    Only the holder of the lease may: another worker may have taken over while this one slept.
    """
    with transaction.atomic():
        row = transitions.lock_payout(payout.pk)
        if row.lease_token != payout.lease_token:
            raise LostLease(str(payout.pk))
        if row.status not in (PayoutStatus.PENDING, PayoutStatus.SUBMITTING):
            return None, False
        sent_before = row.submitted_at is not None
        transitions.change_status(row, PayoutStatus.SUBMITTING, by=SYSTEM, submitted_at=row.submitted_at or clock.now())
        return row, sent_before


def _look_up(payout: Payout) -> TransferEvidence | None:
    """The transfer that an earlier attempt made, if it did. A look-up that fails says nothing about the transfer."""
    try:
        found = stripe.list_transfers(str(payout.public_id), reference=subject_of(payout))
    except Permanent as error:
        raise Unknown(f"look-up refused: {error}", code=error.code) from error
    if len(found) > 1:
        alerts.report_payout(payout, alerts.TWICE, f"{payout} has {len(found)} transfers at Stripe", Severity.CRITICAL)
    return stripe_events.transfer_evidence(found[0]) if found else None


def _create_transfer(payout: Payout) -> TransferEvidence:
    reference = str(payout.public_id)
    answer = stripe.create_transfer(
        amount_minor=payout.amount_minor,
        currency=payout.currency,
        destination=payout.destination,
        transfer_group=reference,
        metadata={stripe_events.PAYOUT: reference, stripe_events.PAYEE: payout.account.payee, "period": payout.period},
        reference=subject_of(payout),
        idempotency_key=payout.idempotency_key,
    )
    return stripe_events.transfer_evidence(answer)


def _wait_for_funds(payout: Payout) -> None:
    """Nothing of it is at Stripe: it waits, and may be cancelled, as if it had never been submitted."""
    with transaction.atomic():
        row = transitions.lock_payout(payout.pk)
        if row.lease_token != payout.lease_token:
            raise LostLease(str(payout.pk))
        why = "not enough money on the platform's balance"
        transitions.change_status(
            row, PayoutStatus.PENDING, by=SYSTEM, why=why, submitted_at=None, refusals=row.refusals + 1
        )
        alerts.report_insufficient_funds(row.currency)


def record_outcome(payout: Payout, sent: TransferEvidence | None) -> str | None:
    """The queue's finishing transaction."""
    if sent is None:
        return None
    if settlement.settle_payout(payout.pk, sent, SYSTEM) != EventOutcome.REFUSED:
        alerts.resolve_insufficient_funds(payout.currency)
        return None
    row = transitions.lock_payout(payout.pk)
    transitions.change_status(
        row, PayoutStatus.REVIEW, by=SYSTEM, why="its transfer at Stripe is not what we asked for"
    )
    return WorkState.DEAD


def on_give_up(payout: Payout, error: Exception) -> str | None:
    """Refused for good: the money goes back to `payable`. Out of tries: nobody knows, a person must look."""
    row = transitions.lock_payout(payout.pk)
    if row.status not in (PayoutStatus.PENDING, PayoutStatus.SUBMITTING):
        return WorkState.DONE
    why = str(error)[:300]
    if isinstance(error, Permanent) and row.status == PayoutStatus.SUBMITTING:
        transitions.change_status(row, PayoutStatus.FAILED, by=SYSTEM, why=why, failure=why)
        alerts.report_payout(row, alerts.FAILED, f"{row} was refused: {why}")
        return WorkState.DONE
    transitions.change_status(row, PayoutStatus.REVIEW, by=SYSTEM, why=why, failure=why)
    alerts.report_payout(row, alerts.REVIEW, f"{row}: nobody knows whether it was sent", Severity.CRITICAL)
    return WorkState.DEAD


QUEUE = CallQueue(
    name="payouts",
    model=Payout,
    call=send_payout,
    apply=record_outcome,
    on_give_up=on_give_up,
    poll_s=0.2,
    lease_s=120,  # longer than a look-up and a transfer may take together
    schedule=Backoff(first_s=5, cap_s=3600, tries=48),  # past the day that Stripe remembers a key, and an answer 500
)
