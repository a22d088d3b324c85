"""WhatsApp's part of the control API, at /_control/whatsapp/: what people write, and the words of templates."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from sandbox.engine import runtime
from sandbox.engine.control import body_of, control_view
from sandbox.engine.http import BadRequest
from sandbox.engine.provider import Route
from sandbox.providers.whatsapp import messages, webhooks


@control_view
def say_to_us(request: HttpRequest) -> dict[str, Any]:
    """{"from", "text"}: a person writes to the business."""
    phone, text = _read_fields(body_of(request), "from", "text")
    with runtime.current_runtime().store.transaction() as tx:
        return {"id": webhooks.send_incoming_text(tx, phone, text)}


@control_view
def register_template(request: HttpRequest) -> dict[str, Any]:
    """{"name", "language", "body"}: a template is approved, with {{1}}, {{2}}, … where values go."""
    name, language, words = _read_fields(body_of(request), "name", "language", "body")
    with runtime.current_runtime().store.transaction() as tx:
        tx.put(messages.TEMPLATE, f"{name}/{language}", {"body": words})
    return {"name": name, "language": language}


def _read_fields(body: dict[str, Any], *names: str) -> list[str]:
    for name in names:
        if not isinstance(body.get(name), str) or not body[name]:
            raise BadRequest(name, "must be a string")
    return [body[name] for name in names]


ROUTES = (Route("POST", "say", say_to_us), Route("PUT", "templates", register_template))
