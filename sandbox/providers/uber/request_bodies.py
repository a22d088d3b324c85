"""What a quote and a delivery must hold. Everything wrong is named at once, by field, in the error's metadata."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from django.http import HttpRequest

from sandbox.engine.http import json_object
from sandbox.engine.store import Transaction
from sandbox.fleet import geocoding, jobs
from sandbox.fleet.geocoding import Point
from sandbox.providers.uber.errors import UberError, invalid_params

PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
SIZES = ("small", "medium", "large", "xlarge")
UNDELIVERABLE = ("leave_at_door", "return", "discard")
DELIVERABLE = ("deliverable_action_meet_at_door", "deliverable_action_leave_at_door", "meet_at_door", "leave_at_door")
LONGEST_NOTES = 280
MINUTE_S = 60
CLOCK_SKEW_S = 30
TIMES = ("pickup_ready_dt", "pickup_deadline_dt", "dropoff_ready_dt", "dropoff_deadline_dt")
AMOUNTS = ("manifest_total_value", "tip")

Body = dict[str, Any]


def read_quote(request: HttpRequest) -> Body:
    body = _read_body(request)
    _refuse_problems(_wrong_in_both(body))
    _check_windows(body)
    return body


def read_delivery(request: HttpRequest) -> Body:
    body = _read_body(request)
    _refuse_problems(
        {**_wrong_in_both(body), **_wrong_in_people(body), **_wrong_in_manifest(body), **_wrong_in_rest(body)}
    )
    _check_windows(body)
    return body


def place_of_end(tx: Transaction, body: Body, end: str) -> Point:
    """Where `end`, pickup or dropoff, is."""
    given = geocoding.read_point(body.get(f"{end}_latitude"), body.get(f"{end}_longitude"))
    return geocoding.locate_address(tx, address_line(body[f"{end}_address"]), given)


def address_line(text: str) -> str:
    """The address as one line, as a person writes it."""
    address = json.loads(text)
    parts = [*address["street_address"], *(address.get(name) or "" for name in ("city", "state", "zip_code"))]
    return ", ".join(part for part in parts if part)


def _read_body(request: HttpRequest) -> Body:
    body = json_object(request)
    if body is None:
        raise invalid_params(body="must be a JSON object")
    return body


def _refuse_problems(problems: dict[str, str]) -> None:
    if problems:
        raise invalid_params(**problems)


def _check_windows(body: Body) -> None:
    """Fetched within ten minutes of being ready or more, and not sooner than in twenty; brought within twenty."""
    now = time.time()
    ready, until, dropoff_ready, dropoff_until = (jobs.read_time(body.get(name)) for name in TIMES)
    if until is not None and (until < (ready or now) + 10 * MINUTE_S or until < now + 20 * MINUTE_S - CLOCK_SKEW_S):
        raise UberError(400, "pickup_window_too_small", "The pickup window needs to be at least 10 minutes long.")
    if dropoff_ready is not None and until is not None and dropoff_ready > until:
        raise invalid_params(dropoff_ready_dt="must not be after pickup_deadline_dt")
    if dropoff_until is not None and dropoff_until < (dropoff_ready or now) + 20 * MINUTE_S - CLOCK_SKEW_S:
        raise UberError(400, "dropoff_window_too_small", "The dropoff window needs to be at least 20 minutes long.")


def _wrong_in_both(body: Body) -> dict[str, str]:
    problems = {}
    for name in ("pickup_address", "dropoff_address"):
        if not _is_address(body.get(name)):
            problems[name] = 'must be a string of JSON such as {"street_address": ["…"], "city": "…"}'
    for name in TIMES:
        if body.get(name) is not None and jobs.read_time(body[name]) is None:
            problems[name] = "must be an RFC 3339 time"
    for name in AMOUNTS:
        value = body.get(name, 0)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            problems[name] = "must be an amount in cents"
    for name in ("pickup_phone_number", "dropoff_phone_number"):
        if body.get(name) is not None and not _is_phone(body[name]):
            problems[name] = "must be an E.164 number"
    return problems


def _wrong_in_people(body: Body) -> dict[str, str]:
    names = [name for name in ("pickup_name", "dropoff_name") if not isinstance(body.get(name), str) or not body[name]]
    phones = [name for name in ("pickup_phone_number", "dropoff_phone_number") if not _is_phone(body.get(name))]
    return dict.fromkeys(names, "required") | dict.fromkeys(phones, "required, an E.164 number")


def _wrong_in_manifest(body: Body) -> dict[str, str]:
    items = body.get("manifest_items")
    if not isinstance(items, list) or not items:
        return {"manifest_items": "required, at least one"}
    problems = {}
    for number, entry in enumerate(items):
        item = entry if isinstance(entry, dict) else {}
        if not isinstance(item.get("name"), str) or not item["name"]:
            problems[f"manifest_items[{number}].name"] = "required"
        quantity = item.get("quantity")
        if not isinstance(quantity, int) or isinstance(quantity, bool) or quantity < 1:
            problems[f"manifest_items[{number}].quantity"] = "required, at least 1"
        if item.get("size", "small") not in SIZES:
            problems[f"manifest_items[{number}].size"] = f"one of {', '.join(SIZES)}"
    return problems


def _wrong_in_rest(body: Body) -> dict[str, str]:
    problems = {}
    if body.get("undeliverable_action") not in (None, *UNDELIVERABLE):
        problems["undeliverable_action"] = f"one of {', '.join(UNDELIVERABLE)}"
    if body.get("deliverable_action") not in (None, *DELIVERABLE):
        problems["deliverable_action"] = f"one of {', '.join(DELIVERABLE)}"
    for name in ("pickup_notes", "dropoff_notes"):
        if len(str(body.get(name) or "")) > LONGEST_NOTES:
            problems[name] = f"at most {LONGEST_NOTES} characters"
    for name in ("quote_id", "external_id", "idempotency_key"):
        if not isinstance(body.get(name, ""), str):
            problems[name] = "must be a string"
    return problems


def _is_phone(value: Any) -> bool:
    return isinstance(value, str) and PHONE.fullmatch(value) is not None


def _is_address(value: Any) -> bool:
    try:
        address = json.loads(value) if isinstance(value, str) else None
    except ValueError:
        return False
    if not isinstance(address, dict):
        return False
    lines = address.get("street_address")
    if not isinstance(lines, list) or not lines or not all(isinstance(line, str) and line for line in lines):
        return False
    return all(isinstance(address.get(name, ""), str) for name in ("city", "state", "zip_code", "country"))
