"""WhatsApp's webhooks: what became of our messages, and what people write to us.

Documented at developers.facebook.com/docs/whatsapp/cloud-api/webhooks and docs/graph-api/webhooks/getting-started.
Authentication: `X-Hub-Signature-256: sha256=…`, HMAC-SHA256 of the raw body by the app secret. When the webhook is set
up, a GET must be answered with its own `hub.challenge` if `hub.verify_token` is ours. Event id: none; wamid, status and
timestamp together are one. One request holds several entries, changes and statuses. Neither order nor uniqueness is
promised. Times: Unix seconds as text.
Quirks: a text that came outside the person's 24 hours fails with 131047 afterwards; it is sent again as a template.
"""

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

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
from notifications.channels import whatsapp
from notifications.contacts import recipients
from notifications.models import ReceiptOutcome
from notifications.outbox import delivery_reports
from notifications.outbox.receipt import DeliveryReceipt

log = structlog.get_logger(__name__)

SIGNATURE = "x-hub-signature-256"
OBJECT = "whatsapp_business_account"
STATUS, SAID = "status.", "message."  # an event type is one of these and Meta's word
LONGEST_TYPE, LONGEST_ID = 90, 200
LONGEST_CHALLENGE = 200
SHAPE_ERRORS = (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError)
STOP = {"stop", "stop all", "unsubscribe", "opt out", "opt-out", "cancel", "रोकें", "बंद करें"}

WORDS = {
    "sent": ReceiptOutcome.SENT,
    "delivered": ReceiptOutcome.DELIVERED,
    "read": ReceiptOutcome.READ,
    "failed": ReceiptOutcome.FAILED,
}


class WhatsAppWebhooks(WebhookProvider):
    provider = "whatsapp"

    def answer_greeting(self, query: Mapping[str, str]) -> str:
        wanted, challenge = settings.WHATSAPP_VERIFY_TOKEN, query.get("hub.challenge", "")
        if not wanted:
            raise WebhookRejected(503, "not_enabled", "WhatsApp is not configured here")
        if not hmac.compare_digest(query.get("hub.verify_token", "").encode(), wanted.encode()):
            raise WebhookRejected(403, "wrong_token", "hub.verify_token is not ours")
        if query.get("hub.mode") != "subscribe" or not 0 < len(challenge) <= LONGEST_CHALLENGE:
            raise WebhookRejected(400, "bad_query", "hub.mode and hub.challenge are needed")
        return challenge

    def verify_signature(self, request: WebhookRequest) -> VerifiedSignature:
        secrets = settings.WHATSAPP_APP_SECRETS
        if not secrets:
            raise WebhookRejected(503, "not_enabled", "WhatsApp is not configured here")
        signature = request.headers.get(SIGNATURE, "")
        if not signature:
            raise WebhookRejected(401, "missing_signature", "the signature is missing")
        said = signature.encode("utf-8", "replace")
        held = [hmac.compare_digest(_sign_body(secret, request.raw).encode(), said) for secret in secrets]
        if not any(held):
            raise WebhookRejected(401, "wrong_signature", "the signature is not Meta's")
        return VerifiedSignature(signature)

    def list_events(self, payload: Any, verified: VerifiedSignature) -> Sequence[IncomingEvent]:
        if not isinstance(payload, dict) or payload.get("object") != OBJECT:
            raise WebhookRejected(400, "bad_body", f"object: must be {OBJECT}")
        found = [_build_event(*one) for one in _list_parts(payload)]
        if not found:
            raise WebhookRejected(400, "bad_body", "holds no change")
        return found

    def handle(self, event_type: str, event_id: str, payload: Any) -> EventOutcome:
        try:
            ((_, _, kind, one),) = _list_parts(payload)
            news = _read_part(kind, one)
        except SHAPE_ERRORS as error:
            raise Permanent(f"{event_type} is not shaped as documented: {error!r}") from error
        if isinstance(news, IncomingText):
            return _handle_text(news)
        return _apply_receipt(news) if news else EventOutcome.IGNORED


