"""What a quote, a delivery and a change of one must hold. Everything wrong is named at once, by field."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest

from sandbox.engine.http import json_object
from sandbox.engine.store import Transaction
from sandbox.fleet import geocoding, jobs
from sandbox.fleet.geocoding import Point
from sandbox.providers.doordash.errors import DoorDashError, invalid_body

EXTERNAL_ID = re.compile(r"[a-zA-Z0-9\-._~]+")
PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
ACTIONS = ("", "return_to_pickup", "dispose")
PHONES = ("pickup_phone_number", "dropoff_phone_number")
TIMES = (
    "pickup_time",
    "dropoff_time",
    "pickup_window_start_time",
    "pickup_window_end_time",
    "dropoff_window_start_time",
    "dropoff_window_end_time",
)
AMOUNTS = ("order_value", "tip")
STORE = ("pickup_external_business_id", "pickup_external_store_id")
FARTHEST_M = 40_000
BASE_FEE = 975
FREE_M = 8_000
FEE_PER_KM = 75

Body = dict[str, Any]


def read_body(request: HttpRequest, *required: str) -> Body:
    """The body, checked. Raises validation_error with everything that is wrong."""
    body = json_object(request) if request.body else {}
    if body is None:
        raise invalid_body({"body": "must be a JSON object"})
    problems = {name: "is required" for name in required if body.get(name) in (None, "")}
    if problems := _list_problems(body) | problems:
        raise invalid_body(problems)
    return body


def check_pickup(body: Body) -> None:
    """By address, or by the store's two ids: either both of them or none."""
    given = [bool(body.get(name)) for name in STORE]
    if any(given) != all(given):
        raise invalid_body({STORE[given.index(False)]: "both ids of the store are required, or none"})
    if not any(given) and not body.get("pickup_address"):
        raise invalid_body({"pickup_address": "is required"})


def places_of(tx: Transaction, body: Body) -> tuple[Point, Point]:
    """Where it is fetched and brought. Raises where that is too far."""
    store = "/".join(str(body.get(name) or "") for name in STORE).strip("/")
    pickup = geocoding.locate_address(tx, store or body["pickup_address"], _given_point(body, "pickup"))
    dropoff = geocoding.locate_address(tx, body["dropoff_address"], _given_point(body, "dropoff"))
    if geocoding.distance_m(pickup, dropoff) > FARTHEST_M:
        message = "Allowed distance between addresses exceeded"
        raise DoorDashError(422, "invalid_delivery_parameters", message, reason="distance_too_long")
    return pickup, dropoff


def delivery_fee(distance_m: float) -> int:
    """Invented: flat within five miles, by the kilometre beyond."""
    return BASE_FEE + round(max(0.0, distance_m - FREE_M) / 1000 * FEE_PER_KM)


def ready_at(body: Body) -> float | None:
    return jobs.read_time(body.get("pickup_window_start_time")) or jobs.read_time(body.get("pickup_time"))


def _given_point(body: Body, end: str) -> Point | None:
    place = body.get(f"{end}_location")
    return geocoding.read_point(place.get("lat"), place.get("lng")) if isinstance(place, dict) else None


def _list_problems(body: Body) -> dict[str, str]:
    problems = {}
    external_id = body.get("external_delivery_id", "x")
    if not isinstance(external_id, str) or not EXTERNAL_ID.fullmatch(external_id):
        problems["external_delivery_id"] = f"must match {EXTERNAL_ID.pattern}"
    for name in PHONES:
        value = body.get(name)
        if value not in (None, "") and not (isinstance(value, str) and PHONE.fullmatch(value)):
            problems[name] = "must be a phone number with its country code"
    for name in ("pickup_address", "dropoff_address"):
        if not isinstance(body.get(name) or "", str):
            problems[name] = "must be a string"
    for name in TIMES:
        if body.get(name) is not None and jobs.read_time(body[name]) is None:
            problems[name] = "must be an ISO 8601 time with its zone"
    for name in AMOUNTS:
        value = body.get(name) or 0
        if not isinstance(value, int) or value < 0:
            problems[name] = "must be an amount in cents"
    if (body.get("action_if_undeliverable") or "") not in ACTIONS:
        problems["action_if_undeliverable"] = "must be return_to_pickup or dispose"
    if not isinstance(body.get("contactless_dropoff") or False, bool):
        problems["contactless_dropoff"] = "must be true or false"
    return problems
