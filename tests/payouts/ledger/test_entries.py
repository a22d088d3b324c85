"""The ledger itself: what the database holds, whoever writes (SPEC M1)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier

import pytest
from django.db import IntegrityError, connection, transaction

from foundation import clock
from payouts.ledger import accounts
from payouts.ledger import entries as ledger_entries
from payouts.ledger.entries import ConflictingEntry
from payouts.models import AccountKind, EntryKind, LedgerAccount, LedgerEntry, PayeeKind

# spec: M1
pytestmark = pytest.mark.django_db


@pytest.fixture
def pair() -> accounts.PayeeAccounts:
    with transaction.atomic():
        return accounts.lock_accounts(PayeeKind.STORE, 7, "Seven", "usd")


def book(account: LedgerAccount, amount_minor: int, reference: str, kind: EntryKind = EntryKind.ADJUSTMENT) -> bool:
    return ledger_entries.book_entry(account, kind, reference, amount_minor, occurred_at=clock.now())


def refused(statement: str, *params: object, by: str) -> None:
    with pytest.raises(IntegrityError, match=by), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, params)


def test_entries_are_numbered_and_carry_the_balance(pair):
    assert book(pair.payable, 500, "a")
    assert book(pair.payable, -200, "b")
    assert book(pair.payable, 1, "c")
    entries = LedgerEntry.objects.filter(account=pair.payable).order_by("sequence")
    assert [(e.sequence, e.amount_minor, e.balance_minor) for e in entries] == [
        (1, 500, 500),
        (2, -200, 300),
        (3, 1, 301),
    ]
    stored = LedgerAccount.objects.get(pk=pair.payable.pk)
    assert (stored.entries, stored.balance_minor) == (3, 301) == (pair.payable.entries, pair.payable.balance_minor)


def test_the_same_fact_is_booked_once(pair):
    assert book(pair.payable, 500, "a") is True
    assert book(pair.payable, 500, "a") is False
    assert LedgerEntry.objects.count() == 1
    with pytest.raises(ConflictingEntry):
        book(pair.payable, 499, "a")


def test_money_from_one_fact_comes_in_once_on_any_account(pair):
    """A fee that is on `held` cannot come in on `payable` too, nor for another payee."""
    other = accounts.lock_accounts(PayeeKind.STORE, 8, "Eight", "USD")
    book(pair.held, 500, "delivery:1", EntryKind.DELIVERY_FEE)
    for account in (pair.payable, other.held):
        with pytest.raises(IntegrityError, match="entry_earned_once"), transaction.atomic():
            book(account, 500, "delivery:1", EntryKind.DELIVERY_FEE)


def test_currencies_have_accounts_of_their_own(pair):
    euros = accounts.lock_accounts(PayeeKind.STORE, 7, "Seven", "EUR")
    assert len({pair.held.pk, pair.payable.pk, euros.held.pk, euros.payable.pk}) == 4
    assert accounts.lock_accounts(PayeeKind.STORE, 7, "Seven", "USD").held.pk == pair.held.pk
    with pytest.raises(ValueError, match="not one payee's"):
        ledger_entries.move_between(pair.held, euros.payable, EntryKind.RELEASE, "x", 5, occurred_at=clock.now())


def test_a_move_is_a_pair_with_one_key(pair):
    book(pair.held, 500, "order:1")
    assert ledger_entries.move_between(
        pair.held, pair.payable, EntryKind.RELEASE, "order:1", 400, occurred_at=clock.now()
    )
    assert not ledger_entries.move_between(
        pair.held, pair.payable, EntryKind.RELEASE, "order:1", 400, occurred_at=clock.now()
    )
    assert (pair.held.balance_minor, pair.payable.balance_minor) == (100, 400)


def test_held_money_never_becomes_negative(pair):
    with pytest.raises(IntegrityError, match="account_held_not_negative"), transaction.atomic():
        book(pair.held, -1, "a")


# ── what the database refuses ────────────────────────────────────────────────────────────────────────────────────
def test_what_was_booked_stays(pair):
    book(pair.payable, 500, "a")
    refused("UPDATE payouts_ledgerentry SET note = 'x'", by="append-only")
    refused("DELETE FROM payouts_ledgerentry", by="append-only")
    assert LedgerEntry.objects.get().note == ""


@pytest.mark.parametrize("table", ["payouts_ledgerentry", "payouts_ledgeraccount CASCADE"])
def test_emptying_the_ledger_needs_the_setting_of_a_test_database(pair, table):
    with connection.cursor() as cursor:
        cursor.execute("SHOW payouts.ledger_may_be_emptied")
        assert cursor.fetchone() == ("on",)  # tests/conftest.py
        cursor.execute("SET LOCAL payouts.ledger_may_be_emptied = 'off'")
    refused(f"TRUNCATE {table}", by="append-only")


def test_only_entries_move_a_balance(pair):
    refused("UPDATE payouts_ledgeraccount SET balance_minor = 5 WHERE id = %s", pair.payable.pk, by="only entries")
    refused("UPDATE payouts_ledgeraccount SET entries = 5 WHERE id = %s", pair.payable.pk, by="only entries")
    refused("UPDATE payouts_ledgeraccount SET currency = 'EUR' WHERE id = %s", pair.held.pk, by="keeps whose")
    refused(
        "INSERT INTO payouts_ledgeraccount (payee_kind, payee_id, payee_name, kind, currency, balance_minor, entries)"
        " VALUES ('store', 9, 'Nine', 'held', 'USD', 1, 0)",
        by="starts empty",
    )
    LedgerAccount.objects.filter(pk=pair.payable.pk).update(payee_name="Seven & Sons")  # a name may change


def test_a_statement_cannot_choose_number_or_balance(pair):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payouts_ledgerentry (account_id, kind, reference, amount_minor, order_ref, note, occurred_at,"
            " recorded_at, sequence, balance_minor)"
            " VALUES (%s, 'adjustment', 'a', 5, '', '', now(), '2001-01-01', 9, 9)",
            [pair.payable.pk],
        )
    entry = LedgerEntry.objects.get()
    assert (entry.sequence, entry.balance_minor) == (1, 5)
    assert entry.recorded_at.year > 2001


def test_a_skipped_conflict_moves_no_balance(pair):
    """ON CONFLICT DO NOTHING skips the entry; the balance must not have moved for it, on either kind of conflict."""
    book(pair.held, 500, "delivery:1", EntryKind.DELIVERY_FEE)
    for account in (pair.held, pair.payable):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO payouts_ledgerentry (account_id, kind, reference, amount_minor, order_ref, note,"
                " occurred_at, sequence, balance_minor)"
                " VALUES (%s, 'delivery_fee', 'delivery:1', 500, '', '', now(), 0, 0) ON CONFLICT DO NOTHING",
                [account.pk],
            )
            assert cursor.rowcount == 0
    balances = LedgerAccount.objects.order_by("id").values_list("kind", "balance_minor", "entries")
    assert list(balances) == [(AccountKind.HELD, 500, 1), (AccountKind.PAYABLE, 0, 0)]


def test_two_entries_of_one_account_in_one_statement_are_refused(pair):
    refused(
        "INSERT INTO payouts_ledgerentry (account_id, kind, reference, amount_minor, order_ref, note, occurred_at,"
        " sequence, balance_minor)"
        " SELECT %s, 'adjustment', n::text, 5, '', '', now(), 0, 0 FROM generate_series(1, 2) n",
        pair.payable.pk,
        by="entry_sequence_once",
    )


# ── together ─────────────────────────────────────────────────────────────────────────────────────────────────────
def at_once(count: int, work: Callable[[int], None]) -> None:
    """`work(n)` in so many threads, all let go together."""
    gate = Barrier(count)

    def one(number: int) -> None:
        try:
            gate.wait(10)
            work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(one, range(count)))


@pytest.mark.django_db(transaction=True)
def test_writers_stand_in_line():
    """8 writers book 10 facts each on one account, without taking its lock first: no number twice, none missing."""
    with transaction.atomic():
        account = accounts.lock_accounts(PayeeKind.STORE, 7, "Seven", "USD").payable

    def work(number: int) -> None:
        for step in range(10):
            book(account, number + 1, f"{number}:{step}")

    at_once(8, work)
    entries = list(LedgerEntry.objects.order_by("sequence").values_list("sequence", "amount_minor", "balance_minor"))
    assert [sequence for sequence, _, _ in entries] == list(range(1, 81))
    total = 0
    for _, amount, balance in entries:
        total += amount
        assert balance == total
    account.refresh_from_db()
    assert (account.balance_minor, account.entries) == (10 * sum(range(1, 9)), 80)


@pytest.mark.django_db(transaction=True)
def test_one_fact_from_many_writers_is_one_entry():
    with transaction.atomic():
        account = accounts.lock_accounts(PayeeKind.STORE, 7, "Seven", "USD").payable

    def work(_: int) -> None:
        with suppress(IntegrityError):  # the unique key, for those who did not lock
            book(account, 500, "order:1", EntryKind.ORDER)

    at_once(8, work)
    account.refresh_from_db()
    assert (account.balance_minor, account.entries) == (500, 1)


@pytest.mark.django_db(transaction=True)
def test_accounts_are_made_once_by_many():
    def work(_: int) -> None:
        with transaction.atomic():
            accounts.lock_accounts(PayeeKind.RIDER, 3, "Three", "INR")

    at_once(8, work)
    assert LedgerAccount.objects.count() == 2
