"""Accounts at Stripe Connect: opened once, followed by the newest news, lost and found (SPEC P5, P6, P8)."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from django.db import transaction

from foundation.errors import CallFailed
from foundation.evidence import EventOutcome
from foundation.models import Event
from notifications.models import Message
from orders.models import Store
from payouts.models import ConnectAccount, PayeeKind
from payouts.runs import connected_accounts
from payouts.runs.stripe_events import AccountDeauthorized, AccountUpdated
from tests import builders
from tests.payouts import stripe_side as stripe

pytestmark = pytest.mark.django_db
T0 = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def store(db) -> Store:
    return builders.store(name="Corner")


def opened(store: Store) -> ConnectAccount:
    return ConnectAccount.objects.create(payee_kind=PayeeKind.STORE, payee_id=store.pk, stripe_account="acct_1")


def updated(
    minute: int, *, able: bool = True, account: str = "acct_1", event: str = "", payee: str = ""
) -> AccountUpdated:
    return AccountUpdated(
        account_id=account,
        charges_enabled=able,
        payouts_enabled=able,
        requirements={"minute": minute},
        payee=payee,
        occurred_at=T0 + timedelta(minutes=minute),
        event_id=event or f"evt_{minute}_{able}",
    )


def deauthorized(minute: int, account: str = "acct_1") -> AccountDeauthorized:
    return AccountDeauthorized(account, T0 + timedelta(minutes=minute), f"evt_gone_{minute}")


def known() -> ConnectAccount:
    return ConnectAccount.objects.get()


def told(event: str) -> int:
    return Message.objects.filter(event=event).count()


# ── opening ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_account_is_opened_once_and_onboards(sandbox, store):
    account = connected_accounts.open_account(PayeeKind.STORE, store.pk, email="corner@example.test", country="US")
    assert connected_accounts.open_account(PayeeKind.STORE, store.pk, email="", country="US").pk == account.pk
    assert not account.is_onboarded
    sandbox.control("PUT", f"stripe/accounts/{account.stripe_account}", stripe.ABLE)
    for event in stripe.events(sandbox, account=account.stripe_account):
        stripe.take(event)
    assert known().is_onboarded
    assert told("store.connected") == 1


def test_an_account_whose_answer_was_lost_is_not_opened_twice(sandbox, store):
    sandbox.fault("stripe", "answer", "lost_answer", path="/v1/accounts")
    with pytest.raises(CallFailed):
        connected_accounts.open_account(PayeeKind.STORE, store.pk, email="", country="US")
    account = connected_accounts.open_account(PayeeKind.STORE, store.pk, email="", country="US")
    created = [call for call in sandbox.control("GET", "calls?provider=stripe")["calls"] if "accounts" in call["path"]]
    assert len(created) == 2  # the second was answered from the key
    assert account.stripe_account.startswith("acct_")


def test_an_event_that_is_faster_than_our_answer_finds_its_payee(store):
    ConnectAccount.objects.create(payee_kind=PayeeKind.STORE, payee_id=store.pk)
    assert connected_accounts.apply_account_event(updated(1, payee=f"store:{store.pk}")) == EventOutcome.APPLIED
    assert known().stripe_account == "acct_1"


def test_an_account_of_nobody_is_ignored(store):
    opened(store)
    assert connected_accounts.apply_account_event(updated(1, account="acct_other")) == EventOutcome.IGNORED
    assert (
        connected_accounts.apply_account_event(updated(1, account="acct_other", payee="store:x"))
        == EventOutcome.IGNORED
    )
    assert (
        connected_accounts.apply_account_event(updated(1, account="acct_other", payee=f"store:{store.pk}"))
        == EventOutcome.STALE
    )
    assert connected_accounts.apply_account_event(deauthorized(1, "acct_other")) == EventOutcome.IGNORED
    assert known().stripe_account == "acct_1"


# ── following ────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: P5
def test_fully_onboarded_is_welcomed_once(store):
    opened(store)
    connected_accounts.apply_account_event(updated(1, able=False))
    assert told("store.connected") == 0
    for minute in (2, 2, 3):
        connected_accounts.apply_account_event(updated(minute))
    assert told("store.connected") == 1
    assert Message.objects.get().recipient_id == store.recipient_id
    event = Event.objects.get(name="store.stripe_verified")
    assert (event.subject, event.data) == (f"connectaccount:{known().pk}", {"payee": f"store:{store.pk}"})


# spec: P8
def test_an_older_update_never_wins(store):
    opened(store)
    assert connected_accounts.apply_account_event(updated(5, able=False)) == EventOutcome.APPLIED
    assert connected_accounts.apply_account_event(updated(4)) == EventOutcome.STALE
    assert connected_accounts.apply_account_event(updated(5, able=False)) == EventOutcome.REPEATED
    assert (known().payouts_enabled, known().requirements) == (False, {"minute": 5})


def test_every_order_of_updates_ends_the_same(store):
    """Also within one second, where Stripe's time does not tell which was first."""
    opened(store)
    news = [updated(1), updated(2, able=False), updated(3), updated(3, able=False), updated(3, event="evt_3_tie")]
    worlds = []
    for order in permutations(news):
        with transaction.atomic():
            for one in (*order, *order):
                connected_accounts.apply_account_event(one)
            row = known()
            worlds.append((row.charges_enabled, row.payouts_enabled, row.newest, told("store.connected")))
            transaction.set_rollback(True)
    assert set(worlds) == {(True, True, "evt_3_tie", 1)}


