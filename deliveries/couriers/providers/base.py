"""What every courier company's module must offer (SPEC C1): the calls we make, its statuses, its webhooks.

A company is one module here that subclasses `CourierProvider`, and one line in
deliveries/couriers/providers/__init__.py. Modules speak HTTP and read payloads; they write no row. What follows from an
answer or an event is the room's (deliveries/couriers/calls.py, deliveries/couriers/updates.py). How one is added:
docs/adding-a-courier.md.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from deliveries.couriers.providers.status_update import CourierStage, CourierUpdate
from foundation.errors import CallFailed, Permanent
from foundation.geo import Point
from foundation.webhook import IncomingEvent, VerifiedSignature, WebhookRequest
from foundation.work import Backoff, Schedule

TIMEOUT_S = 30.0
QUOTE_TIMEOUT_S = 5.0


# ── what is asked ────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Stop:
    """One end of the way. `address` is one line of text; `phone` is E.164 or empty."""

    name: str
    phone: str
    address: str
    point: Point
    instructions: str = ""


@dataclass(frozen=True)
class ShipmentItem:
    name: str
    quantity: int
    price_minor: int


@dataclass(frozen=True, kw_only=True)
class Shipment:
    """What is to be carried, from where to where and by when. Amounts are minor units of `currency`.

    `external_id` is ours, one per Delivery, the same on every try. `order_ref`, `store_ref` and `customer_ref` name
    what it is about without saying who. `time_zone` is the store's; `distance_m` is the straight line.
    """

    external_id: str
    order_ref: str
    store_ref: str
    customer_ref: str
    pickup: Stop
    dropoff: Stop
    ready_at: datetime
    deliver_by: datetime
    items: Sequence[ShipmentItem]
    value_minor: int
    tip_minor: int
    currency: str
    country: str
    time_zone: str
    distance_m: int
    contact_free: bool = False

    def require_phones(self, *, store: bool, customer: bool) -> None:
        """For companies that call people: without a number they would refuse the job after giving a quote. Raises
        Permanent."""
        missing = ["the store's"] * (store and not self.pickup.phone)
        missing += ["the customer's"] * (customer and not self.dropoff.phone)
        if missing:
            raise Permanent(f"wants a phone number: {' and '.join(missing)} is missing")


@dataclass(frozen=True)
class CallAttempt:
    """One try of a call, for the log of outgoing calls (SPEC C8). `request_id` is the same on every try."""

    request_id: UUID
    reference: str  # "delivery:12"
    attempt: int


@dataclass(frozen=True)
class JobReference:
    """What a job is known by: our id always, the courier's where it has one and we know it."""

    external_id: str
    courier_ref: str = ""


# ── what is answered ─────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Quote:
    """A price and a time. `reference` is the courier's id of it, "" where it gives none."""

    fee_minor: int
    currency: str
    arrival_at: datetime | None
    expires_at: datetime
    reference: str = ""


@dataclass(frozen=True)
class CancellationResult:
    """It will not be carried. `fee_minor`: what that costs, None where it does not say."""

    fee_minor: int | None = None
    currency: str = ""


class CannotCancel(Permanent):
    """The courier goes on: it is too late, or it never lets one cancel. The job is still live."""


class LookupUnsupported(CallFailed):
    """The courier has no way to look a job up by our id."""


# ── the companies ────────────────────────────────────────────────────────────────────────────────────────────────
class CourierProvider(ABC):
    """One courier company, in both directions.

    `status_words` maps its status words and event names to stages (None: known, moves nothing); polling and the webhook
    endpoint use the same table. `create_retries` are the quick retries of a create: after them it is tried every 30 s
    until the contract's five minutes are over (SPEC C2, C4).

    Every call takes at most TIMEOUT_S and is kept (foundation.http). All raise Permanent (refused, it did not happen),
    Transient (it did not happen, later it may), Unknown (nobody here knows).
    """

    name: ClassVar[str]  # in our columns and in /webhooks/{name}
    title: ClassVar[str]  # for people
    accepted: ClassVar[Mapping[str, Any]] = {"received": True}  # what its webhooks are answered with 200
    status_words: ClassVar[Mapping[str, CourierStage | None]]
    create_retries: ClassVar[Schedule] = Backoff(first_s=1, cap_s=16, tries=6)

    @abstractmethod
    def is_enabled(self) -> bool:
        """Its keys are configured (SPEC S5)."""

    @abstractmethod
    def request_quote(self, shipment: Shipment, attempt: CallAttempt) -> Quote:
        """What it would take. At most QUOTE_TIMEOUT_S. Raises Permanent when it would not carry this."""

    @abstractmethod
    def create_job(self, shipment: Shipment, quote_ref: str, attempt: CallAttempt) -> CourierUpdate:
        """Have it carried: one job for one `external_id`, however often it is called. A job that exists already is the
        answer, not an error."""

    @abstractmethod
    def get(self, job: JobReference, attempt: CallAttempt) -> CourierUpdate:
        """How it stands. Raises NotAsked when it is only known by our id and the company cannot look that up,
        Permanent when it knows no such job."""

    @abstractmethod
    def cancel_job(self, job: JobReference, reason: str, attempt: CallAttempt) -> CancellationResult:
        """Stop it. One that is cancelled already is the answer, not an error. Raises CannotCancel when it goes on,
        NotAsked as `get` does."""

    # ── its webhooks, /webhooks/{name} ───────────────────────────────────────────────────────────────────────────────
    @abstractmethod
    def verify_signature(self, request: WebhookRequest) -> VerifiedSignature:
        """As WebhookProvider.verify_signature (foundation/webhook.py): on the raw bytes, in constant time, against
        every live secret; 503 `not_enabled` without one."""

    @abstractmethod
    def list_events(self, payload: Any, verified: VerifiedSignature) -> Sequence[IncomingEvent]:
        """As WebhookProvider.list_events: the events in a verified body, each with what makes it the same event when
        sent again."""

    @abstractmethod
    def read_event(self, event_type: str, payload: Any) -> CourierUpdate | None:
        """A stored event as evidence (pure); None for a type that is nobody's business here. Raises KeyError,
        TypeError or ValueError where it is not shaped as documented."""

    def is_position(self, event_type: str) -> bool:
        """Whether events of this type only say where the driver is: many of them, which never touch the order."""
        return False
