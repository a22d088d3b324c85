"""What Stripe tells this room, as facts (SPEC P5-P7). Amounts are minor units; currencies upper case, as in our books.

The functions read Stripe's objects (docs.stripe.com/api), from an event or as the answer to a call. They
raise KeyError, TypeError or ValueError for something that is not such an object.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from payouts.models import BankPayout

PAYEE = "payee"  # metadata of the accounts we open: "store:4"
PAYOUT = "payout"  # metadata of the transfers we make: the payout's public_id

Object = Mapping[str, Any]


@dataclass(frozen=True)
class AccountUpdated:
    """`account.updated`: what the account may do by then. `payee` is our metadata, "" where it has none."""

    account_id: str
    charges_enabled: bool
    payouts_enabled: bool
    requirements: Mapping[str, Any]
    payee: str
    occurred_at: datetime
    event_id: str


@dataclass(frozen=True)
class AccountDeauthorized:
    """`account.application.deauthorized`: calls for that account fail from now on."""

    account_id: str
    occurred_at: datetime
    event_id: str


@dataclass(frozen=True)
class TransferEvidence:
    """A transfer as it stood: by `transfer.created`, `.updated`, `.reversed`, by our own call or by a look-up.

    `reversed_minor` is cumulative. `reference` is our metadata, else the transfer_group: the payout's public_id.
    """

    transfer_id: str
    reference: str
    amount_minor: int
    reversed_minor: int
    currency: str
    destination: str
    made_at: datetime
    event_id: str = ""


@dataclass(frozen=True)
class BankPayoutEvidence:
    """A connected account's own payout to its bank: `payout.created`, `.updated`, `.paid`, `.failed`, `.canceled`."""

    account_id: str
    payout_id: str
    amount_minor: int
    currency: str
    status: BankPayout.Status
    made_at: datetime
    failure: str = ""
    event_id: str = ""


@dataclass(frozen=True)
class FundsAvailable:
    """`balance.available_amounts` of the platform: payouts that wait for money may try again."""

    event_id: str
    available: Mapping[str, int] = field(default_factory=dict)


PayoutEvidence = AccountUpdated | AccountDeauthorized | TransferEvidence | BankPayoutEvidence | FundsAvailable

_BANK = {"paid": BankPayout.Status.PAID, "failed": BankPayout.Status.FAILED, "canceled": BankPayout.Status.FAILED}


def read_payout_event(event: Object) -> PayoutEvidence | None:
    """The evidence in one of Stripe's events; None where it is not this room's business."""
    kind, obj = event["type"], event["data"]["object"]
    if kind == "account.updated":
        return of_account(obj, occurred_at=_parse_time(event["created"]), event_id=event["id"])
    if kind == "account.application.deauthorized":
        return AccountDeauthorized(event["account"], _parse_time(event["created"]), event["id"])
    if kind in ("transfer.created", "transfer.updated", "transfer.reversed"):
        return read_transfer(obj, event_id=event["id"])
    if kind.startswith("payout.") and event.get("account"):
        return of_bank_payout(obj, account_id=event["account"], event_id=event["id"])
    if kind == "balance.available" and not event.get("account"):
        funds = {fund["currency"].upper(): int(fund["amount"]) for fund in obj["available"]}
        return FundsAvailable(event["id"], funds)
    return None


def of_account(account: Object, *, occurred_at: datetime, event_id: str) -> AccountUpdated:
    return AccountUpdated(
        account_id=account["id"],
        charges_enabled=bool(account["charges_enabled"]),
        payouts_enabled=bool(account["payouts_enabled"]),
        requirements=account.get("requirements") or {},
        payee=(account.get("metadata") or {}).get(PAYEE, ""),
        occurred_at=occurred_at,
        event_id=event_id,
    )


def read_transfer(transfer: Object, *, event_id: str = "") -> TransferEvidence:
    return TransferEvidence(
        transfer_id=transfer["id"],
        reference=(transfer.get("metadata") or {}).get(PAYOUT) or transfer.get("transfer_group") or "",
        amount_minor=int(transfer["amount"]),
        reversed_minor=int(transfer["amount_reversed"]),
        currency=transfer["currency"].upper(),
        destination=_object_id(transfer["destination"]),
        made_at=_parse_time(transfer["created"]),
        event_id=event_id,
    )


def of_bank_payout(payout: Object, *, account_id: str, event_id: str = "") -> BankPayoutEvidence:
    return BankPayoutEvidence(
        account_id=account_id,
        payout_id=payout["id"],
        amount_minor=int(payout["amount"]),
        currency=payout["currency"].upper(),
        status=_BANK.get(payout["status"], BankPayout.Status.UNDER_WAY),
        made_at=_parse_time(payout["created"]),
        failure=payout.get("failure_message") or payout.get("failure_code") or "",
        event_id=event_id,
    )


def as_uuid(reference: str) -> UUID | None:
    """A payout's public_id, where a reference is one: other people's transfers carry what they like."""
    try:
        return UUID(reference)
    except ValueError:
        return None


def _object_id(reference: Any) -> str:
    """The id of another object, which Stripe may have expanded."""
    return str(reference["id"] if isinstance(reference, Mapping) else reference)


def _parse_time(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
