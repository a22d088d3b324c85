"""What became of a payout, as Stripe tells: by event, by answer or by look-up, in any order, any number of times (P7).

A transfer moved the amount to the payee's Stripe balance (`processing`), and may be taken back in parts or whole
(`reversed`). Stripe then pays a balance out to the bank when it likes, several of our payouts at once: a payout is
`paid` once such a bank payout, made after its transfer, has arrived. When the bank sends one back, the money lies on
the payee's Stripe balance again: `processing`, until the next one arrives. The ledger move by transfers alone.

Transfers and bank payouts are told apart and in any order; both take the payee's ConnectAccount lock first, so that
neither misses the other. Locks: ConnectAccount, Payout, LedgerAccount.
"""

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from foundation.events import Cause
from foundation.evidence import EventOutcome
from foundation.work import WorkState
from notifications.incidents import service
from notifications.models import Severity
from payouts.lifecycle import GONE, SENT, PayoutStatus
from payouts.models import BankPayout, ConnectAccount, Payout
from payouts.runs import alerts, stripe_events, transitions
from payouts.runs.stripe_events import BankPayoutEvidence, FundsAvailable, TransferEvidence

# A bank payout may fail after it was said to be paid, never the other way round.
_STATUS_ORDER = {BankPayout.Status.UNDER_WAY: 0, BankPayout.Status.PAID: 1, BankPayout.Status.FAILED: 2}


# ── transfers ────────────────────────────────────────────────────────────────────────────────────────────────────
def apply_transfer(evidence: TransferEvidence, by: Cause) -> EventOutcome:
    """Also when our own call's answer was lost: the transfer says which payout it is."""
    known = Q(stripe_transfer=evidence.transfer_id)
    if public_id := stripe_events.as_uuid(evidence.reference):
        known |= Q(public_id=public_id)
    payout_id = Payout.objects.filter(known).values_list("pk", flat=True).first()
    if payout_id is not None:
        return settle_payout(payout_id, evidence, by)
    service.open_incident(
        alerts.UNKNOWN_TRANSFER,
        severity=Severity.CRITICAL,
        title=f"Stripe made a transfer that is no payout of ours: {evidence.transfer_id}",
        dedupe=f"transfer:{evidence.transfer_id}",
        detail={
            "destination": evidence.destination,
            "amount_minor": evidence.amount_minor,
            "currency": evidence.currency,
        },
    )
    return EventOutcome.REFUSED


def settle_payout(payout_id: int, evidence: TransferEvidence, by: Cause) -> EventOutcome:
    """Make the payout agree with what is true of its transfer. Needs a transaction."""
    _lock_payee(payout_id)
    payout = transitions.lock_payout(payout_id)
    if wrong := _find_contradiction(payout, evidence):
        alerts.report_payout(payout, alerts.CONTRADICTION, f"{payout}: {wrong}", Severity.CRITICAL)
        return EventOutcome.REFUSED
    if payout.status not in (*GONE, *SENT):
        alerts.report_payout(
            payout, alerts.WENT, f"{payout} was {payout.status}, but Stripe sent it", Severity.CRITICAL
        )
    returned_minor = max(payout.returned_minor, evidence.reversed_minor)
    applied = transitions.change_status(
        payout,
        _status_from(payout, evidence, returned_minor),
        by=by,
        stripe_transfer=evidence.transfer_id,
        transferred_at=evidence.made_at,
        returned_minor=returned_minor,
    )
    if payout.state == WorkState.DEAD:  # it was in review: there is nothing left to do
        Payout.objects.filter(pk=payout.pk).update(state=WorkState.DONE, processed_at=Now())
    if applied:
        alerts.resolve_payout_incidents(payout, "its transfer is known", alerts.STUCK, alerts.REVIEW)
        alerts.resolve_refused_payouts(payout)
    return EventOutcome.APPLIED if applied else EventOutcome.REPEATED


def _lock_payee(payout_id: int) -> None:
    account = Payout.objects.select_related("account").get(pk=payout_id).account
    same = ConnectAccount.objects.filter(payee_kind=account.payee_kind, payee_id=account.payee_id)
    same.select_for_update(no_key=True).first()


