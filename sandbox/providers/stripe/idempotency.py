"""Idempotency keys as documented at docs.stripe.com/api/idempotent_requests.

The first outcome of a POST is kept under its key, errors and 500s included, and replayed for the same parameters with
`Idempotent-Replayed: true`; other parameters are refused; a key whose first request still runs answers 409; refusals of
validation are not kept; keys are forgotten after 24 hours. Keys belong to an account.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.faults import Fault
from sandbox.engine.store import Transaction
from sandbox.providers.stripe import errors

KIND = "stripe.idempotency_key"
KEPT_S = 24 * 3600
LONGEST_KEY = 255

_running: set[str] = set()
_running_lock = threading.Lock()


def key_of(request: HttpRequest) -> str | None:
    """Only POST takes keys: GET and DELETE are idempotent by definition."""
    return request.headers.get("Idempotency-Key") if request.method == "POST" else None


def replay_or_run(request: HttpRequest, execute: Callable[[], HttpResponse], fault: Fault | None) -> HttpResponse:
    """Replay, refuse, or execute once. Raises StripeError for a key that cannot be used."""
    key = key_of(request)
    if key is None:
        return execute()
    if not 0 < len(key) <= LONGEST_KEY:
        raise errors.idempotency_error(f"Idempotency keys must be between 1 and {LONGEST_KEY} characters long.")
    name = _key_name(request, key)
    with _running_lock:
        if name in _running:
            raise errors.idempotency_error(
                f"There is currently another in-progress request using this Idempotent Key: {key}.",
                status=409,
                code="idempotency_key_in_use",
            )
        _running.add(name)
    try:
        replay = _replay_answer(request, key)
        if replay is not None:
            return replay
        response = execute()
        if fault and fault.kind == "error_500" and fault.saved:
            with runtime.current_runtime().store.transaction() as tx:
                remember_answer(tx, request, key, response.status_code, response.content.decode())
        return response
    finally:
        with _running_lock:
            _running.discard(name)


def remember_answer(tx: Transaction, request: HttpRequest, key: str, status: int, content: str) -> None:
    tx.put(
        KIND,
        _key_name(request, key),
        {
            "path": request.path,
            "fingerprint": _fingerprint_of(request),
            "status": status,
            "content": content,
            "at": tx.now,
        },
    )


def forget_all(tx: Transaction) -> int:
    return tx.sql.execute("DELETE FROM documents WHERE kind = ?", (KIND,)).rowcount


def _replay_answer(request: HttpRequest, key: str) -> HttpResponse | None:
    with runtime.current_runtime().store.transaction() as tx:
        kept = tx.get(KIND, _key_name(request, key))
        if kept is None:
            return None
        if kept["at"] < tx.now - KEPT_S:
            tx.delete(KIND, _key_name(request, key))
            return None
    if kept["path"] != request.path:
        raise errors.idempotency_error(
            "Keys for idempotent requests can only be used for the same endpoint they were first used for"
            f" ('{request.path}' vs '{kept['path']}'). Try using a key other than '{key}'."
        )
    if kept["fingerprint"] != _fingerprint_of(request):
        raise errors.idempotency_error(
            "Keys for idempotent requests can only be used with the same parameters they were first used with."
            f" Try using a key other than '{key}' if you meant to execute a different request."
        )
    headers = {"Idempotent-Replayed": "true", "Idempotency-Key": key}
    return HttpResponse(kept["content"], status=kept["status"], content_type="application/json", headers=headers)


def _key_name(request: HttpRequest, key: str) -> str:
    return f"{request.headers.get('Stripe-Account', 'platform')}/{key}"


def _fingerprint_of(request: HttpRequest) -> str:
    """Of the parameters, whatever their order."""
    return hashlib.sha256(b"&".join(sorted(request.body.split(b"&")))).hexdigest()
