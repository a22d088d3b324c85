"""Twilio's status callbacks: form posts to the URL that came with the message, signed over that very URL.

They leave for Handoff's own address, whatever the host in that URL: the sandbox stands where a proxy with the public
name would.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from sandbox.engine import runtime
from sandbox.engine.store import Transaction
from sandbox.message_outcomes import OutcomeScript

ERRORS = {"unreachable": "30003", "blocked": "30004", "unknown": "30005", "landline": "30006", "filtered": "30007"}
STORIES = {
    "delivered": ("sent", "delivered"),
    "read": ("sent", "delivered", "read"),
    "sent": ("sent",),
    "failed": ("failed",),
    **{outcome: ("sent", outcome) for outcome in ERRORS},
}


def send_callback(tx: Transaction, message: dict[str, Any], word: str) -> None:
    status = "undelivered" if word in ERRORS else word
    form = {
        "SmsSid": message["id"],
        "SmsStatus": status,
        "MessageStatus": status,
        "To": message["to"],
        "MessageSid": message["id"],
        "AccountSid": message["account"],
        "From": message["from"],
        "ApiVersion": "2010-04-01",
    }
    if code := ERRORS.get(word) or ("30008" if word == "failed" else ""):
        form["ErrorCode"] = code
    asked = urlsplit(message["url"])
    query = f"?{asked.query}" if asked.query else ""
    now = runtime.current_runtime()
    now.dispatcher.send_webhook(
        tx,
        "twilio",
        topic=status,
        url=f"{now.handoff_url}{asked.path}{query}",
        body=urlencode(form),
        reference=message["id"],
        signer=message["url"],
        headers={"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"},
    )


def sign_callback(url: str, body: str, *, wrong: bool) -> dict[str, str]:
    token = runtime.current_runtime().keys["twilio_auth_token"]
    form = dict(parse_qsl(body, keep_blank_values=True))
    text = url + "".join(name + form[name] for name in sorted(form))
    digest = hmac.new((token[::-1] if wrong else token).encode(), text.encode(), hashlib.sha1).digest()
    return {"X-Twilio-Signature": b64encode(digest).decode()}


def describe_outcome(word: str) -> str:
    return f"undelivered: {word} ({ERRORS[word]})" if word in ERRORS else word


TELLING = OutcomeScript(
    "twilio",
    STORIES,
    send_callback,
    not_arriving=(*ERRORS, "failed"),
    refusals=("unsubscribed",),
    said=describe_outcome,
)
