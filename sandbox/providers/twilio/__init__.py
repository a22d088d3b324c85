"""Twilio: create and fetch Messages; calls are in calls.py.

Documented at twilio.com/docs/messaging/api/message-resource; errors at twilio.com/docs/api/errors. Authentication: HTTP
Basic with account SID and auth token. Form bodies, 201, status `queued`; a fetch shows `delivered`. The magic numbers
of twilio.com/docs/iam/test-credentials behave as documented. Who gives a StatusCallback is told what became of the
message (callbacks.py). Who answers STOP is written to no more (opt_outs.py).
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from collections.abc import Iterable
from email.utils import formatdate
from typing import Any

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.http import json_answer
from sandbox.engine.inbox import LOST
from sandbox.engine.provider import Route
from sandbox.engine.store import Transaction
from sandbox.message_outcomes import TOO_MANY, ReportingMessenger
from sandbox.providers.twilio import callbacks, calls, opt_outs
from sandbox.providers.twilio.responses import MAGIC_FROM, MAGIC_TO, NUMBER, error_response

KIND = "twilio.message"
MESSAGES = "2010-04-01/Accounts/<str:account>/Messages"
LONGEST_BODY = 1600
SEGMENT_CHARS = 153

REFUSALS = {
    TOO_MANY: (20429, "Too Many Requests", 429),
    "unsubscribed": (21610, "Attempt to send to unsubscribed recipient", 400),
}


class Twilio(ReportingMessenger):
    name = "twilio"
    title = "Twilio"
    channel = "sms"
    hears = True
    telling = callbacks.TELLING
    buttons = {
        "delivered": "Delivered",
        "unreachable": "Undelivered: phone is off",
        "unknown": "Undelivered: no such number",
        "blocked": "Undelivered: blocked",
    }

    def list_routes(self) -> Iterable[Route]:
        return (
            Route("POST", f"{MESSAGES}.json", create_message),
            Route("GET", f"{MESSAGES}/<str:sid>.json", fetch_message),
            Route("POST", "2010-04-01/Accounts/<str:account>/Calls.json", calls.create_call),
        )

    def check_credentials(self, request: HttpRequest) -> HttpResponse | None:
        keys = runtime.current_runtime().keys
        expected = f"{keys['twilio_account_sid']}:{keys['twilio_auth_token']}"
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        try:
            shown = base64.b64decode(value, validate=True).decode() if scheme == "Basic" else ""
        except (binascii.Error, UnicodeDecodeError):
            shown = ""
        return None if shown == expected else error_response(20003, "Authenticate", status=401)

    def failure_response(self, request: HttpRequest, status: int, message: str) -> HttpResponse:
        return error_response({404: 20404, 405: 20004, 429: 20429}.get(status, 20500), message, status=status)

    def sign_webhook(self, signer: str, body: str, now: float, *, wrong: bool) -> dict[str, str]:
        return callbacks.sign_callback(signer, body, wrong=wrong)

    def take_answer(self, tx: Transaction, address: str, text: str) -> None:
        opt_outs.take_answer(tx, address, text)


def create_message(request: HttpRequest, account: str) -> HttpResponse:
    now = runtime.current_runtime()
    if account != now.keys["twilio_account_sid"]:
        return error_response(20404, f"The requested resource {request.path} was not found", status=404)
    form = request.POST
    to, sender, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
    service = form.get("MessagingServiceSid", "")
    problem = _find_problem(to, sender, service, body, has_content=bool(form.get("ContentSid") or form.get("MediaUrl")))
    if problem:
        return error_response(*problem)
    message = _message_body(account, to, sender, service, body)
    with now.store.transaction() as tx:
        refusal = opt_outs.refusal_for(tx, to) or callbacks.TELLING.refusal_for(tx, to)
        kind = LOST if refusal else callbacks.TELLING.arrival_kind(tx, to)
        known = {"sid": message["sid"], "from": sender or service}
        number = now.inbox.deliver_message(tx, "sms", to, body=body, data=known, kind=kind)
        if refusal:
            code, text, status = REFUSALS[refusal]
            now.inbox.note_outcome(tx, number, "refused", f"{code}: {text}")
            return error_response(code, text, status=status)
        tx.put(KIND, message["sid"], message)
        if url := form.get("StatusCallback", ""):
            told = {"id": message["sid"], "to": to, "from": sender, "account": account, "url": url}
            callbacks.TELLING.schedule_reports(tx, to, told, inbox=number)
    return json_answer(message, status=201)


def fetch_message(request: HttpRequest, account: str, sid: str) -> HttpResponse:
    with runtime.current_runtime().store.transaction() as tx:
        message = tx.get(KIND, sid)
    if message is None or message["account_sid"] != account:
        return error_response(20404, f"The requested resource {request.path} was not found", status=404)
    return json_answer(message | {"status": "delivered", "date_sent": message["date_created"]})


def _find_problem(to: str, sender: str, service: str, body: str, *, has_content: bool) -> tuple[int, str] | None:
    if not to:
        return 21604, "A 'To' phone number is required."
    if not sender and not service:
        return 21603, "A 'From' phone number is required."
    if not body and not has_content:
        return 21602, "Message body is required."
    if len(body) > LONGEST_BODY:
        return 21617, "The concatenated message body exceeds the 1600 character limit"
    if not NUMBER.fullmatch(to):
        return 21211, f"Invalid 'To' Phone Number: {to}"
    return MAGIC_TO.get(to) or MAGIC_FROM.get(sender)


def _message_body(account: str, to: str, sender: str, service: str, body: str) -> dict[str, Any]:
    sid = "SM" + secrets.token_hex(16)
    created = formatdate(time.time(), usegmt=True).replace("GMT", "+0000")
    return {
        "account_sid": account,
        "api_version": "2010-04-01",
        "body": body,
        "date_created": created,
        "date_sent": None,
        "date_updated": created,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": sender or None,
        "messaging_service_sid": service or None,
        "num_media": "0",
        "num_segments": str(1 + len(body) // SEGMENT_CHARS),
        "price": None,
        "price_unit": "USD",
        "sid": sid,
        "status": "queued",
        "subresource_uris": {},
        "to": to,
        "uri": f"/2010-04-01/Accounts/{account}/Messages/{sid}.json",
    }
