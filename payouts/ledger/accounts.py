"""The two accounts of a payee in one currency: `held` and `payable` (SPEC M1).

Whoever books holds the locks of both, taken in the order of their ids, and reads what is true only after that: two
bookings about the same payee stand in line, and the second sees what the first wrote.
"""

from dataclasses import dataclass

from payouts.models import AccountKind, LedgerAccount


@dataclass(frozen=True)
class PayeeAccounts:
    """Both accounts, locked until the transaction ends."""

    held: LedgerAccount
    payable: LedgerAccount

    def account_of(self, kind: str) -> LedgerAccount:
        return self.held if kind == AccountKind.HELD else self.payable


def lock_accounts(payee_kind: str, payee_id: int, name: str, currency: str) -> PayeeAccounts:
    """The payee's accounts, locked; made at first use. Needs a transaction."""
    currency = currency.upper()
    if len(found := _load_locked(payee_kind, payee_id, currency)) < len(AccountKind):
        missing = [
            LedgerAccount(payee_kind=payee_kind, payee_id=payee_id, payee_name=name, currency=currency, kind=kind)
            for kind in (AccountKind.HELD, AccountKind.PAYABLE)
        ]
        LedgerAccount.objects.bulk_create(missing, ignore_conflicts=True)
        found = _load_locked(payee_kind, payee_id, currency)
    return PayeeAccounts(**found)


def _load_locked(payee_kind: str, payee_id: int, currency: str) -> dict[str, LedgerAccount]:
    rows = LedgerAccount.objects.filter(payee_kind=payee_kind, payee_id=payee_id, currency=currency)
    return {row.kind: row for row in rows.order_by("id").select_for_update(no_key=True, of=("self",))}


def lock_account(account_id: int) -> LedgerAccount:
    """One account alone, for what concerns no other: a payout leaves from `payable`. Needs a transaction."""
    return LedgerAccount.objects.select_for_update(no_key=True, of=("self",)).get(pk=account_id)
