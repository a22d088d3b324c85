"""The webhook endpoint itself: one request in, one answer out (SPEC W1, W2, W3, W7).

Both ways in share this code: the fast lane in front of Django (webhooks/fast_lane.py) and the plain Django view. What
is cheap to check is checked first, the body is read once and never beyond its cap, the signature is checked on the raw
bytes before anything parses them, and 200 is said only after the commit. Nothing here speaks to the broker.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import psycopg
import structlog
from django.conf import settings
from django.db import DatabaseError

from foundation.api import errors
from foundation.api.parsers import MAX_BYTES
from foundation.webhook import WebhookProvider, WebhookRejected, WebhookRequest
from webhooks import registry, rejections, storage
from webhooks.rejections import Rejection

log = structlog.get_logger(__name__)
Environ = Mapping[str, Any]
PREFIX = "/webhooks/"
UNKNOWN = "unknown"  # what an address without a provider is counted under: callers do not name our rows
RETRY_AFTER_S = 5


@dataclass(frozen=True)
class WebhookResponse:
    """`headers` are the ones beside content type and length."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"


class EnvironHeaders(Mapping[str, str]):
    """The headers of a WSGI environ by their lower-case names, without copying them."""

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        key = name.upper().replace("-", "_")
        return str(self._environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"])

    def __iter__(self) -> Iterator[str]:
        return (key[5:].lower().replace("_", "-") for key in self._environ if key.startswith("HTTP_"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def answer_request(environ: Environ) -> WebhookResponse:
    """Serve POST /webhooks/{provider}, or a provider's greeting by GET, from a WSGI environ."""
    name, raw = environ["PATH_INFO"][len(PREFIX) :], b""
    try:
        provider = _find_provider(name)
        if environ["REQUEST_METHOD"] == "GET":
            return _answer_greeting(provider, environ)
        _require_acceptable(environ, provider)
        raw = read_body(environ)
        return receive_events(provider, WebhookRequest(raw, EnvironHeaders(environ), public_url(environ)))
    except WebhookRejected as rejection:
        return _reply_rejected(environ, name, raw, rejection)
    except Exception as error:  # noqa: BLE001 - whatever it is: the provider must try again, and we must hear of it
        return _reply_failed(environ, name, error)
    finally:
        rejections.COUNTER.flush_counts()


def _answer_greeting(provider: WebhookProvider, environ: Environ) -> WebhookResponse:
    """Kept apart from what is stored: a greeting is no event."""
    try:
        query = dict(parse_qsl(str(environ.get("QUERY_STRING", "")), keep_blank_values=True, max_num_fields=20))
    except ValueError as error:
        raise WebhookRejected(400, "bad_query", "the query cannot be read") from error
    return WebhookResponse(
        200,
        provider.answer_greeting(query).encode(),
        (("X-Content-Type-Options", "nosniff"),),
        "text/plain; charset=utf-8",
    )


def receive_events(provider: WebhookProvider, request: WebhookRequest) -> WebhookResponse:
    """Verify, read, commit, and only then answer 200; for a duplicate as well (SPEC W3). Raises WebhookRejected."""
    verified = provider.verify_signature(request)
    events = provider.list_events(provider.parse_body(request.raw), verified)
    try:
        storage.store_events(provider, events, raw=request.raw, signature=verified.signature)
    except psycopg.DataError as error:
        raise WebhookRejected(400, "bad_body", f"body cannot be stored: {error.diag.message_primary}") from error
    return _accepted_reply(provider)


@cache
def _accepted_reply(provider: WebhookProvider) -> WebhookResponse:
    return WebhookResponse(200, json.dumps(dict(provider.accepted)).encode())


def _find_provider(name: str) -> WebhookProvider:
    try:
        return registry.webhook_providers()[name]
    except KeyError:
        raise WebhookRejected(404, "unknown_provider", "There is nothing at this address") from None


def _require_acceptable(environ: Environ, provider: WebhookProvider) -> None:
    if environ["REQUEST_METHOD"] != "POST":
        raise WebhookRejected(405, "wrong_method", "only POST is answered here")
    content_type = str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
    if content_type not in provider.content_types:
        raise WebhookRejected(
            415, "wrong_content_type", f"Content-Type must be {' or '.join(sorted(provider.content_types))}"
        )


def read_body(environ: Environ) -> bytes:
    """The raw bytes, read once, whether announced by Content-Length or sent in chunks. Raises WebhookRejected (400,
    413)."""
    stream, announced = environ["wsgi.input"], str(environ.get("CONTENT_LENGTH") or "")
    if announced:
        if not (announced.isascii() and announced.isdigit()):
            raise WebhookRejected(400, "bad_length", "Content-Length is not a number")
        if len(announced) > len(str(MAX_BYTES)) or int(announced) >= MAX_BYTES:
            raise _too_large_error()
    elif not environ.get("wsgi.input_terminated"):
        return b""  # nothing was announced, and this server would let us wait for ever
    wanted = int(announced or MAX_BYTES)
    parts, size = [], 0
    while size < wanted and (part := stream.read(wanted - size)):
        parts.append(part)
        size += len(part)
    if size >= MAX_BYTES:
        raise _too_large_error()
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large_error() -> WebhookRejected:
    return WebhookRejected(413, "too_large", "body is larger than 1 MB")


def public_url(environ: Environ) -> str:
    """The address the provider called, as it knows us: some sign it (a proxy in between may rewrite what we see)."""
    query = environ.get("QUERY_STRING")
    return f"{settings.PUBLIC_URL}{environ['PATH_INFO']}{'?' + query if query else ''}"


def _reply_rejected(environ: Environ, provider: str, raw: bytes, rejection: WebhookRejected) -> WebhookResponse:
    known = provider if provider in registry.webhook_providers() else UNKNOWN
    remote = str(environ.get("REMOTE_ADDR", ""))
    request = _request_id(environ)
    facts = {"provider": known, "status": rejection.status, "reason": rejection.reason, "request_id": request}
    log.warning("webhook_refused", **facts, detail=rejection.detail, remote_addr=remote, body_bytes=len(raw))
    rejections.COUNTER.add_rejection(
        Rejection.build(known, rejection.status, rejection.reason, rejection.detail, remote, raw)
    )
    headers = {405: (("Allow", "POST"),), 503: (("Retry-After", str(RETRY_AFTER_S)),)}.get(rejection.status, ())
    return _error_reply(environ, rejection.status, rejection.reason.upper(), rejection.detail, request, headers)


def _reply_failed(environ: Environ, provider: str, error: Exception) -> WebhookResponse:
    request = _request_id(environ)
    log.error("webhook_failed", provider=provider, request_id=request, exc_info=error)
    if isinstance(error, psycopg.Error | DatabaseError):
        headers = (("Retry-After", str(RETRY_AFTER_S)),)
        return _error_reply(environ, 503, "UNAVAILABLE", "Please try again in a moment", request, headers)
    return _error_reply(environ, 500, "INTERNAL_ERROR", "Something went wrong here", request, ())


def _error_reply(
    environ: Environ, status: int, code: str, detail: str, request: str, headers: tuple[tuple[str, str], ...]
) -> WebhookResponse:
    body = errors.error_body("tracking", code, detail, environ["PATH_INFO"])
    return WebhookResponse(status, json.dumps(body).encode(), (*headers, ("X-Request-ID", request)))


def _request_id(environ: Environ) -> str:
    """The caller's, if it is a sane one, so that a proxy's log and ours can be laid side by side."""
    given = str(environ.get("HTTP_X_REQUEST_ID", ""))
    return given if given.isascii() and given.isprintable() and 8 <= len(given) <= 64 else uuid.uuid4().hex