def _sign_body(secret: str, raw: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


Part = tuple[Any, dict[str, Any], str, Any]


def _list_parts(payload: dict[str, Any]) -> Iterator[Part]:
    """(field, value, kind, one) of all that a request tells: a status, a message, or a change of another kind."""
    for entry in _list_of(payload, "entry"):
        for change in _list_of(entry, "changes"):
            field, value = (change.get("field"), change.get("value")) if isinstance(change, dict) else ("", change)
            if not isinstance(value, dict):
                yield field, {}, MALFORMED, change
                continue
            statuses, said = _list_of(value, "statuses"), _list_of(value, "messages")
            for one in statuses:
                yield field, value, STATUS, one
            for one in said:
                yield field, value, SAID, one
            if not statuses and not said:
                yield field, value, "", value


def _list_of(parent: Any, name: str) -> list[Any]:
    found = parent.get(name) if isinstance(parent, dict) else None
    return found if isinstance(found, list) else []


def _build_event(field: Any, value: dict[str, Any], kind: str, one: Any) -> IncomingEvent:
    """A row of its own, kept in the envelope that Meta would have sent it alone in."""
    if not kind:
        return IncomingEvent(text_or(field, LONGEST_TYPE, MALFORMED), digest_content(one), _build_envelope(field, one))
    if kind == MALFORMED:
        return IncomingEvent(MALFORMED, digest_content(one), {"object": OBJECT, "entry": [{"changes": [one]}]})
    said = one if isinstance(one, dict) else {}
    word = text_or(said.get("status" if kind == STATUS else "type"), LONGEST_TYPE, MALFORMED)
    key = text_or(said.get("id"), LONGEST_ID, "")
    alone = {name: part for name, part in value.items() if name not in ("statuses", "messages")}
    envelope = _build_envelope(field, {**alone, "statuses" if kind == STATUS else "messages": [one]})
    if kind == STATUS and key:
        key = f"{key}:{word}:{str(said.get('timestamp'))[:20]}"
    return IncomingEvent(kind + word, key or digest_content(one), envelope)


def _build_envelope(field: Any, value: Any) -> dict[str, Any]:
    return {"object": OBJECT, "entry": [{"changes": [{"field": field, "value": value}]}]}


# ── what it means ────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class IncomingText:
    """A person wrote to us."""

    phone: str
    text: str
    at: datetime


def _read_part(kind: str, one: Any) -> DeliveryReceipt | IncomingText | None:
    """None for what is nobody's business. Raises one of SHAPE_ERRORS."""
    if kind == MALFORMED:
        raise ValueError("it does not say what happened")
    if kind == SAID:
        text = (one.get("text") or {}).get("body", "")
        return IncomingText(f"+{one['from']}", str(text), _parse_time(one))
    word = WORDS.get(one["status"]) if kind == STATUS else None
    if word is None:
        return None
    errors = [dict(error) for error in one.get("errors") or []]
    return DeliveryReceipt(
        channel="whatsapp",
        outcome=word,
        at=_parse_time(one),
        message=str(one.get("biz_opaque_callback_data") or ""),
        provider_id=str(one["id"]),
        error="; ".join(f"{error.get('code', '')} {error.get('title', '')}".strip() for error in errors),
        address=f"+{one.get('recipient_id', '')}",
        again=any(error.get("code") == whatsapp.OUTSIDE_WINDOW for error in errors),
    )


def _apply_receipt(receipt: DeliveryReceipt) -> EventOutcome:
    """Outside the window means that another form may do, if it was free text that failed: a template needs none."""
    return delivery_reports.apply_receipt(
        replace(receipt, again=receipt.again and whatsapp.close_window(receipt.address))
    )


def _handle_text(said: IncomingText) -> EventOutcome:
    """Their window is open for a day; "stop" is a word that we obey."""
    known = recipients.heard_on_whatsapp(said.phone, said.at)
    if said.text.strip().lower() in STOP:
        recipients.said_stop_on_whatsapp(said.phone, said.at)
        return EventOutcome.APPLIED
    return EventOutcome.APPLIED if known else EventOutcome.IGNORED


def _parse_time(one: dict[str, Any]) -> datetime:
    at = clock.from_unix(int(one["timestamp"]))
    if at is None:
        raise ValueError("timestamp")
    return at
