"""POST /{version}/{phone number id}/messages: free text and templates."""

from __future__ import annotations

import re
import secrets
from base64 import b64encode
from typing import Any

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.http import json_answer, json_object
from sandbox.engine.inbox import LOST
from sandbox.engine.store import Transaction
from sandbox.providers.whatsapp import webhooks

NUMBER = re.compile(r"\+?[1-9]\d{6,14}")
TEMPLATE = "whatsapp.template"
LONGEST_TEXT = 4096
LONGEST_OPAQUE = 512
REFUSALS = {
    "too_many": (130429, "Rate limit hit", 429),
    "refused": (131026, "Message undeliverable", 400),
    "ecosystem": (131049, "This message was not delivered to maintain healthy ecosystem engagement.", 400),
}


def error_response(code: int, message: str, *, status: int = 400) -> HttpResponse:
    error = {
        "message": f"(#{code}) {message}",
        "type": "OAuthException",
        "code": code,
        "error_data": {"messaging_product": "whatsapp", "details": message},
        "fbtrace_id": secrets.token_urlsafe(8),
    }
    return json_answer({"error": error}, status=status)


def send_message(request: HttpRequest, version: str, sender: str) -> HttpResponse:
    now = runtime.current_runtime()
    if sender != now.keys["whatsapp_phone_number_id"]:
        return error_response(100, f"Unsupported post request. Object with ID '{sender}' does not exist")
    body = json_object(request) or {}
    if problem := _find_problem(body):
        return error_response(100, f"Invalid parameter: {problem}")
    phone = f"+{body['to'].removeprefix('+')}"
    message = {
        "id": "wamid." + b64encode(secrets.token_bytes(24)).decode(),
        "to": phone.removeprefix("+"),
        "opaque": body.get("biz_opaque_callback_data", ""),
    }
    with now.store.transaction() as tx:
        refusal = webhooks.TELLING.refusal_for(tx, phone)
        outside = body["type"] == "text" and not webhooks.window_is_open(tx, phone)
        title, words = _message_shown(tx, body)
        kind = LOST if refusal or outside else webhooks.TELLING.arrival_kind(tx, phone)
        known = {**message, "type": body["type"], "from": f"+{webhooks.DISPLAY_NUMBER}"}
        number = now.inbox.deliver_message(tx, "whatsapp", phone, title=title, body=words, data=known, kind=kind)
        if refusal:
            code, text, status = REFUSALS[refusal]
            now.inbox.note_outcome(tx, number, "refused", f"{code}: {text}")
            return error_response(code, text, status=status)
        webhooks.TELLING.schedule_reports(tx, phone, message, inbox=number, outcome="outside_window" if outside else "")
    contact = {"input": body["to"], "wa_id": message["to"]}
    answer = {"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": message["id"]}]}
    return json_answer(answer)


def _find_problem(body: dict[str, Any]) -> str:
    if body.get("messaging_product") != "whatsapp":
        return "messaging_product must be whatsapp"
    if not isinstance(body.get("to"), str) or not NUMBER.fullmatch(body["to"]):
        return "to is not a phone number"
    if len(str(body.get("biz_opaque_callback_data", ""))) > LONGEST_OPAQUE:
        return "biz_opaque_callback_data is too long"
    match body.get("type"):
        case "text":
            text = (body.get("text") or {}).get("body")
            return "" if isinstance(text, str) and 0 < len(text) <= LONGEST_TEXT else "text.body"
        case "template":
            template = body.get("template") or {}
            language = (template.get("language") or {}).get("code")
            named = isinstance(template.get("name"), str) and re.fullmatch(r"[a-z0-9_]+", template["name"])
            if not named or not language:
                return "template.name, template.language.code"
            odd = [value for value in _template_values(template) if not value or re.search(r"[\n\t]| {5}", value)]
            return "a parameter is empty, or has line breaks, tabs or many blanks" if odd else ""
    return "type must be text or template"


def _template_values(template: dict[str, Any]) -> list[str]:
    parts = [part for part in template.get("components") or [] if part.get("type") == "body"]
    return [str(value.get("text", "")) for part in parts for value in part.get("parameters") or []]


def _message_shown(tx: Transaction, body: dict[str, Any]) -> tuple[str, str]:
    """As the person reads it. A template that nobody taught us is shown by its name and its values."""
    if body["type"] == "text":
        return "", str(body["text"]["body"])
    template = body["template"]
    values = _template_values(template)
    known = tx.get(TEMPLATE, f"{template['name']}/{template['language']['code']}")
    words = known["body"] if known else " · ".join(values)
    for number, value in enumerate(values, start=1):
        words = words.replace(f"{{{{{number}}}}}", value)
    return "" if known else str(template["name"]), words
