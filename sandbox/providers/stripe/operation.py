"""What every Stripe endpoint does around its own rule: read parameters, one transaction, errors, keys, expansion."""

from __future__ import annotations

import base64
import binascii
import functools
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.http import json_answer
from sandbox.engine.store import Transaction
from sandbox.providers.stripe import errors, form, idempotency, resources
from sandbox.providers.stripe.form import Parameters

API_VERSION = "2026-10-28.endive"


@dataclass(frozen=True)
class Call:
    """One request: `account` is the connected account it acts for (Stripe-Account), None for the platform.

    `publishable` calls come from a customer's browser: they carry the publishable key and must show a client_secret.
    """

    tx: Transaction
    params: Parameters
    account: str | None
    key: str | None
    request_id: str
    publishable: bool


def secret_of(request: HttpRequest) -> str:
    """The API key of a request: Bearer, as Basic user name, or Stripe.js' form field `key`."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme == "Bearer":
        return value.strip()
    if scheme == "Basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return request.GET.get("key") or request.POST.get("key") or ""


def error_answer(error: errors.StripeError) -> HttpResponse:
    return json_answer(error.body, status=error.status, headers={"Request-Id": f"req_{secrets.token_hex(7)}"})


def stripe_operation(
    accepts: str = "", *, publishable: bool = False
) -> Callable[[Callable[..., dict[str, Any]]], Callable[..., HttpResponse]]:
    """An endpoint. `accepts` names its parameters; any other is refused, as Stripe does.

    The result, the idempotency key and the events are one transaction: a crash leaves all or nothing. An error that
    the key remembers commits too (a declined payment is a fact); rules check before they write.
    """

    def decorate_rule(rule: Callable[..., dict[str, Any]]) -> Callable[..., HttpResponse]:
        @functools.wraps(rule)
        def run_operation(request: HttpRequest, **ids: str) -> HttpResponse:
            by_customer = secret_of(request) == runtime.current_runtime().keys["stripe_publishable_key"]
            request_id = f"req_{secrets.token_hex(7)}"
            headers = {"Request-Id": request_id, "Stripe-Version": API_VERSION}
            key = idempotency.key_of(request)
            with runtime.current_runtime().store.transaction() as tx:
                try:
                    if by_customer and not publishable:
                        raise errors.invalid_request(
                            "This API call cannot be made with a publishable API key. Please use a secret API key.",
                            code="secret_key_required",
                            status=403,
                        )
                    params = Parameters(read_parameters(request, by_customer), accepts)
                    expanded = resources.check_expandable(params.get_names("expand"))
                    account = _acting_account(tx, request)
                    body = rule(Call(tx, params, account, key, request_id, by_customer), **ids)
                    body, status, keep = resources.expand_ids(tx, body, expanded), 200, True
                except errors.StripeError as error:
                    body, status, keep = error.body, error.status, error.saved
                content = json.dumps(body)
                if key and keep:
                    idempotency.remember_answer(tx, request, key, status, content)
            if key:
                headers["Idempotency-Key"] = key
            return HttpResponse(content, status=status, content_type="application/json", headers=headers)

        return run_operation

    return decorate_rule


def read_parameters(request: HttpRequest, by_customer: bool) -> dict[str, Any]:
    encoded = request.META["QUERY_STRING"] if request.method == "GET" else request.body.decode("utf-8", "replace")
    values = form.decode_form(encoded)
    if by_customer:
        values.pop("key", None)
    return values


def _acting_account(tx: Transaction, request: HttpRequest) -> str | None:
    account = request.headers.get("Stripe-Account")
    if account and tx.get(resources.kind_of("account"), account) is None:
        raise errors.invalid_request(
            f"The provided key does not have access to account '{account}' (or that account does not exist).",
            code="account_invalid",
            status=403,
        )
    return account
