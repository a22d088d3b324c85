"""Accounts of payees at Stripe Connect (SPEC P5, P6, P8), stores and riders alike.

Documented at docs.stripe.com/connect/accounts. Which account is whose is said by our metadata (`payee`: "store:4"), so
that an event that is faster than our own commit, or follows a lost answer, finds its payee.

Events come in any order: the newest account.updated stands (by Stripe's time; within one second the one that allows
more, then the larger event id, so that any order ends the same). A disconnected account stays so until something newer
about it comes, or another account takes its place.
"""

from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from foundation import events, stripe
from foundation.events import Cause
from foundation.evidence import EventOutcome
from notifications.outbox import enqueue
from orders.models import Store
from orders.stores import stores
from payouts.models import ConnectAccount, PayeeKind
from payouts.runs import stripe_events
from payouts.runs.stripe_events import AccountDeauthorized, AccountUpdated

STRIPE_VERIFIED = "store.stripe_verified"  # on the wire: chef:stripe_verified
DISCONNECTED = "store.stripe_disconnected"


def open_account(payee_kind: PayeeKind, payee_id: int, *, email: str, country: str) -> ConnectAccount:
    """The payee's account at Stripe, opened if there is none: three resumable steps, so call it again after a failure.

    Raises NotEnabled, Permanent, Transient or Unknown. Until Stripe says more, the account may do nothing.
    """
    row, _ = ConnectAccount.objects.get_or_create(payee_kind=payee_kind, payee_id=payee_id)
    if row.stripe_account:
        return row
    account_id = stripe.create_account(
        email=email,
        country=country,
        metadata={stripe_events.PAYEE: row.payee},
        idempotency_key=f"account-{row.payee}-{row.generation}",
    )
    with transaction.atomic():
        row = ConnectAccount.objects.select_for_update(no_key=True, of=("self",)).get(pk=row.pk)
        if not row.stripe_account:  # otherwise its first event was faster
            _attach_account(row, account_id)
    return row


def apply_account_event(evidence: AccountUpdated | AccountDeauthorized) -> EventOutcome:
    by = Cause("stripe", f"webhook:stripe:{evidence.event_id}")
    with transaction.atomic():
        row = _find_account(evidence)
        if row is None:
            return EventOutcome.IGNORED
        return (
            _apply_update(row, evidence, by)
            if isinstance(evidence, AccountUpdated)
            else _apply_deauthorization(row, evidence, by)
        )


def _find_account(evidence: AccountUpdated | AccountDeauthorized) -> ConnectAccount | None:
    """The row that the account belongs to, locked: by its id, else by our metadata."""
    known = Q(stripe_account=evidence.account_id) | Q(former_account=evidence.account_id)
    rows = ConnectAccount.objects.order_by("pk").select_for_update(no_key=True, of=("self",))
    found = rows.filter(known).first()
    if found is None and isinstance(evidence, AccountUpdated):
        kind, _, number = evidence.payee.partition(":")
        if number.isdecimal():
            found = rows.filter(payee_kind=kind, payee_id=int(number)).first()
    return found


def _apply_update(row: ConnectAccount, evidence: AccountUpdated, by: Cause) -> EventOutcome:
    if _is_overtaken(row, evidence):
        return EventOutcome.STALE
    if row.newest == evidence.event_id and row.stripe_account == evidence.account_id:
        return EventOutcome.REPEATED
    if row.stripe_account != evidence.account_id:
        _attach_account(row, evidence.account_id)
    newer = row.updated_at is None or _rank_of_event(evidence) > _rank_of_row(row)
    if newer:
        row.charges_enabled, row.payouts_enabled = evidence.charges_enabled, evidence.payouts_enabled
        row.requirements, row.updated_at, row.newest = (
            dict(evidence.requirements),
            evidence.occurred_at,
            evidence.event_id,
        )
        row.save(update_fields=["charges_enabled", "payouts_enabled", "requirements", "updated_at", "newest"])
    if evidence.charges_enabled and evidence.payouts_enabled:  # also when it is older: it was fully onboarded then
        _welcome_payee(row, by)
    return EventOutcome.APPLIED if newer else EventOutcome.STALE


def _is_overtaken(row: ConnectAccount, evidence: AccountUpdated) -> bool:
    """Whether it is about an account that was disconnected since, or that another one has replaced."""
    if row.stripe_account:
        return row.stripe_account != evidence.account_id
    if row.former_account != evidence.account_id or row.deauthorized_at is None:
        return False
    return evidence.occurred_at <= row.deauthorized_at


def _rank_of_event(evidence: AccountUpdated) -> tuple[Any, ...]:
    return evidence.occurred_at, evidence.charges_enabled + evidence.payouts_enabled, evidence.event_id


def _rank_of_row(row: ConnectAccount) -> tuple[Any, ...]:
    return row.updated_at, row.charges_enabled + row.payouts_enabled, row.newest


def _attach_account(row: ConnectAccount, account_id: str) -> None:
    """From now on this is the payee's account; of it we know nothing yet."""
    row.stripe_account, row.charges_enabled, row.payouts_enabled, row.updated_at = account_id, False, False, None
    row.save(update_fields=["stripe_account", "charges_enabled", "payouts_enabled", "updated_at"])


def _welcome_payee(row: ConnectAccount, by: Cause) -> None:
    """Once per connection: say welcome, and take orders again if the disconnection had ended that."""
    if row.welcomed_at is not None:
        return
    ConnectAccount.objects.filter(pk=row.pk).update(welcomed_at=Now())
    events.record_event(STRIPE_VERIFIED, row, by=by, data={"payee": row.payee})
    if store := _find_store(row):
        again = f"{row.pk}:{row.generation}"
        enqueue.enqueue_message(store.recipient_id, "store.connected", {"store": store.name}, dedupe=f"connect:{again}")
        if row.generation:
            stores.set_available(store, True, by)


def _apply_deauthorization(row: ConnectAccount, evidence: AccountDeauthorized, by: Cause) -> EventOutcome:
    if row.stripe_account != evidence.account_id:
        return EventOutcome.REPEATED
    if row.updated_at is not None and row.updated_at > evidence.occurred_at:
        return EventOutcome.STALE  # it was connected again since
    row.former_account, row.stripe_account, row.deauthorized_at = row.stripe_account, "", evidence.occurred_at
    row.charges_enabled = row.payouts_enabled = False
    row.generation, row.welcomed_at = row.generation + 1, None
    row.save()
    events.record_event(DISCONNECTED, row, by=by, data={"payee": row.payee})
    if store := _find_store(row):
        stores.set_available(store, False, by)
        again = f"{row.pk}:{row.generation}"
        enqueue.enqueue_message(store.recipient_id, "store.reconnect", {"store": store.name}, dedupe=f"connect:{again}")
    return EventOutcome.APPLIED


def _find_store(row: ConnectAccount) -> Store | None:
    return Store.objects.filter(pk=row.payee_id).first() if row.payee_kind == PayeeKind.STORE else None
