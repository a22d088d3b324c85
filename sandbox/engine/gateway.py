"""Every call to a provider passes here: credentials, faults, the call itself, and one line in the call log."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.faults import Fault
from sandbox.engine.provider import Provider, Route, View

log = logging.getLogger("sandbox.gateway")

DROP_CONNECTION = "sandbox.drop_connection"  # set in the WSGI environ: the server closes the socket without a word
LOGGED_CHARS = 20_000
SECRET_HEADERS = ("authorization", "cookie")
RETRY_AFTER_S = 1  # what a provider that has had enough asks for, unless a fault says otherwise


class ConnectionDropped(Exception):
    """A fault ends the connection; `unsent` is the answer that was lost, None if nothing was executed."""

    def __init__(self, unsent: HttpResponse | None) -> None:
        super().__init__("connection dropped by a fault")
        self.unsent = unsent


def guard_routes(provider: Provider, routes: list[Route]) -> View:
    """One Django view for all methods of one path of a provider."""
    views = {route.method: route.view for route in routes}

    def receive_call(request: HttpRequest, **path_values: Any) -> HttpResponse:
        view = views.get(request.method or "")
        if view is None:
            return _run_call(provider, request, lambda: provider.failure_response(request, 405, "method not allowed"))
        return _run_call(provider, request, lambda: view(request, **path_values))

    return receive_call


def unknown_path(provider: Provider) -> View:
    def receive_unknown(request: HttpRequest, rest: str = "") -> HttpResponse:
        message = f"Unrecognized request URL ({request.method}: /{rest})."
        return _run_call(provider, request, lambda: provider.failure_response(request, 404, message))

    return receive_unknown


def _run_call(provider: Provider, request: HttpRequest, execute: Callable[[], HttpResponse]) -> HttpResponse:
    started = time.perf_counter()
    request.body  # noqa: B018  # read it now: Django refuses to give the raw body once a form was parsed
    path = request.path.removeprefix(f"/{provider.name}")
    fault: Fault | None = None
    try:
        response = provider.check_credentials(request)
        if response is None:
            fault = runtime.current_runtime().faults.choose_fault(provider.name, "answer", path)
            response = provider.wrap_call(request, lambda: _with_fault(fault, provider, request, execute), fault)
    except ConnectionDropped as dropped:
        request.META[DROP_CONNECTION] = True  # META is the WSGI environ itself
        _record_call(provider, request, path, dropped.unsent, fault, started)
        return HttpResponse(status=502)
    except Exception as error:
        log.exception("%s %s failed", request.method, request.path)
        response = provider.failure_response(request, 500, f"the sandbox failed: {type(error).__name__}")
    if response.status_code == 429:
        response.headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    _record_call(provider, request, path, response, fault, started)
    return response


def _with_fault(
    fault: Fault | None, provider: Provider, request: HttpRequest, execute: Callable[[], HttpResponse]
) -> HttpResponse:
    kind = fault.kind if fault else ""
    if fault is None:
        return execute()
    if kind == "drop":
        raise ConnectionDropped(None)
    if kind == "error_500":
        return provider.failure_response(request, fault.status, "An unknown error occurred")
    if kind == "too_many":
        response = provider.failure_response(request, 429, "Too Many Requests")
        response.headers["Retry-After"] = str(math.ceil(fault.seconds))
        return response
    if kind == "delay":
        time.sleep(fault.seconds)
        return execute()
    response = execute()
    if kind == "lost_answer":
        raise ConnectionDropped(response)
    time.sleep(fault.seconds)  # timeout
    return response


def _record_call(
    provider: Provider,
    request: HttpRequest,
    path: str,
    response: HttpResponse | None,
    fault: Fault | None,
    started: float,
) -> None:
    now = runtime.current_runtime()
    query = request.META.get("QUERY_STRING")
    with now.store.transaction() as tx:
        tx.sql.execute(
            "INSERT INTO calls (at, provider, method, path, headers, body, status, answer, fault, duration_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                tx.now,
                provider.name,
                request.method,
                f"{path}?{query}" if query else path,
                json.dumps({name: _mask_secret(name, value) for name, value in request.headers.items()}),
                _without_secrets(request.body.decode("utf-8", "replace")[:LOGGED_CHARS], now.keys),
                response.status_code if response is not None else None,
                response.content.decode("utf-8", "replace")[:LOGGED_CHARS] if response is not None else "",
                fault.kind if fault else None,
                (time.perf_counter() - started) * 1000,
            ),
        )


def _mask_secret(name: str, value: str) -> str:
    if name.lower() not in SECRET_HEADERS:
        return value
    scheme, _, secret = value.rpartition(" ")
    return f"{scheme} {secret[:4]}…{secret[-4:]}".strip() if len(secret) > 12 else f"{scheme} …".strip()


def _without_secrets(text: str, keys: dict[str, str]) -> str:
    for name, secret in keys.items():
        if name.endswith(("_secret", "_token", "_key")) and secret in text:
            text = text.replace(secret, f"…{secret[-4:]}")
    return text
