"""What a provider's module must offer so that the webhook endpoint can serve its URL (SPEC W1, W2).

A provider module in any room subclasses `WebhookProvider` (or `EventReader`, where the room's own view is the webhook
endpoint) and is listed in webhooks/registry.py, which builds the endpoints.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import structlog

from foundation.api.parsers import UnreadableBody, strict_json
from foundation.evidence import EventOutcome

JSON_CONTENT_TYPES = frozenset({"application/json"})
MALFORMED = "malformed"  # the type of a part of a batch that does not say what it is


@dataclass(frozen=True)
class WebhookRequest:
    """One request as it came. Header names are lower-case; `url` is the public URL the provider called."""

    raw: bytes
    headers: Mapping[str, str]
    url: str


@dataclass(frozen=True)
class VerifiedSignature:
    """A signature that held. `signature` is kept with the event ("" where it would be a credential); `signer` says
    which of the provider's keys made it, where that matters."""

    signature: str = ""
    signer: str = ""


@dataclass(frozen=True)
class IncomingEvent:
    """One event out of a request: a row. `event_id` is the provider's, or made of what makes it the same event."""

    event_type: str
    event_id: str
    payload: Any


def digest_content(part: Any) -> str:
    """The id of an event that brings none: the same content is the same event."""
    return hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()


def text_or(value: Any, longest: int, otherwise: str) -> str:
    """A text of 1 to `longest` characters as it is, anything else `otherwise`."""
    return value if isinstance(value, str) and 0 < len(value) <= longest else otherwise


class WebhookRejected(Exception):
    """A request that is not let in. `reason` is a short word for counting, `detail` may be shown to the caller."""

    def __init__(self, status: int, reason: str, detail: str):
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail


class EventReader(ABC):
    """What a provider's stored events mean."""

    provider: ClassVar[str]

    @abstractmethod
    def handle(self, event_type: str, event_id: str, payload: Any) -> EventOutcome:
        """Read the payload into evidence and give it to the room that owns the fact, in the caller's transaction.

        Raises Permanent when the payload is not shaped as the provider documents: trying again is pointless.
        """

    def handle_all(self, events: Sequence[IncomingEvent]) -> Sequence[EventOutcome]:
        """Several events in one transaction, an outcome for each. A reader whose frequent events can share a statement
        overrides this; when it raises, each event is handled by itself."""
        outcomes = []
        for event in events:
            with structlog.contextvars.bound_contextvars(webhook=f"{self.provider}:{event.event_id}"):
                outcomes.append(self.handle(event.event_type, event.event_id, event.payload))
        return outcomes


class WebhookProvider(EventReader):
    """One provider's way in. `accepted` is the body answered with 200, for a duplicate as well."""

    accepted: ClassVar[Mapping[str, Any]] = {"received": True}
    content_types: ClassVar[frozenset[str]] = JSON_CONTENT_TYPES

    @abstractmethod
    def verify_signature(self, request: WebhookRequest) -> VerifiedSignature:
        """Check the signature on the raw bytes, in constant time, against every live secret.

        Raises WebhookRejected; without a configured secret it refuses everything (503 `not_enabled`): fail closed.
        """

    def parse_body(self, raw: bytes) -> Any:
        """A verified body as plain data. Raises WebhookRejected."""
        try:
            return strict_json(raw)
        except UnreadableBody as error:
            raise WebhookRejected(400, "bad_body", str(error)) from error

    @abstractmethod
    def list_events(self, payload: Any, verified: VerifiedSignature) -> Sequence[IncomingEvent]:
        """The events in a verified body. Raises WebhookRejected(400, …) when the body is not what the provider sends.

        A part of a batch that is odd costs the others nothing: it is kept by its content, as MALFORMED where it does
        not even say its type, and ends as a dead letter that tells why.
        """

    def answer_greeting(self, query: Mapping[str, str]) -> str:
        """The plain text answered to a GET, for a provider that makes sure in this way that the address is ours.

        Raises WebhookRejected, as for every provider that only posts.
        """
        raise WebhookRejected(405, "wrong_method", "only POST is answered here")

    def warm_up(self) -> None:
        """Load what the first request would otherwise wait for (an SDK takes a second to import)."""
