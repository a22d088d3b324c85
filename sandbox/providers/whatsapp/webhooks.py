"""What WhatsApp tells: statuses of messages, and what people write. One entry, one change each."""

from __future__ import annotations

import json
import secrets
from typing import Any

from sandbox.engine import runtime
from sandbox.engine.inbox import SAID
from sandbox.engine.store import Transaction
from sandbox.message_outcomes import OutcomeScript

WINDOW = "whatsapp.window"
WINDOW_S = 24 * 3600
BUSINESS = "100000000000001"
DISPLAY_NUMBER = "15550783881"
ERRORS = {
    "undelivered": (131026, "Message undeliverable"),
    "outside_window": (131047, "Re-engagement message"),
    "ecosystem_later": (131049, "This message was not delivered to maintain healthy ecosystem engagement."),
}
STORIES = {
    "delivered": ("sent", "delivered"),
    "read": ("sent", "delivered", "read"),
    "sent": ("sent",),
    "undelivered": ("undelivered",),
    "outside_window": ("outside_window",),
    "ecosystem_later": ("ecosystem_later",),
}


def window_is_open(tx: Transaction, phone: str) -> bool:
    known = tx.get(WINDOW, phone)
    return known is not None and tx.now - float(known["heard"]) < WINDOW_S


def send_incoming_text(tx: Transaction, phone: str, text: str) -> str:
    """The person writes to us, which opens the window; returns the id of their message."""
    tx.put(WINDOW, phone, {"heard": tx.now})
    runtime.current_runtime().inbox.deliver_message(tx, "whatsapp", phone, body=text, data={}, kind=SAID)
    number, wamid = phone.removeprefix("+"), f"wamid.{secrets.token_urlsafe(24)}"
    message = {
        "from": number,
        "id": wamid,
        "timestamp": str(int(tx.now)),
        "type": "text",
        "text": {"body": text},
    }
    contact = {"profile": {"name": "A person"}, "wa_id": number}
    _send_webhook(tx, "messages", wamid, {"contacts": [contact], "messages": [message]})
    return wamid


def send_status(tx: Transaction, message: dict[str, Any], word: str) -> None:
    status = {
        "id": message["id"],
        "status": "failed" if word in ERRORS else word,
        "timestamp": str(int(tx.now)),
        "recipient_id": message["to"],
    }
    if message["opaque"]:
        status["biz_opaque_callback_data"] = message["opaque"]
    if word in ERRORS:
        code, title = ERRORS[word]
        status["errors"] = [{"code": code, "title": title, "message": title, "error_data": {"details": title}}]
    else:
        status["pricing"] = {"billable": True, "pricing_model": "PMP", "category": "utility"}
    _send_webhook(tx, str(status["status"]), message["id"], {"statuses": [status]})


def _send_webhook(tx: Transaction, topic: str, reference: str, news: dict[str, Any]) -> None:
    now = runtime.current_runtime()
    metadata = {"display_phone_number": DISPLAY_NUMBER, "phone_number_id": now.keys["whatsapp_phone_number_id"]}
    value = {"messaging_product": "whatsapp", "metadata": metadata, **news}
    entry = {"id": BUSINESS, "changes": [{"field": "messages", "value": value}]}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]})
    url = f"{now.handoff_url}/webhooks/whatsapp"
    now.dispatcher.send_webhook(tx, "whatsapp", topic=topic, url=url, body=body, reference=reference)


def put(word: str) -> str:
    return f"failed: {ERRORS[word][1]} ({ERRORS[word][0]})" if word in ERRORS else word


TELLING = OutcomeScript(
    "whatsapp", STORIES, send_status, not_arriving=ERRORS, refusals=("refused", "ecosystem"), said=put
)
