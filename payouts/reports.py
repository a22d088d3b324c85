"""What this room reports to ops: one open incident per thing that is wrong, closed again by who sees it right."""

from foundation.events import subject_of
from foundation.money import show
from notifications import incidents
from notifications.models import Severity
from payouts.models import LedgerAccount, Payout

STUCK = "payout_stuck"  # attempts fail, more will come
REVIEW = "payout_review"  # nobody knows whether it was sent: a person decides
FAILED = "payout_failed"  # refused, the money is back in `payable`
TWICE = "payout_twice"  # more than one transfer at Stripe
WENT = "payout_went"  # sent, although the books had taken it back
CONTRADICTION = "payout_contradiction"  # its transfer is not what we asked for
BOUNCED = "payout_bounced"  # the payee's bank sent it back to the Stripe balance
SKIPPED = "payout_skipped"  # money is due, but the payee's account cannot take it
WAITS = "payout_waits"  # the platform's balance is too small
UNKNOWN_TRANSFER = "transfer_unknown"


def wrong(payout: Payout, kind: str, title: str, severity: Severity = Severity.WARNING) -> None:
    incidents.open(kind, severity=severity, title=title, dedupe=_key(kind, payout), subject=subject_of(payout))


def right_again(payout: Payout, resolution: str, *kinds: str) -> None:
    for kind in kinds:
        incidents.resolve_key(_key(kind, payout), resolution)


def skipped(account: LedgerAccount, reason: str) -> None:
    title = f"{account.payee_name} is owed {show(account.balance_minor, account.currency)}, but {reason}"
    incidents.open(
        SKIPPED, severity=Severity.WARNING, title=title, dedupe=_key(SKIPPED, account), subject=subject_of(account)
    )


def paid_again(account: LedgerAccount) -> None:
    incidents.resolve_key(_key(SKIPPED, account), "a payout was made")


def no_funds(currency: str) -> None:
    title = f"Payouts in {currency} wait: the platform's balance at Stripe is too small"
    incidents.open(WAITS, severity=Severity.WARNING, title=title, dedupe=f"{WAITS}:{currency}")


def funds_again(currency: str) -> None:
    incidents.resolve_key(f"{WAITS}:{currency}", "transfers go through again")


def _key(kind: str, row: Payout | LedgerAccount) -> str:
    return f"{kind}:{row.pk}"
