"""What Stripe tells this room, as facts (SPEC P5-P7). Amounts are minor units; currencies upper case, as in our ledger.

The functions read Stripe's objects (docs.stripe.com/api), from an event or as the answer to a call. They
raise KeyError, TypeError or ValueError for something that is not such an object.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from foundation import stripe
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
    """`balance.available` of the platform: payouts that wait for money may try again."""

    event_id: str
    available: Mapping[str, int] = field(default_factory=dict)


PayoutEvidence = AccountUpdated | AccountDeauthorized | TransferEvidence | BankPayoutEvidence | FundsAvailable


def transfer_evidence(transfer: stripe.StripeTransfer, event_id: str = "") -> TransferEvidence:
    """What Stripe's transfer says: heard by an event, or answered to a call (then without `event_id`)."""
    return TransferEvidence(
        transfer_id=transfer.id,
        reference=transfer.metadata.get(PAYOUT) or transfer.transfer_group,
        amount_minor=transfer.amount_minor,
        reversed_minor=transfer.reversed_minor,
        currency=transfer.currency,
        destination=transfer.destination,
        made_at=transfer.made_at,
        event_id=event_id,
    )


def as_uuid(reference: str) -> UUID | None:
    """A payout's public_id, where a reference is one: other people's transfers carry what they like."""
    try:
        return UUID(reference)
    except ValueError:
        return None
