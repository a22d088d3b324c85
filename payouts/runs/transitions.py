"""Moving a payout: the only writer of its status, and with it of the ledger (SPEC M4).

Whatever moves a payout moves its money in the same transaction: while its status is one of GONE, its amount less what
came back has left `payable`; otherwise nothing has. So neither can be had without the other, whatever crashes.
Locks: ConnectAccount, Payout, LedgerAccount.
"""

from typing import Any

from foundation import clock, events
from foundation.events import Cause
from payouts.ledger import accounts, entries
from payouts.lifecycle import GONE, PAYOUT, PayoutStatus
from payouts.models import EntryKind, LedgerAccount, Payout


def lock_payout(payout_id: int) -> Payout:
    return Payout.objects.select_for_update(no_key=True, of=("self",)).select_related("account").get(pk=payout_id)


def freeze_payout(account: LedgerAccount, *, period: str, destination: str, by: Cause) -> Payout:
    """A payout of all that stands on a locked `payable` account: the row and its entry."""
    payout = Payout.objects.create(
        account=account,
        period=period,
        amount_minor=account.balance_minor,
        currency=account.currency,
        destination=destination,
    )
    reference = f"payout:{payout.pk}"
    entries.book_entry(account, EntryKind.PAYOUT, reference, -payout.amount_minor, occurred_at=clock.now(), note=period)
    events.record_event("payout.frozen", payout, by=by, data={"amount_minor": payout.amount_minor, "period": period})
    return payout


def change_status(payout: Payout, to: PayoutStatus, *, by: Cause, why: str = "", **fields: Any) -> bool:
    """Take a locked payout to a status and set `fields`; the ledger follows. False: all of it stood already.

    Raises IllegalMove when its life cycle does not allow the step.
    """
    was, gone_before = payout.status, gone_minor(payout)
    changed = {name: value for name, value in fields.items() if getattr(payout, name) != value}
    if was != to:
        PAYOUT.require_move(was, to, what="payout")
        changed["status"] = str(to)
    if not changed:
        return False
    for name, value in changed.items():
        setattr(payout, name, value)
    payout.save(update_fields=list(changed))
    if came_back := gone_before - gone_minor(payout):
        _book_return(payout, came_back, why)
    if was != to:
        events.record_event("payout.status_changed", payout, by=by, data={"from": was, "to": str(to), "why": why})
    return True


def gone_minor(payout: Payout) -> int:
    """How much of `payable` this payout has taken, as it stands."""
    return payout.amount_minor - payout.returned_minor if payout.status in GONE else 0


def _book_return(payout: Payout, came_back_minor: int, why: str) -> None:
    """Book what came back (or, against all that we knew, went after all); the key names the fact that did it."""
    kind = EntryKind.PAYOUT_RETURN if came_back_minor > 0 else EntryKind.PAYOUT
    fact = f"returned:{payout.returned_minor}" if payout.returned_minor else payout.status
    entries.book_entry(
        accounts.lock_account(payout.account_id),
        kind,
        f"payout:{payout.pk}:{fact}",
        came_back_minor,
        occurred_at=clock.now(),
        note=why,
    )
