"""Calls to courier companies: foundation.http's rules, forms where one wants them, and people kept out of the log.

What is kept of a call (SPEC C8) leaves out names and notes under the companies' own field names as well, which no
general rule could know.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests

from deliveries.couriers.providers import base
from deliveries.couriers.providers.base import CallAttempt
from foundation import http
from foundation.errors import CallFailed, Permanent, Transient, Unknown
from foundation.http import CallRecord
from foundation.masking import MASK

# Beside what foundation.masking knows: fields of these companies that name or describe a person.
_OF_PEOPLE = re.compile(
    r"(dropoff|dasher|given|family|contact|driver)_?name|instructions|notes|vehicle|licen[cs]e|tracking_url"
    r"|(image|img|photo)_(url|href)|signature",
    re.IGNORECASE,
)


def send_request(
    company: str,
    method: str,
    url: str,
    *,
    purpose: str,
    attempt: CallAttempt,
    timeout_s: float | None = None,
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    form: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Make one try, of at most base.TIMEOUT_S, and return the JSON object of a 2xx answer, {} when it has no body.

    Raises as foundation.http.request_json does; Unknown also for an answer that is no object.
    """
    limit_s = base.TIMEOUT_S if timeout_s is None else timeout_s
    record = CallRecord(
        company, purpose, attempt.reference, method, url, attempt.attempt, _without_people(json or form)
    )
    with http.record_call(record):
        try:
            answer = http.thread_session().request(
                method,
                url,
                json=json,
                data=form,
                headers=dict(headers or {}),
                timeout=(min(5.0, limit_s), limit_s),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise http.classify_exception(error) from error
        record.status_code = answer.status_code
        said = _read_json(answer)
        record.answer = _without_people(said)
        try:
            http.raise_for_status(answer.status_code, record.answer, retry_after="Retry-After" in answer.headers)
        except CallFailed as failure:
            failure.answer = said  # whole, for the module that reads it; what is said of it names nobody
            raise
        if answer.content and not isinstance(said, dict):
            raise Unknown(f"{company} answered {answer.status_code} with something that is not a JSON object")
        return said or {}


def _read_json(answer: requests.Response) -> Any:
    try:
        return answer.json() if answer.content else None
    except (ValueError, RecursionError):
        return None


def _without_people(value: Any, depth: int = 0) -> Any:
    if depth > 40:
        return "…"
    if isinstance(value, Mapping):
        return {
            key: MASK if part and _OF_PEOPLE.search(str(key)) else _without_people(part, depth + 1)
            for key, part in value.items()
        }
    return [_without_people(part, depth + 1) for part in value] if isinstance(value, list) else value


@contextmanager
def about_a_job(*not_the_job: str) -> Iterator[None]:
    """Around looking up and cancelling, where Permanent means that there is no such job: a company that refuses our
    credentials or account has not said that, and they will be mended. `not_the_job`: its codes for that."""
    try:
        yield
    except Permanent as refusal:
        if refusal.code in ("401", "402", "403") or read_refusal(refusal, "code") in not_the_job:
            raise Transient(str(refusal), code=refusal.code, answer=refusal.answer) from refusal
        raise


@contextmanager
def maybe_there() -> Iterator[None]:
    """Around what is done after a company said that it has our job already: whatever fails now, it may be carried, so
    nobody may conclude that it did not happen."""
    try:
        yield
    except CallFailed as failure:
        raise Unknown(str(failure), code=failure.code, answer=failure.answer) from failure


def read_refusal(refusal: Exception, name: str) -> str:
    """A word out of the body that came with a refusal, "" where it has none."""
    answer = getattr(refusal, "answer", None)
    value = answer.get(name) if isinstance(answer, Mapping) else None
    return value if isinstance(value, str) else ""