def _find_contradiction(payout: Payout, evidence: TransferEvidence) -> str:
    if payout.stripe_transfer and payout.stripe_transfer != evidence.transfer_id:
        return f"Stripe made a second transfer {evidence.transfer_id} beside {payout.stripe_transfer}"
    asked = (payout.amount_minor, payout.currency, payout.destination)
    if asked != (evidence.amount_minor, evidence.currency, evidence.destination):
        return (
            f"transfer {evidence.transfer_id} is {evidence.amount_minor} {evidence.currency} to {evidence.destination}"
        )
    return ""


def _status_from(payout: Payout, evidence: TransferEvidence, returned_minor: int) -> PayoutStatus:
    if returned_minor == payout.amount_minor:
        return PayoutStatus.REVERSED
    arrived = _arrived_bank_payouts().filter(
        stripe_account=payout.destination, currency=payout.currency, made_at__gte=evidence.made_at
    )
    return PayoutStatus.PAID if arrived.exists() else PayoutStatus.PROCESSING


def _arrived_bank_payouts() -> QuerySet[BankPayout]:
    return BankPayout.objects.filter(status=BankPayout.Status.PAID)


# ── bank payouts ─────────────────────────────────────────────────────────────────────────────────────────────────
def apply_bank_payout(evidence: BankPayoutEvidence, by: Cause) -> EventOutcome:
    """A connected account's balance went to its bank, arrived there, or came back."""
    theirs = Q(stripe_account=evidence.account_id) | Q(former_account=evidence.account_id)
    if ConnectAccount.objects.filter(theirs).order_by("pk").select_for_update(no_key=True).first() is None:
        return EventOutcome.IGNORED
    bank_payout = _store_bank_payout(evidence)
    if bank_payout is None:
        return EventOutcome.REPEATED
    for payout_id, arrived in _payouts_to_correct(evidence):
        payout = transitions.lock_payout(payout_id)
        why = "the bank payout arrived" if arrived else f"the bank sent it back: {evidence.failure}"
        transitions.change_status(payout, PayoutStatus.PAID if arrived else PayoutStatus.PROCESSING, by=by, why=why)
    if evidence.status == BankPayout.Status.FAILED:
        alerts.report_bounced(bank_payout)
    elif evidence.status == BankPayout.Status.PAID:
        alerts.resolve_bounced(bank_payout)
    return EventOutcome.APPLIED


def _store_bank_payout(evidence: BankPayoutEvidence) -> BankPayout | None:
    """Write down how far it got; None: nothing new."""
    BankPayout.objects.bulk_create(
        [
            BankPayout(
                stripe_payout=evidence.payout_id,
                stripe_account=evidence.account_id,
                amount_minor=evidence.amount_minor,
                currency=evidence.currency,
                made_at=evidence.made_at,
            )
        ],
        ignore_conflicts=True,
    )
    row = BankPayout.objects.get(stripe_payout=evidence.payout_id)
    if _STATUS_ORDER[evidence.status] <= _STATUS_ORDER[BankPayout.Status(row.status)]:
        return None
    row.status, row.failure = evidence.status, evidence.failure[:300]
    row.save(update_fields=["status", "failure"])
    return row


def _payouts_to_correct(evidence: BankPayoutEvidence) -> list[tuple[int, bool]]:
    """Payouts to this account whose status disagrees with the bank payouts known now: (id, whether it arrived)."""
    arrived = Exists(
        _arrived_bank_payouts().filter(
            stripe_account=OuterRef("destination"),
            currency=OuterRef("currency"),
            made_at__gte=OuterRef("transferred_at"),
        )
    )
    mine = Payout.objects.filter(
        destination=evidence.account_id, currency=evidence.currency, transferred_at__lte=evidence.made_at
    ).annotate(arrived=arrived)
    wrong = Q(status=PayoutStatus.PROCESSING, arrived=True) | Q(status=PayoutStatus.PAID, arrived=False)
    return list(mine.filter(wrong).order_by("pk").values_list("pk", "arrived"))


# ── funds ────────────────────────────────────────────────────────────────────────────────────────────────────────
def apply_available_funds(evidence: FundsAvailable) -> EventOutcome:
    """The platform's balance grew: what waits for it is due now."""
    waiting = Payout.objects.filter(
        status=PayoutStatus.PENDING,
        state=WorkState.PENDING,
        refusals__gt=0,
        currency__in=[currency for currency, amount in evidence.available.items() if amount > 0],
    )
    return EventOutcome.APPLIED if waiting.update(due_at=Now()) else EventOutcome.REPEATED
