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
from foundation.evidence import Verdict
from foundation.webhook import Door, Knock, Notice, Refused, Seal
from notifications import receipts
from notifications.channels import sms
from notifications.evidence import Receipt
from notifications.models import ReceiptWord

SIGNATURE = "x-twilio-signature"
MOST_FIELDS = 200
IDENTITY = ("MessageSid", "MessageStatus")  # together they are one event
SID_LENGTH, STATUS_LENGTH = 64, 50
MESSAGE = "message"  # in the URL, and beside Twilio's own fields in what is stored

WORDS: dict[str, ReceiptWord] = {
    "accepted": ReceiptWord.QUEUED,
    "scheduled": ReceiptWord.QUEUED,
    "queued": ReceiptWord.QUEUED,
    "sending": ReceiptWord.QUEUED,
    "sent": ReceiptWord.SENT,
    "delivered": ReceiptWord.DELIVERED,
    "partially_delivered": ReceiptWord.DELIVERED,
    "read": ReceiptWord.READ,
    "undelivered": ReceiptWord.UNDELIVERED,
    "failed": ReceiptWord.FAILED,
    "canceled": ReceiptWord.FAILED,
}


@dataclass(frozen=True)
class NamedSeal(Seal):
    """`message` is the one that the signed URL names."""

    message: str = ""


class TwilioDoor(Door):
    provider = "twilio"
    content_types = frozenset({"application/x-www-form-urlencoded"})

    def verify(self, knock: Knock) -> Seal:
        from twilio.request_validator import RequestValidator

        tokens = [token for token in (settings.TWILIO_AUTH_TOKEN, *settings.TWILIO_OLD_AUTH_TOKENS) if token]
        if not tokens:
            raise Refused(503, "not_enabled", "Twilio is not configured here")
        signature = knock.headers.get(SIGNATURE, "")
        if not signature:
            raise Refused(401, "missing_signature", "the signature is missing")
        form = MultiValueDict[str, str]()
        for name, value in _fields(knock.raw):
            form.appendlist(name, value)
        held = [RequestValidator(token).validate(knock.url, form, signature) for token in tokens]
        if not any(held):
            raise Refused(401, "wrong_signature", "the signature is not Twilio's")
        return NamedSeal(signature, message=_named(knock.url))

    def parse(self, raw: bytes) -> dict[str, str]:
        return dict(_fields(raw))

    def notices(self, payload: Any, seal: Seal) -> Sequence[Notice]:
        sid, status = (str(payload.get(name, "")) if isinstance(payload, dict) else "" for name in IDENTITY)
        if not 0 < len(sid) <= SID_LENGTH or not 0 < len(status) <= STATUS_LENGTH:
            raise Refused(400, "bad_body", "MessageSid and MessageStatus are needed")
        named = {MESSAGE: seal.message} if isinstance(seal, NamedSeal) and seal.message else {}
        return [Notice(status, f"{sid}:{status}", {**payload, **named})]

    def handle(self, event_type: str, event_id: str, payload: Any) -> Verdict:
        receipt = read(event_type, payload)
        return receipts.take(receipt) if receipt else Verdict.IGNORED

    def warm_up(self) -> None:
        from twilio import request_validator  # noqa: F401


def _fields(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise Refused(400, "bad_body", "body is not a form in UTF-8") from error


def _named(url: str) -> str:
    return parse_qs(urlsplit(url).query).get(MESSAGE, [""])[0]


def read(event_type: str, form: dict[str, str]) -> Receipt | None:
    """A callback as a receipt; None for a status that we do not know, or that is not of a message of ours."""
    word = WORDS.get(event_type)
    if word is None:
        return None
    code = form.get("ErrorCode", "")
    return Receipt(
        channel="sms",
        word=word,
        at=clock.now(),
        message=form.get(MESSAGE, ""),
        provider_id=form["MessageSid"],
        error=" ".join(part for part in (code, form.get("ErrorMessage", "")) if part),
        address=form.get("To", ""),
        retires=sms.RETIRING.get(code, ""),
    )
