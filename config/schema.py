"""What the OpenAPI schema says about addresses that are no DRF views: the webhook endpoints and the probes (SPEC
S7)."""

from typing import Any

from webhooks import registry

_JSON = "application/json"


def _json_answers(**descriptions: str) -> dict[str, Any]:
    """`_json_answers(s200="…", s400="…")`: JSON answers by status."""
    return {
        status[1:]: {"description": text, "content": {_JSON: {"schema": {"type": "object"}}}}
        for status, text in descriptions.items()
    }


def _post_operation(
    operation: str, summary: str, answers: dict[str, Any], parameters: list[dict[str, Any]]
) -> dict[str, Any]:
    body = {"required": True, "content": {_JSON: {"schema": {"type": "object", "additionalProperties": True}}}}
    return {
        "post": {
            "operationId": operation,
            "summary": summary,
            "tags": ["webhooks"],
            "security": [{}],
            "parameters": parameters,
            "requestBody": body,
            "responses": answers,
        }
    }


def _get_operation(operation: str, summary: str, answers: dict[str, Any], tag: str = "probes") -> dict[str, Any]:
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            "tags": [tag],
            "security": [{}],
            "responses": answers,
        }
    }


def _greeting_path() -> dict[str, Any]:
    """WhatsApp's challenge: plain text, as Meta asks when the webhook is set up."""
    names = ("hub.mode", "hub.verify_token", "hub.challenge")
    text = {"description": "`hub.challenge`, as it came.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    refused = _json_answers(s400="A parameter is missing.", s403="Not our token.", s503="Not configured.")
    greeting = _get_operation(
        "webhooks_whatsapp_greeting", "Meta makes sure that we are there.", {"200": text, **refused}, "webhooks"
    )
    greeting["get"]["parameters"] = [
        {"name": name, "in": "query", "required": True, "schema": {"type": "string"}} for name in names
    ]
    return greeting


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def add_plain_addresses(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular's postprocessing hook."""
    refused = _json_answers(
        s200="Stored (or known already).",
        s400="The signature or the body is no good.",
        s413="1 MB or more.",
        s415="Not JSON.",
        s503="Not configured, or the database is away: try again.",
    )
    for provider in registry.webhook_providers():
        summary = f"Events of {provider}: signed, stored once, answered after the commit."
        result["paths"][f"/webhooks/{provider}"] = _post_operation(f"webhooks_{provider}", summary, refused, [])
    result["paths"]["/webhooks/whatsapp"] |= _greeting_path()
    result["paths"]["/pp_callback/{slug}/"] = _post_operation(
        "pp_callback",
        "PetPooja tells what became of an order; answered in its contract's words.",
        _json_answers(
            s200="`{success: true, message, order_id, new_status}`",
            s400="Unknown status or malformed body: `{success: false, message, order_id}`",
            s401="The store's callback token is missing or wrong.",
            s404="No such store or order.",
            s500="Something went wrong here: call again.",
        ),
        [_path_parameter("slug"), {"name": "token", "in": "query", "schema": {"type": "string"}}],
    )
    result["paths"]["/health"] = _get_operation("health", "The process is alive.", _json_answers(s200="`{status: ok}`"))
    result["paths"]["/ready"] = _get_operation(
        "ready",
        "The process may be sent traffic.",
        _json_answers(s200="`{status: ready, backlog: {lane: rows due}}`", s503="What is missing."),
    )
    result["paths"] = dict(sorted(result["paths"].items()))
    return result
