"""Outgoing HTTP: time-outs are mandatory, every attempt is kept (masked), every failure says what may be concluded.

permanent: refused, it did not happen · transient: it did not happen, later it may · unknown: it may have happened.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
import structlog

from foundation.errors import CallFailed, Permanent, Transient, Unknown
from foundation.masking import mask_text, mask_value
from foundation.models import OutboundCall

log = structlog.get_logger(__name__)
_local = threading.local()


@dataclass
class CallRecord:
    """What is being called; the code that makes the call fills in what it learns."""

    provider: str
    purpose: str
    reference: str = ""
    method: str = "POST"
    url: str = ""
    attempt: int = 1
    request: Any = None
    status_code: int | None = None
    answer: Any = None
    started: float = field(default_factory=time.monotonic)


@contextmanager
def record_call(call: CallRecord) -> Iterator[CallRecord]:
    """Keep one outgoing call as an OutboundCall row, whatever becomes of it (used by our client and around SDKs)."""
    outcome, error = "ok", ""
    try:
        yield call
    except CallFailed as failure:
        outcome, error = type(failure).__name__.lower(), str(failure)
        raise
    except Exception as failure:
        outcome, error = "unknown", repr(failure)
        raise
    finally:
        OutboundCall.objects.create(
            provider=call.provider,
            purpose=call.purpose,
            reference=call.reference,
            method=call.method,
            url=mask_text(call.url)[:300],
            attempt=call.attempt,
            request=mask_value(call.request),
            status_code=call.status_code,
            answer=mask_value(call.answer),
            outcome=outcome,
            error=mask_text(error)[:300],
            latency_ms=int((time.monotonic() - call.started) * 1000),
        )


def thread_session() -> requests.Session:
    """This thread's session (connections are kept alive; sessions are not thread-safe)."""
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
    return _local.session


def request_json(
    method: str,
    url: str,
    *,
    provider: str,
    purpose: str,
    timeout_s: float,
    reference: str = "",
    attempt: int = 1,
    headers: Mapping[str, str] | None = None,
    json: Any = None,
) -> Any:
    """Make one call and return the JSON of a 2xx answer (None when it has no body).

    Raises Permanent (4xx), Transient (not reached; 408, 425, 429, 503 with Retry-After), Unknown (time-out or
    dropped after sending, other 5xx, an answer that is not JSON).
    """
    with record_call(CallRecord(provider, purpose, reference, method, url, attempt, json)) as call:
        try:
            answer = thread_session().request(
                method,
                url,
                json=json,
                headers=dict(headers or {}),
                timeout=(min(5.0, timeout_s), timeout_s),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise classify_exception(error) from error
        call.status_code = answer.status_code
        call.answer = _read_json(answer)
        raise_for_status(answer.status_code, call.answer, retry_after="Retry-After" in answer.headers)
        if answer.content and call.answer is None:
            raise Unknown(f"{provider} answered {answer.status_code} with something that is not JSON")
        return call.answer


def _read_json(answer: requests.Response) -> Any:
    try:
        return answer.json() if answer.content else None
    except ValueError:
        return None


def classify_exception(error: requests.RequestException) -> CallFailed:
    """Not even connected: it cannot have happened. Anything later: nobody knows."""
    if isinstance(
        error, requests.exceptions.MissingSchema | requests.exceptions.InvalidSchema | requests.exceptions.InvalidURL
    ):
        return Permanent(f"cannot be called: {error}")
    if isinstance(error, requests.ConnectTimeout):
        return Transient(f"could not connect: {error}")
    if isinstance(error, requests.ConnectionError) and _never_connected(error):
        return Transient(f"could not connect: {error}")
    return Unknown(f"no answer: {error}")


def _never_connected(error: requests.ConnectionError) -> bool:
    from urllib3.exceptions import NewConnectionError

    reason = error.args[0] if error.args else None
    return isinstance(getattr(reason, "reason", reason), NewConnectionError)


def raise_for_status(status: int, answer: Any, *, retry_after: bool = False) -> None:
    """Raise what an HTTP status means for a call that was sent; return quietly on 2xx."""
    if 200 <= status < 300:
        return
    message = f"answered {status}: {str(mask_value(answer))[:200]}"
    if status in (408, 425, 429) or (status == 503 and retry_after):
        raise Transient(message, code=str(status), answer=answer)
    if status >= 500:
        raise Unknown(message, code=str(status), answer=answer)
    raise Permanent(message, code=str(status), answer=answer)