# spec: P6
def test_a_disconnected_store_takes_no_orders_until_it_is_connected_again(store):
    opened(store)
    connected_accounts.apply_account_event(updated(1))
    assert connected_accounts.apply_account_event(deauthorized(2)) == EventOutcome.APPLIED
    store.refresh_from_db()
    assert (known().stripe_account, known().payouts_enabled, store.is_available) == ("", False, False)
    assert told("store.reconnect") == 1
    assert connected_accounts.apply_account_event(deauthorized(2)) == EventOutcome.REPEATED
    assert connected_accounts.apply_account_event(updated(1)) == EventOutcome.STALE  # old news of it changes nothing
    assert known().stripe_account == ""
    connected_accounts.apply_account_event(updated(3, account="acct_2", able=False, payee=f"store:{store.pk}"))
    store.refresh_from_db()
    assert (known().stripe_account, store.is_available) == ("acct_2", False)
    connected_accounts.apply_account_event(updated(4, account="acct_2"))
    store.refresh_from_db()
    assert store.is_available
    assert told("store.connected") == 2


def test_a_disconnection_in_any_order_with_updates_ends_the_same(store):
    opened(store)
    worlds = []
    for order in permutations([updated(1, able=False), updated(2), deauthorized(3)]):
        with transaction.atomic():
            for one in (*order, *order):
                connected_accounts.apply_account_event(one)
            store.refresh_from_db()
            worlds.append((known().stripe_account, known().payouts_enabled, store.is_available))
            transaction.set_rollback(True)
    assert set(worlds) == {("", False, False)}


def test_a_late_disconnection_does_not_undo_a_newer_connection(store):
    opened(store)
    connected_accounts.apply_account_event(updated(5))
    assert connected_accounts.apply_account_event(deauthorized(4)) == EventOutcome.STALE
    assert known().is_onboarded


def test_opening_again_after_a_disconnection_is_a_new_request(sandbox, store):
    first = connected_accounts.open_account(PayeeKind.STORE, store.pk, email="", country="US").stripe_account
    connected_accounts.apply_account_event(AccountDeauthorized(first, T0, "evt_gone"))
    second = connected_accounts.open_account(PayeeKind.STORE, store.pk, email="", country="US").stripe_account
    assert second not in ("", first)


def test_a_rider_has_an_account_too_and_no_store_to_close(db):
    ConnectAccount.objects.create(payee_kind=PayeeKind.RIDER, payee_id=5, stripe_account="acct_1")
    connected_accounts.apply_account_event(updated(1))
    connected_accounts.apply_account_event(deauthorized(2))
    assert (known().stripe_account, Message.objects.count()) == ("", 0)
