"""What this room reports to ops: one open incident per thing that is wrong, closed again by who sees it right."""

from foundation.events import subject_of
from foundation.money import format_money
from notifications.incidents import service
from notifications.incidents.service import Problem
from notifications.models import Severity
from payouts.lifecycle import PayoutStatus
from payouts.models import BankPayout, LedgerAccount, Payout

STUCK = "payout_stuck"  # attempts fail, more will come
REVIEW = "payout_review"  # nobody knows whether it was sent: a person decides
FAILED = "payout_failed"  # refused, the money is back in `payable`
TWICE = "payout_twice"  # more than one transfer at Stripe
WENT = "payout_went"  # sent, although the ledger had taken it back
CONTRADICTION = "payout_contradiction"  # its transfer is not what we asked for
BOUNCED = "payout_bounced"  # the payee's bank sent it back to the Stripe balance
SKIPPED = "payout_skipped"  # money is due, but the payee's account cannot take it
WAITS = "payout_waits"  # the platform's balance is too small
UNKNOWN_TRANSFER = "transfer_unknown"  # money left the platform, and not by a payout of ours
INCOMPLETE = "payout_run_incomplete"


def report_payout(payout: Payout, kind: str, title: str, severity: Severity = Severity.WARNING) -> None:
    service.open_incident(
        kind, severity=severity, title=title, dedupe=_incident_key(kind, payout), subject=subject_of(payout)
    )


def resolve_payout_incidents(payout: Payout, resolution: str, *kinds: str) -> None:
    for kind in kinds:
        service.resolve_key(_incident_key(kind, payout), resolution)


def resolve_refused_payouts(payout: Payout) -> None:
    """It went out: what earlier payouts of the account were refused is in it."""
    refused = Payout.objects.filter(account=payout.account, status=PayoutStatus.FAILED, pk__lt=payout.pk)
    for earlier in refused.order_by("pk"):
        resolve_payout_incidents(earlier, f"its money went out with {payout}", FAILED)


def report_bounced(bank_payout: BankPayout) -> None:
    """Unless a later one is known to have arrived: events come in any order."""
    later = BankPayout.objects.filter(
        stripe_account=bank_payout.stripe_account, made_at__gt=bank_payout.made_at, status=BankPayout.Status.PAID
    )
    if later.exists():
        return
    service.open_incident(
        BOUNCED,
        severity=Severity.WARNING,
        title=f"The bank of {bank_payout.stripe_account} sent a payout back: {bank_payout.failure}",
        dedupe=f"{BOUNCED}:{bank_payout.stripe_payout}",
        subject=subject_of(bank_payout),
    )


def resolve_bounced(bank_payout: BankPayout) -> None:
    """Stripe paid the balance out again, with what came back before."""
    earlier = BankPayout.objects.filter(
        stripe_account=bank_payout.stripe_account, made_at__lte=bank_payout.made_at, status=BankPayout.Status.FAILED
    )
    for payout in earlier.order_by("made_at"):
        service.resolve_key(f"{BOUNCED}:{payout.stripe_payout}", "the money arrived with a later one")


def sync_incomplete_run(period: str, skipped: int) -> None:
    """Accounts that the database did not let us pay; a later run pays them, or finds them as they are."""
    title = f"The payout run of {period} left {skipped} accounts out: the database did not answer in time"
    wrong = [Problem(INCOMPLETE, title, count=skipped)] if skipped else []
    service.sync_incidents(INCOMPLETE, wrong, resolution="a later run left nobody out")


def report_skipped(account: LedgerAccount, reason: str) -> None:
    title = f"{account.payee_name} is owed {format_money(account.balance_minor, account.currency)}, but {reason}"
    service.open_incident(
        SKIPPED,
        severity=Severity.WARNING,
        title=title,
        dedupe=_incident_key(SKIPPED, account),
        subject=subject_of(account),
    )


def resolve_skipped(account: LedgerAccount) -> None:
    service.resolve_key(_incident_key(SKIPPED, account), "a payout was made")


def report_insufficient_funds(currency: str) -> None:
    title = f"Payouts in {currency} wait: the platform's balance at Stripe is too small"
    service.open_incident(WAITS, severity=Severity.WARNING, title=title, dedupe=f"{WAITS}:{currency}")


def resolve_insufficient_funds(currency: str) -> None:
    service.resolve_key(f"{WAITS}:{currency}", "transfers go through again")


def _incident_key(kind: str, row: Payout | LedgerAccount) -> str:
    return f"{kind}:{row.pk}"
