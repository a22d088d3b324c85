"""WhatsApp's part of the control API, at /_control/whatsapp/: what people write, and the words of templates."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from sandbox.engine import runtime
from sandbox.engine.control import body_of, control
from sandbox.engine.http import BadRequest
from sandbox.engine.provider import Route
from sandbox.providers.whatsapp import messages, notices


@control
def say(request: HttpRequest) -> dict[str, Any]:
    """{"from", "text"}: a person writes to the business."""
    phone, text = _words(body_of(request), "from", "text")
    with runtime.current().store.transaction() as tx:
        return {"id": notices.said(tx, phone, text)}


@control
def teach(request: HttpRequest) -> dict[str, Any]:
    """{"name", "language", "body"}: a template is approved, with {{1}}, {{2}}, … where values go."""
    name, language, words = _words(body_of(request), "name", "language", "body")
    with runtime.current().store.transaction() as tx:
        tx.put(messages.TEMPLATE, f"{name}/{language}", {"body": words})
    return {"name": name, "language": language}


def _words(body: dict[str, Any], *names: str) -> list[str]:
    for name in names:
        if not isinstance(body.get(name), str) or not body[name]:
            raise BadRequest(name, "must be a string")
    return [body[name] for name in names]


ROUTES = (Route("POST", "say", say), Route("PUT", "templates", teach))
