"""Stripe's error bodies: `{"error": {type, code, message, param}}` (docs.stripe.com/api/errors)."""

from __future__ import annotations

from typing import Any


class StripeError(Exception):
    """An answer that is an error.

    `saved`: whether the idempotency layer keeps it. Stripe keeps every outcome of an endpoint that started executing
    and forgets refusals of validation (docs.stripe.com/api/idempotent_requests).
    """

    def __init__(self, status: int, body: dict[str, Any], *, saved: bool) -> None:
        super().__init__(body["message"])
        self.status = status
        self.body = {"error": body}
        self.saved = saved


def invalid_request(
    message: str, *, param: str | None = None, code: str | None = None, status: int = 400
) -> StripeError:
    """The request cannot be understood: nothing was executed, nothing is remembered."""
    return StripeError(status, _error_body("invalid_request_error", message, param=param, code=code), saved=False)


def refused_request(message: str, *, code: str | None = None, param: str | None = None, **more: Any) -> StripeError:
    """The request was understood and executing it was not possible: remembered under its key, as Stripe does."""
    return StripeError(400, _error_body("invalid_request_error", message, param=param, code=code) | more, saved=True)


def missing_resource(kind: str, object_id: str, *, param: str = "id", status: int = 404) -> StripeError:
    return invalid_request(f"No such {kind}: '{object_id}'", param=param, code="resource_missing", status=status)


def declined_card(message: str, *, code: str, decline_code: str, charge: str, intent: dict[str, Any]) -> StripeError:
    body = _error_body("card_error", message, code=code)
    return StripeError(
        402, body | {"decline_code": decline_code, "charge": charge, "payment_intent": intent}, saved=True
    )


def unauthorized_key(message: str) -> StripeError:
    return StripeError(401, _error_body("invalid_request_error", message), saved=False)


def idempotency_error(message: str, *, status: int = 400, code: str | None = None) -> StripeError:
    return StripeError(status, _error_body("idempotency_error", message, code=code), saved=False)


def _error_body(error_type: str, message: str, *, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"type": error_type, "message": message}
    if code:
        body |= {"code": code, "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"}
    if param:
        body["param"] = param
    return body
