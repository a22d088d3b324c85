"""What the orders room is told from outside: types of evidence, without any provider's words (SPEC O1, P1-P4, O5).

`occurred_at` is the provider's time. `order_ref` is our public id where the provider carries it (Stripe's
`metadata.order`), "" where it does not: an order is looked for by it first, since a webhook can be faster than our own
commit of the PaymentIntent's id.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from foundation.events import Cause
from foundation.evidence import EventOutcome

__all__ = [
    "ChargeRefunded",
    "EventOutcome",
    "PaymentCanceled",
    "PaymentEvidence",
    "PaymentFailed",
    "PaymentSucceeded",
    "PosSignal",
    "PosStatus",
]


@dataclass(frozen=True, kw_only=True)
class PaymentEvidence:
    """`event_id` is Stripe's `evt_…` ("" when we asked Stripe ourselves)."""

    intent_id: str
    occurred_at: datetime
    order_ref: str = ""
    event_id: str = ""

    @property
    def by(self) -> Cause:
        return Cause("stripe", f"webhook:stripe:{self.event_id}" if self.event_id else "api")


@dataclass(frozen=True, kw_only=True)
class PaymentSucceeded(PaymentEvidence):
    """`payment_intent.succeeded`. `amount_minor` is what was received."""

    amount_minor: int
    currency: str
    charge_id: str = ""


@dataclass(frozen=True, kw_only=True)
class PaymentFailed(PaymentEvidence):
    """`payment_intent.payment_failed`: the customer may try again. `reason` in words that may be shown."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class PaymentCanceled(PaymentEvidence):
    """`payment_intent.canceled`: nobody can pay this PaymentIntent any more."""

    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ChargeRefunded(PaymentEvidence):
    """`charge.refunded`. `refunded_minor` is cumulative (`amount_refunded`), `amount_minor` what was charged
    (`amount_captured`), `paid_at` when (`charge.created`): a refund proves its payment."""

    charge_id: str
    amount_minor: int
    refunded_minor: int
    currency: str
    paid_at: datetime


class PosSignal(StrEnum):
    """What a POS can tell. IGNORED: known, kept, moves nothing (PetPooja's dispatch and delivered)."""

    ACCEPTED = "accepted"
    READY = "ready"
    CANCELLED = "cancelled"
    IGNORED = "ignored"


@dataclass(frozen=True, kw_only=True)
class PosStatus:
    """One callback of a store's POS. It is not signed: `store_slug`, `rest_id` and `token` are what it claims to be.

    `payload` is the whole callback as it came; "" and None: the callback does not say.
    """

    provider: str
    store_slug: str
    rest_id: str
    order_ref: str
    event_id: str
    news: PosSignal
    payload: dict[str, Any]
    token: str = field(default="", repr=False)
    reason: str = ""
    prep_minutes: int | None = None
    rider_name: str = ""
    rider_phone: str = ""
    is_modified: bool = False

    @property
    def by(self) -> Cause:
        return Cause(self.provider, f"webhook:{self.provider}:{self.event_id}")
