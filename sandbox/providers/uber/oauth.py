"""Uber's token endpoint, client credentials in a form, and the control calls that count and expire its tokens."""

from __future__ import annotations

import hmac
import secrets
import time
from typing import Any

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.control import control_view
from sandbox.engine.http import json_answer

KIND = "uber.token"
LIFETIME_S = 30 * 24 * 3600
SCOPE = "eats.deliveries"
FORM = "application/x-www-form-urlencoded"


def grant_token(request: HttpRequest) -> HttpResponse:
    keys, form = runtime.current_runtime().keys, request.POST
    if request.content_type != FORM:
        return _token_refused(400, "invalid_request", f"The body must be {FORM}.")
    if form.get("grant_type") != "client_credentials":
        return _token_refused(400, "unsupported_grant_type", "grant_type must be client_credentials.")
    known = form.get("client_id", "") == keys["uber_client_id"]
    if not known or not hmac.compare_digest(form.get("client_secret", ""), keys["uber_client_secret"]):
        return _token_refused(401, "invalid_client", "Unknown client_id or wrong client_secret.")
    if SCOPE not in form.get("scope", "").split():
        return _token_refused(400, "invalid_scope", f"The scope {SCOPE} is missing.")
    token = f"IA.{secrets.token_urlsafe(48)}"
    with runtime.current_runtime().store.transaction() as tx:
        tx.put(KIND, token, {"expires_at": tx.now + LIFETIME_S})
        tx.count_up("uber/tokens", 1)
    return json_answer(
        {"access_token": token, "expires_in": LIFETIME_S, "token_type": "Bearer", "scope": form["scope"]}
    )


def is_valid(token: str) -> bool:
    with runtime.current_runtime().store.transaction() as tx:
        known = tx.get(KIND, token)
    return known is not None and known["expires_at"] > time.time()


@control_view
def count_tokens(request: HttpRequest) -> dict[str, Any]:
    """How many tokens were ever issued: a client that keeps its token asks rarely."""
    with runtime.current_runtime().store.transaction() as tx:
        return {"issued": tx.list_counters("uber/").get("tokens", 0)}


@control_view
def expire_all(request: HttpRequest) -> dict[str, Any]:
    with runtime.current_runtime().store.transaction() as tx:
        ended = tx.sql.execute("DELETE FROM documents WHERE kind = ?", (KIND,)).rowcount
    return {"expired": ended}


def _token_refused(status: int, error: str, description: str) -> HttpResponse:
    return json_answer({"error": error, "error_description": description}, status=status)
