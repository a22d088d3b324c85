"""Booking: the only code that writes ledger entries (SPEC M1).

Single-sided, append-only, idempotent by construction: `(account, kind, reference)` is a fact's key, and a fact that
brings money in (an order, a fee, a tip) enters the whole ledger once. What was wrong is put right by another entry.
The database numbers the entries and keeps the balances (migration 0002_ledger_triggers).
"""

from datetime import datetime

from django.db import connection

from payouts.models import EntryKind, LedgerAccount, LedgerEntry


class ConflictingEntry(Exception):
    """The same fact was booked before with another amount: one of the two callers is wrong."""


def book_entry(
    account: LedgerAccount,
    kind: EntryKind,
    reference: str,
    amount_minor: int,
    *,
    occurred_at: datetime,
    order_ref: str = "",
    note: str = "",
) -> bool:
    """Book a fact on an account that the caller has locked. False: it stands already, nothing was done.

    Raises ConflictingEntry when it stands with another amount, IntegrityError when money from the same fact came in on
    another account or `held` would become negative.
    """
    known = LedgerEntry.objects.filter(account=account, kind=kind, reference=reference).first()
    if known is not None:
        if known.amount_minor != amount_minor:
            raise ConflictingEntry(f"{kind} {reference} on {account}: {known.amount_minor} stands, not {amount_minor}")
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO payouts_ledgerentry
                (account_id, kind, reference, amount_minor, order_ref, note, occurred_at, sequence, balance_minor)
            VALUES (%s, %s, %s, %s, %s, %s, %s, 0, 0)
            RETURNING sequence, balance_minor
            """,
            [account.pk, str(kind), reference, amount_minor, order_ref, note[:200], occurred_at],
        )
        account.entries, account.balance_minor = cursor.fetchone()
    return True


def move_between(
    source: LedgerAccount,
    target: LedgerAccount,
    kind: EntryKind,
    reference: str,
    amount_minor: int,
    *,
    occurred_at: datetime,
    order_ref: str = "",
    note: str = "",
) -> bool:
    """Move an amount between a payee's two accounts, both locked: a pair of entries with one key."""
    if (source.payee, source.currency) != (target.payee, target.currency):
        raise ValueError(f"{source} and {target} are not one payee's")
    taken = book_entry(source, kind, reference, -amount_minor, occurred_at=occurred_at, order_ref=order_ref, note=note)
    given = book_entry(target, kind, reference, amount_minor, occurred_at=occurred_at, order_ref=order_ref, note=note)
    if taken != given:
        raise ConflictingEntry(f"{kind} {reference}: half a pair stood on {source} and {target}")
    return taken
