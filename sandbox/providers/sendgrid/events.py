"""SendGrid's Event Webhook: what became of each mail, a list of events in a body that ends with a line break.

Signed as SendGrid does: ECDSA over the timestamp and the raw body; a retry carries the timestamp of the first try.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from functools import lru_cache
from typing import Any, cast

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sandbox.engine import runtime
from sandbox.engine.store import Transaction
from sandbox.message_outcomes import OutcomeScript

STORIES = {
    "delivered": ("processed", "delivered"),
    "read": ("processed", "delivered", "open", "click"),
    "deferred": ("processed", "deferred", "delivered"),
    "bounced": ("processed", "bounced"),
    "blocked": ("processed", "blocked"),
    "dropped": ("dropped",),
    "spamreport": ("processed", "delivered", "spamreport"),
    "unsubscribe": ("processed", "delivered", "unsubscribe"),
}
NOT_ARRIVING = {"bounced", "blocked", "dropped"}
MORE: dict[str, dict[str, Any]] = {
    "delivered": {"response": "250 2.0.0 OK"},
    "deferred": {"response": "451 4.7.1 try again later", "attempt": "1"},
    "bounced": {"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 no such user"},
    "blocked": {"event": "bounce", "type": "blocked", "status": "4.7.1", "reason": "554 5.7.1 blocked for now"},
    "dropped": {"reason": "Bounced Address", "status": "5.0.0"},
    "group_resubscribe": {"asm_group_id": 10},
    "click": {"url": "https://handoff.example/"},
}


def send_event(tx: Transaction, message: dict[str, Any], word: str) -> None:
    event = {
        **message["custom_args"],
        "email": message["to"],
        "timestamp": int(tx.now),
        "smtp-id": f"<{message['id']}@geopod-ismtpd-1>",
        "event": word,
        "sg_event_id": secrets.token_urlsafe(24),
        "sg_message_id": f"{message['id']}.recvd-1-0",
        **MORE.get(word, {}),
    }
    now = runtime.current_runtime()
    now.dispatcher.send_webhook(
        tx,
        "sendgrid",
        topic=event["event"],
        url=f"{now.handoff_url}/webhooks/sendgrid",
        body=json.dumps([event], separators=(",", ":")) + "\r\n",
        reference=message["id"],
        signer=str(int(tx.now)),
    )


def sign_body(timestamp: str, body: str, *, wrong: bool) -> dict[str, str]:
    key = (
        ec.generate_private_key(ec.SECP256R1())
        if wrong
        else _load_key(runtime.current_runtime().keys["sendgrid_webhook_private_key"])
    )
    signature = key.sign((timestamp + body).encode(), ec.ECDSA(hashes.SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
    }


@lru_cache(maxsize=1)
def _load_key(pem: str) -> ec.EllipticCurvePrivateKey:
    return cast(ec.EllipticCurvePrivateKey, load_pem_private_key(pem.encode(), password=None))


def describe_outcome(word: str) -> str:
    known = {"processed": "taken", "open": "read", "click": "link clicked", "spamreport": "marked as spam"}
    told = {
        "unsubscribe": "unsubscribed",
        "group_resubscribe": "subscribed again",
        "blocked": "blocked for now",
        **known,
    }.get(word, word)
    reason = MORE.get(word, {}).get("reason")
    return f"{told}: {reason}" if reason else told


TELLING = OutcomeScript("sendgrid", STORIES, send_event, not_arriving=NOT_ARRIVING, said=describe_outcome)
