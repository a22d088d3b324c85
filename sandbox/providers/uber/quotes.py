"""Uber's quotes: a fee and times, good for 15 minutes and for one delivery."""

from __future__ import annotations

import secrets
from typing import Any

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.http import json_answer
from sandbox.engine.store import Transaction
from sandbox.fleet import behaviour, eta, geocoding, jobs
from sandbox.fleet.stages import Stage
from sandbox.providers.uber import request_bodies
from sandbox.providers.uber.errors import UberError, answer_errors, invalid_params

KIND = "uber.quote"
GOOD_FOR_S = 15 * 60
FARTHEST_M = 40_000
BASE_FEE = 599
FEE_PER_KM = 60


def quote_fee(distance_m: float) -> int:
    """Invented: Uber publishes none."""
    return BASE_FEE + round(FEE_PER_KM * distance_m / 1000)


@answer_errors
def create_quote(request: HttpRequest, customer_id: str) -> HttpResponse:
    body = request_bodies.read_quote(request)
    with runtime.current_runtime().store.transaction() as tx:
        pickup, dropoff = (
            request_bodies.place_of_end(tx, body, "pickup"),
            request_bodies.place_of_end(tx, body, "dropoff"),
        )
        check_reach(tx, pickup, dropoff)
        quote = _build_quote(tx, body, pickup, dropoff)
        until = tx.now + GOOD_FOR_S
        tx.put(KIND, quote["id"], {"quote": quote, "expires_at": until, "used": False, "store": _store_of(body)})
    return json_answer(quote)


def check_reach(tx: Transaction, pickup: geocoding.Point, dropoff: geocoding.Point) -> None:
    """Raises what Uber says when it cannot carry this, or not now."""
    if behaviour.load_behaviour(tx, "uber")["no_couriers"]:
        raise UberError(503, "couriers_busy", "All of our couriers are currently busy.")
    if geocoding.distance_m(pickup, dropoff) > FARTHEST_M:
        raise UberError(400, "address_undeliverable", "The specified location is not in a deliverable area.")


def spend_quote(tx: Transaction, body: request_bodies.Body) -> dict[str, Any]:
    """The quote that a delivery names, used from now on. Raises where it is unknown, used, too old, or was for another
    store."""
    quote_id = body["quote_id"]
    found = tx.get(KIND, quote_id)
    if found is None:
        raise invalid_params(quote_id="unknown")
    if found["used"]:
        raise UberError(400, "used_quote", "The price quote specified has already been used.")
    if tx.now >= found["expires_at"]:
        raise UberError(400, "expired_quote", "The price quote specified has expired.")
    if _store_of(body) != found["store"]:
        raise invalid_params(external_store_id="must be the one of the quote")
    tx.put(KIND, quote_id, found | {"used": True})
    quote: dict[str, Any] = found["quote"]
    return quote


def _store_of(body: request_bodies.Body) -> str:
    return str(body.get("external_store_id") or "")


def _build_quote(
    tx: Transaction, body: request_bodies.Body, pickup: geocoding.Point, dropoff: geocoding.Point
) -> dict[str, Any]:
    speed = behaviour.load_pace(tx, "uber")["speed"]
    idle = {
        "stage": Stage.WAITING,
        "history": [],
        "created": tx.now,
        "start": None,
        "pickup": pickup,
        "dropoff": dropoff,
        "ready_at": jobs.read_time(body.get("pickup_ready_dt")),
    }
    ahead = eta.expected_times(idle, speed, tx.now)
    pickup_at, dropoff_at = ahead[Stage.PICKED_UP], ahead[Stage.DELIVERED]
    return {
        "kind": "delivery_quote",
        "id": f"dqt_{secrets.token_urlsafe(16)}",
        "created": jobs.format_iso(tx.now, milliseconds=True),
        "expires": jobs.format_iso(tx.now + GOOD_FOR_S, milliseconds=True),
        "fee": quote_fee(geocoding.distance_m(pickup, dropoff)),
        "currency": "usd",
        "currency_type": "USD",
        "dropoff_eta": jobs.format_iso(dropoff_at, milliseconds=True),
        "duration": round((dropoff_at - tx.now) / 60),
        "pickup_duration": round((pickup_at - tx.now) / 60),
        "dropoff_deadline": jobs.format_iso(dropoff_at + 30 * 60, milliseconds=True),
    }
