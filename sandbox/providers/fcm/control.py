"""FCM's part of the control API, at /_control/fcm/: what became of a device."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from sandbox.engine import runtime
from sandbox.engine.control import body_of, control_view
from sandbox.engine.http import BadRequest
from sandbox.engine.provider import Route
from sandbox.engine.store import Transaction

KIND = "fcm.token"
STATES = ("ok", "unregistered", "invalid", "sender_mismatch", "quota", "unavailable")
UNREGISTERED_PREFIX = "unregistered-"


def fate_of(tx: Transaction, token: str) -> str:
    known = tx.get(KIND, token)
    if known:
        return str(known["state"])
    return "unregistered" if token.startswith(UNREGISTERED_PREFIX) else "ok"


@control_view
def set_token(request: HttpRequest) -> dict[str, Any]:
    """{"token", "state": "ok|unregistered|invalid|sender_mismatch|quota|unavailable"}"""
    body = body_of(request)
    token, state = body.get("token"), body.get("state", "unregistered")
    if not isinstance(token, str) or not token:
        raise BadRequest("token", "must be a string")
    with runtime.current_runtime().store.transaction() as tx:
        decide_state(tx, token, state)
    return {"token": token, "state": state}


def decide_state(tx: Transaction, token: str, state: Any) -> None:
    if state not in STATES:
        raise BadRequest("state", f"one of {', '.join(STATES)}")
    tx.put(KIND, token, {"token": token, "state": state})


ROUTES = (Route("PUT", "tokens", set_token),)
