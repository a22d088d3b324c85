"""messages:send, one message a call, `validate_only` checks without delivering."""

from __future__ import annotations

import json
import secrets
from typing import Any

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.http import json_answer, json_object
from sandbox.engine.inbox import ARRIVED, LOST
from sandbox.engine.store import Transaction
from sandbox.keys import FIREBASE_PROJECT
from sandbox.providers.fcm import control

FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
TARGETS = ("token", "topic", "condition", "fid")
LARGEST_PAYLOAD_BYTES = 4096
SHORTEST_TOKEN = 8


def status_answer(status: int, name: str, message: str, fcm_code: str | None = None) -> HttpResponse:
    """google.rpc.Status as JSON; `fcm_code` goes into the detail that tells FCM's errors apart."""
    error: dict[str, Any] = {"code": status, "message": message, "status": name}
    if fcm_code:
        error["details"] = [{"@type": FCM_ERROR, "errorCode": fcm_code}]
    return json_answer({"error": error}, status=status)


FATES = {
    "unregistered": (404, "NOT_FOUND", "Requested entity was not found.", "UNREGISTERED"),
    "invalid": (
        400,
        "INVALID_ARGUMENT",
        "The registration token is not a valid FCM registration token",
        "INVALID_ARGUMENT",
    ),
    "sender_mismatch": (403, "PERMISSION_DENIED", "SenderId mismatch", "SENDER_ID_MISMATCH"),
    "quota": (429, "RESOURCE_EXHAUSTED", "Quota exceeded for this device.", "QUOTA_EXCEEDED"),
    "unavailable": (503, "UNAVAILABLE", "The service is currently unavailable.", "UNAVAILABLE"),
}


def send_message(request: HttpRequest, project: str) -> HttpResponse:
    if project != FIREBASE_PROJECT:
        return status_answer(403, "PERMISSION_DENIED", f"Permission denied on project {project}.")
    body = json_object(request)
    message = body.get("message") if body else None
    if body is None or not isinstance(message, dict):
        return _invalid_argument("Invalid JSON payload received: message is missing.")
    problem = _find_problem(message)
    if problem:
        return _invalid_argument(problem)
    now = runtime.current_runtime()
    token = str(message.get("token") or message.get("fid") or "")
    with now.store.transaction() as tx:
        fate = control.fate_of(tx, token) if token else "ok"
        if not body.get("validate_only"):
            _show_in_inbox(tx, token, message, refused=FATES[fate][3] if fate != "ok" else "")
        if fate != "ok":
            return status_answer(*FATES[fate])
    return json_answer({"name": f"projects/{project}/messages/0:{secrets.token_hex(8)}"})


def _show_in_inbox(tx: Transaction, token: str, message: dict[str, Any], *, refused: str) -> None:
    notification, inbox = message.get("notification") or {}, runtime.current_runtime().inbox
    number = inbox.deliver_message(
        tx,
        "push",
        token or f"topic {message.get('topic') or message.get('condition')}",
        title=str(notification.get("title") or ""),
        body=str(notification.get("body") or ""),
        data=message.get("data") or {},
        kind=LOST if refused else ARRIVED,
    )
    inbox.note_outcome(tx, number, "refused" if refused else "shown", refused)


def _find_problem(message: dict[str, Any]) -> str | None:
    targets = [name for name in TARGETS if message.get(name)]
    if len(targets) != 1:
        return f"Exactly one of {', '.join(TARGETS)} is required."
    data = message.get("data") or {}
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        return "Invalid value at 'message.data': a map of string to string is required."
    notification = message.get("notification") or {}
    if not isinstance(notification, dict):
        return "Invalid value at 'message.notification'."
    if len(json.dumps([data, notification], ensure_ascii=False).encode()) > LARGEST_PAYLOAD_BYTES:
        return "Android message is too big"
    if targets == ["token"] and (not isinstance(message["token"], str) or len(message["token"]) < SHORTEST_TOKEN):
        return "The registration token is not a valid FCM registration token"
    return None


def _invalid_argument(message: str) -> HttpResponse:
    return status_answer(400, "INVALID_ARGUMENT", message, "INVALID_ARGUMENT")
