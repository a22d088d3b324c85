"""Twilio's status callbacks: what became of an SMS.

Documented at twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks and docs/usage/security.
Authentication: `X-Twilio-Signature`, HMAC-SHA1 by the auth token over the public URL (as we gave it when sending) and
the form's parameters, none of them trimmed; checked by Twilio's own SDK. Fields are added without notice, and signed.
Event id: none; MessageSid and MessageStatus together are one. Order is not promised. It tells no time: ours counts.
Quirks: the URL names our message (`?message=…`), for a callback may come before we have written the SID down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from django.conf import settings
from django.utils.datastructures import MultiValueDict

from foundation import clock
from foundation.evidence import EventOutcome
from foundation.webhook import IncomingEvent, VerifiedSignature, WebhookProvider, WebhookRejected, WebhookRequest
from notifications.channels import sms
from notifications.models import ReceiptOutcome
from notifications.outbox import delivery_reports
from notifications.outbox.receipt import DeliveryReceipt

SIGNATURE = "x-twilio-signature"
MOST_FIELDS = 200
IDENTITY = ("MessageSid", "MessageStatus")  # together they are one event
SID_LENGTH, STATUS_LENGTH = 64, 50
MESSAGE = "message"  # in the URL, and beside Twilio's own fields in what is stored

WORDS: dict[str, ReceiptOutcome] = {
    "accepted": ReceiptOutcome.QUEUED,
    "scheduled": ReceiptOutcome.QUEUED,
    "queued": ReceiptOutcome.QUEUED,
    "sending": ReceiptOutcome.QUEUED,
    "sent": ReceiptOutcome.SENT,
    "delivered": ReceiptOutcome.DELIVERED,
    "partially_delivered": ReceiptOutcome.DELIVERED,
    "read": ReceiptOutcome.READ,
    "undelivered": ReceiptOutcome.UNDELIVERED,
    "failed": ReceiptOutcome.FAILED,
    "canceled": ReceiptOutcome.FAILED,
}


@dataclass(frozen=True)
class NamedSignature(VerifiedSignature):
    """`message` is the one that the signed URL names."""

    message: str = ""


class TwilioWebhooks(WebhookProvider):
    provider = "twilio"
    content_types = frozenset({"application/x-www-form-urlencoded"})

    def verify_signature(self, request: WebhookRequest) -> VerifiedSignature:
        from twilio.request_validator import RequestValidator

        tokens = [token for token in (settings.TWILIO_AUTH_TOKEN, *settings.TWILIO_OLD_AUTH_TOKENS) if token]
        if not tokens:
            raise WebhookRejected(503, "not_enabled", "Twilio is not configured here")
        signature = request.headers.get(SIGNATURE, "")
        if not signature:
            raise WebhookRejected(401, "missing_signature", "the signature is missing")
        form = MultiValueDict[str, str]()
        for name, value in _parse_fields(request.raw):
            form.appendlist(name, value)
        held = [RequestValidator(token).validate(request.url, form, signature) for token in tokens]
        if not any(held):
            raise WebhookRejected(401, "wrong_signature", "the signature is not Twilio's")
        return NamedSignature(signature, message=_named_message(request.url))

    def parse_body(self, raw: bytes) -> dict[str, str]:
        return dict(_parse_fields(raw))

    def list_events(self, payload: Any, verified: VerifiedSignature) -> Sequence[IncomingEvent]:
        sid, status = (str(payload.get(name, "")) if isinstance(payload, dict) else "" for name in IDENTITY)
        if not 0 < len(sid) <= SID_LENGTH or not 0 < len(status) <= STATUS_LENGTH:
            raise WebhookRejected(400, "bad_body", "MessageSid and MessageStatus are needed")
        named = {MESSAGE: verified.message} if isinstance(verified, NamedSignature) and verified.message else {}
        return [IncomingEvent(status, f"{sid}:{status}", {**payload, **named})]

    def handle(self, event_type: str, event_id: str, payload: Any) -> EventOutcome:
        receipt = read_receipt(event_type, payload)
        return delivery_reports.apply_receipt(receipt) if receipt else EventOutcome.IGNORED

    def warm_up(self) -> None:
        from twilio import request_validator  # noqa: F401


def _parse_fields(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise WebhookRejected(400, "bad_body", "body is not a form in UTF-8") from error


def _named_message(url: str) -> str:
    return parse_qs(urlsplit(url).query).get(MESSAGE, [""])[0]


def read_receipt(event_type: str, form: dict[str, str]) -> DeliveryReceipt | None:
    """A callback as a receipt; None for a status that we do not know, or that is not of a message of ours."""
    word = WORDS.get(event_type)
    if word is None:
        return None
    code = form.get("ErrorCode", "")
    return DeliveryReceipt(
        channel="sms",
        outcome=word,
        at=clock.now(),
        message=form.get(MESSAGE, ""),
        provider_id=form["MessageSid"],
        error=" ".join(part for part in (code, form.get("ErrorMessage", "")) if part),
        address=form.get("To", ""),
        retires=sms.RETIRING.get(code, ""),
    )
