"""Payouts: the daily run over the stores, what people decide about one, and what Stripe tells (SPEC M2, M4, A3, P7).

A run only freezes: a row and its entry, one account at a time, each its own transaction. The work queue sends what is
frozen (payouts/runs/transfers.py). A run that died is simply run again: an account is frozen once per period.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from foundation import events
from foundation.errors import IllegalMove
from foundation.events import Cause
from foundation.evidence import EventOutcome
from foundation.work import WorkState
from payouts.ledger import accounts
from payouts.lifecycle import PayoutStatus
from payouts.models import AccountKind, ConnectAccount, LedgerAccount, PayeeKind, Payout
from payouts.runs import alerts, settlement, transitions
from payouts.runs.stripe_events import BankPayoutEvidence, FundsAvailable, TransferEvidence

log = structlog.get_logger(__name__)


class SkipReason(StrEnum):
    """Why a run passed an account over. The balance stays and carries over to the next run."""

    TAKES_ITSELF = "it takes what it is owed from our balance itself"
    NEGATIVE = "its balance is negative"
    BELOW_MINIMUM = "its balance is below the minimum"
    FROZEN_BEFORE = "it was paid in this period"
    NOT_CONNECTED = "it has no Stripe account"
    NOT_ENABLED = "its Stripe account may not receive payouts"
    FAILED = "freezing it failed: see the log"


ACCOUNT_NOT_READY = (SkipReason.NOT_CONNECTED, SkipReason.NOT_ENABLED)


@dataclass(frozen=True)
class SkippedAccount:
    account: LedgerAccount
    reason: SkipReason


@dataclass
class RunResult:
    """What one run did; `skipped` holds only accounts with a balance."""

    period: str
    frozen: list[Payout] = field(default_factory=list)
    skipped: list[SkippedAccount] = field(default_factory=list)


# ── the run ──────────────────────────────────────────────────────────────────────────────────────────────────────
def run_stores(period: date, *, by: Cause | None = None) -> RunResult:
    """Freeze what every store is owed (SPEC M2), once per account and `period`."""
    due = LedgerAccount.objects.filter(payee_kind=PayeeKind.STORE, kind=AccountKind.PAYABLE).exclude(balance_minor=0)
    run = _run(due.order_by("pk").values_list("pk", flat=True), period.isoformat(), by or Cause("clock", "pay_stores"))
    alerts.sync_incomplete_run(run.period, sum(one.reason == SkipReason.FAILED for one in run.skipped))
    log.info("stores_paid", period=run.period, frozen=len(run.frozen), skipped=len(run.skipped))
    return run


def _run(account_ids: Iterable[int], period: str, by: Cause) -> RunResult:
    run = RunResult(period)
    for account_id in list(account_ids):
        try:
            outcome = freeze_account(account_id, period, by=by)
        except Exception:  # a lock that is held for long, a bad row: one account must not cost the others theirs
            log.exception("payout_not_frozen", account=account_id, period=period)
            outcome = SkippedAccount(LedgerAccount.objects.get(pk=account_id), SkipReason.FAILED)
        if isinstance(outcome, Payout):
            run.frozen.append(outcome)
        else:
            run.skipped.append(outcome)
    return run


def freeze_account(account_id: int, period: str, *, by: Cause) -> Payout | SkippedAccount:
    """A payout of one account's whole balance, or why not."""
    with transaction.atomic():
        account = accounts.lock_account(account_id)
        connection = ConnectAccount.objects.filter(payee_kind=account.payee_kind, payee_id=account.payee_id).first()
        reason = find_obstacle(account, connection)
        if reason is None and Payout.objects.filter(account=account, period=period).exists():
            reason = SkipReason.FROZEN_BEFORE
        if reason in ACCOUNT_NOT_READY:
            alerts.report_skipped(account, reason)
        if reason is not None or connection is None:
            return SkippedAccount(account, reason or SkipReason.NOT_CONNECTED)
        payout = transitions.freeze_payout(account, period=period, destination=connection.stripe_account, by=by)
        alerts.resolve_skipped(account)
        return payout


def find_obstacle(account: LedgerAccount, connection: ConnectAccount | None) -> SkipReason | None:
    """What stands between a `payable` account and its payout; None: nothing."""
    if account.payee_kind == PayeeKind.PROVIDER:
        return SkipReason.TAKES_ITSELF
    if account.balance_minor < 0:
        return SkipReason.NEGATIVE
    if account.balance_minor < settings.MIN_PAYOUT_MINOR:
        return SkipReason.BELOW_MINIMUM
    if connection is None or not connection.stripe_account:
        return SkipReason.NOT_CONNECTED
    return None if connection.payouts_enabled else SkipReason.NOT_ENABLED


# ── what Stripe tells ────────────────────────────────────────────────────────────────────────────────────────────
def apply_stripe_event(evidence: TransferEvidence | BankPayoutEvidence | FundsAvailable) -> EventOutcome:
    by = Cause("stripe", f"webhook:stripe:{evidence.event_id}")
    with transaction.atomic():
        if isinstance(evidence, TransferEvidence):
            return settlement.apply_transfer(evidence, by)
        if isinstance(evidence, BankPayoutEvidence):
            return settlement.apply_bank_payout(evidence, by)
        return settlement.apply_available_funds(evidence)


# ── what people decide ───────────────────────────────────────────────────────────────────────────────────────────
def approve_payout(payout: Payout, by: Cause, reason: str) -> None:
    """Somebody looked at Stripe and lets a payout in review go on: with all its tries, and a look-up first."""
    with transaction.atomic():
        row = transitions.lock_payout(payout.pk)
        if row.status != PayoutStatus.REVIEW:
            raise IllegalMove(f"Only a payout in review can be approved, this one is {row.status}")
        transitions.change_status(
            row, PayoutStatus.SUBMITTING, by=by, why=reason, approved_by_id=by.user_id, failure=""
        )
        _make_due(row)
        alerts.resolve_payout_incidents(row, f"approved: {reason}", alerts.REVIEW)


def retry_payout(payout: Payout, by: Cause, reason: str) -> None:
    """Do not wait for the next try. Raises IllegalMove for a payout that has none."""
    with transaction.atomic():
        row = transitions.lock_payout(payout.pk)
        if row.status not in (PayoutStatus.PENDING, PayoutStatus.SUBMITTING):
            raise IllegalMove(f"Nothing to retry: the payout is {row.status}")
        if row.state == WorkState.LEASED:
            raise IllegalMove("The payout is being sent right now")
        _make_due(row)
        events.record_event("payout.retried", row, by=by, data={"status": row.status, "why": reason})


def cancel_payout(payout: Payout, by: Cause, reason: str) -> None:
    """The money goes back to `payable`. Only while nothing of it can be at Stripe: later than that it is a reversal."""
    with transaction.atomic():
        row = transitions.lock_payout(payout.pk)
        if row.status != PayoutStatus.PENDING:
            raise IllegalMove(f"Only a pending payout can be cancelled, this one is {row.status}")
        transitions.change_status(row, PayoutStatus.CANCELLED, by=by, why=reason)


def _make_due(row: Payout) -> None:
    Payout.objects.filter(pk=row.pk).update(
        state=WorkState.PENDING, due_at=Now(), retry_count=0, processed_at=None, error_message=""
    )
