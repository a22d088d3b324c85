"""SendGrid's Event Webhook: what became of mails.

Documented at twilio.com/docs/sendgrid/for-developers/tracking-events. Authentication: ECDSA (P-256, SHA-256) over the
timestamp header and the raw body, which ends with a line break that belongs to it; checked by SendGrid's own SDK.
Event id: `sg_event_id`; a request is an array of events. Retries: for a day, with the first signature, so that a
timestamp of any age is taken and only the event id guards against replays. Duplicates are common. Times: Unix seconds.
Quirks: our custom argument `message` stands at the top of an event; `bounce` of type `blocked` is a passing refusal.
"""

import base64
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Optional

import structlog
from django.conf import settings

from foundation import clock
from foundation.errors import Permanent
from foundation.evidence import EventOutcome
from foundation.webhook import (
    MALFORMED,
    IncomingEvent,
    VerifiedSignature,
    WebhookProvider,
    WebhookRejected,
    WebhookRequest,
    digest_content,
    text_or,
)
from notifications.models import ReceiptOutcome
from notifications.outbox import delivery_reports
from notifications.outbox.receipt import DeliveryReceipt

if TYPE_CHECKING:
    from sendgrid.helpers.eventwebhook import EventWebhook

log = structlog.get_logger(__name__)

SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
TYPE_LENGTH, ID_LENGTH = 100, 255
SHAPE_ERRORS = (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError)

WORDS: dict[str, ReceiptOutcome | None] = {
    "processed": ReceiptOutcome.QUEUED,
    "deferred": ReceiptOutcome.QUEUED,
    "delivered": ReceiptOutcome.DELIVERED,
    "open": ReceiptOutcome.READ,
    "click": ReceiptOutcome.READ,
    "bounce": ReceiptOutcome.BOUNCED,
    "dropped": ReceiptOutcome.FAILED,
    "spamreport": None,
    "unsubscribe": None,
    "group_unsubscribe": None,
    "group_resubscribe": None,
}
RETURNING = "group_resubscribe"
RETIRING = {"spamreport": "spam report", "unsubscribe": "unsubscribed", "group_unsubscribe": "unsubscribed"}
DROPPED_FOR = {  # SendGrid keeps a list of its own, and says which one an address is on
    "bounced": "hard bounce",
    "unsubscribed": "unsubscribed",
    "spam report": "spam report",
    "invalid": "no such mailbox",
}


class SendGridWebhooks(WebhookProvider):
    provider = "sendgrid"

    def verify_signature(self, request: WebhookRequest) -> VerifiedSignature:
        keys = settings.SENDGRID_WEBHOOK_PUBLIC_KEYS
        if not keys:
            raise WebhookRejected(503, "not_enabled", "SendGrid is not configured here")
        signature, timestamp = request.headers.get(SIGNATURE, ""), request.headers.get(TIMESTAMP, "")
        if not signature or not timestamp:
            raise WebhookRejected(401, "missing_signature", "the signature or its timestamp is missing")
        held = [_holds_signature(key, request.raw, signature, timestamp) for key in keys]
        if not any(held):
            raise WebhookRejected(401, "wrong_signature", "the signature is not SendGrid's")
        return VerifiedSignature(signature)

    def list_events(self, payload: Any, signature_seen: VerifiedSignature) -> Sequence[IncomingEvent]:
        if not isinstance(payload, list) or not payload:
            raise WebhookRejected(400, "bad_body", "must be a list of events")
        return [_build_event(event) for event in payload]

    def handle(self, event_type: str, event_id: str, payload: Any) -> EventOutcome:
        try:
            (event,) = payload
            receipt = read_receipt(event_type, event)
        except SHAPE_ERRORS as error:
            raise Permanent(f"{event_type} is not shaped as documented: {error!r}") from error
        return delivery_reports.apply_receipt(receipt) if receipt else EventOutcome.IGNORED

    def warm_up(self) -> None:
        for key in settings.SENDGRID_WEBHOOK_PUBLIC_KEYS:
            _get_verifier(key)


def _build_event(event: Any) -> IncomingEvent:
    """Each event is a row of its own, kept as the list of one that SendGrid would have sent it in."""
    said = event if isinstance(event, dict) else {}
    kind = text_or(said.get("event"), TYPE_LENGTH, MALFORMED)
    number = text_or(said.get("sg_event_id"), ID_LENGTH, digest_content(event))
    return IncomingEvent(kind, number, [event])


def _holds_signature(key: str, raw: bytes, signature: str, timestamp: str) -> bool:
    verifier = _get_verifier(key)
    if verifier is None:
        return False
    try:
        base64.b64decode(signature, validate=True)  # the SDK's own reading passes over what is no base64
        return bool(verifier.verify_signature(raw.decode(), signature, timestamp))
    except ValueError:
        return False


def is_key(text: str) -> bool:
    """Whether it can be read as a verification key."""
    return _get_verifier(text) is not None


@lru_cache(maxsize=16)
def _get_verifier(key: str) -> Optional["EventWebhook"]:
    """The SDK's verifier; None for a key that is none, which lets nobody in."""
    from sendgrid.helpers.eventwebhook import EventWebhook

    try:
        return EventWebhook(key)
    except ValueError:
        log.error("sendgrid_key_unreadable", hint="SENDGRID_WEBHOOK_PUBLIC_KEY must be as SendGrid shows it")
        return None


def read_receipt(event_type: str, event: dict[str, Any]) -> DeliveryReceipt | None:
    """An event as a receipt; None for what is nobody's business. Raises one of SHAPE_ERRORS."""
    if event_type == MALFORMED:
        raise ValueError("it does not say what happened")
    if event_type not in WORDS:
        return None
    why = str(event.get("reason") or event.get("response") or "")
    word, retires = WORDS[event_type], RETIRING.get(event_type, "")
    if event_type == "bounce":
        passing = event.get("type") == "blocked"
        word, retires = (ReceiptOutcome.FAILED, "") if passing else (ReceiptOutcome.BOUNCED, "hard bounce")
    if event_type == "dropped":
        retires = next((told for start, told in DROPPED_FOR.items() if why.lower().startswith(start)), "")
    at = clock.from_unix(int(event["timestamp"]))
    if at is None:
        raise ValueError("timestamp")
    return DeliveryReceipt(
        channel="email",
        outcome=word,
        at=at,
        message=str(event.get("message") or ""),
        error=" ".join(part for part in (str(event.get("status") or ""), why) if part) if why else "",
        address=str(event["email"]),
        retires=retires,
        returns=event_type == RETURNING,
    )
