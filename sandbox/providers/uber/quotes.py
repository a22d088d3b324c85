"""Uber's quotes: a fee and times, good for 15 minutes and for one delivery."""

from __future__ import annotations

import secrets
from typing import Any

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.http import json_answer
from sandbox.engine.store import Transaction
from sandbox.fleet import forecast, ground, jobs, mood
from sandbox.fleet.stages import Stage
from sandbox.providers.uber import orders
from sandbox.providers.uber.errors import UberError, answering, invalid

KIND = "uber.quote"
GOOD_FOR_S = 15 * 60
FARTHEST_M = 40_000
BASE_FEE = 599
FEE_PER_KM = 60


def fee(distance_m: float) -> int:
    """Invented: Uber publishes none."""
    return BASE_FEE + round(FEE_PER_KM * distance_m / 1000)


@answering
def create(request: HttpRequest, customer_id: str) -> HttpResponse:
    body = orders.read_quote(request)
    with runtime.current().store.transaction() as tx:
        pickup, dropoff = orders.place(tx, body, "pickup"), orders.place(tx, body, "dropoff")
        check_reach(tx, pickup, dropoff)
        quote = _quote(tx, body, pickup, dropoff)
        until = tx.now + GOOD_FOR_S
        tx.put(KIND, quote["id"], {"quote": quote, "expires_at": until, "used": False, "store": _store(body)})
    return json_answer(quote)


def check_reach(tx: Transaction, pickup: ground.Point, dropoff: ground.Point) -> None:
    """Raises what Uber says when it cannot carry this, or not now."""
    if mood.behaviour(tx, "uber")["no_couriers"]:
        raise UberError(503, "couriers_busy", "All of our couriers are currently busy.")
    if ground.distance_m(pickup, dropoff) > FARTHEST_M:
        raise UberError(400, "address_undeliverable", "The specified location is not in a deliverable area.")


def spend(tx: Transaction, body: orders.Body) -> dict[str, Any]:
    """The quote that a delivery names, used from now on. Raises where it is unknown, used, too old, or was for another
    store."""
    quote_id = body["quote_id"]
    found = tx.get(KIND, quote_id)
    if found is None:
        raise invalid(quote_id="unknown")
    if found["used"]:
        raise UberError(400, "used_quote", "The price quote specified has already been used.")
    if tx.now >= found["expires_at"]:
        raise UberError(400, "expired_quote", "The price quote specified has expired.")
    if _store(body) != found["store"]:
        raise invalid(external_store_id="must be the one of the quote")
    tx.put(KIND, quote_id, found | {"used": True})
    quote: dict[str, Any] = found["quote"]
    return quote


def _store(body: orders.Body) -> str:
    return str(body.get("external_store_id") or "")


def _quote(tx: Transaction, body: orders.Body, pickup: ground.Point, dropoff: ground.Point) -> dict[str, Any]:
    speed = mood.pace(tx, "uber")["speed"]
    idle = {
        "stage": Stage.WAITING,
        "history": [],
        "created": tx.now,
        "start": None,
        "pickup": pickup,
        "dropoff": dropoff,
        "ready_at": jobs.read_time(body.get("pickup_ready_dt")),
    }
    ahead = forecast.times(idle, speed, tx.now)
    pickup_at, dropoff_at = ahead[Stage.PICKED_UP], ahead[Stage.DELIVERED]
    return {
        "kind": "delivery_quote",
        "id": f"dqt_{secrets.token_urlsafe(16)}",
        "created": jobs.iso(tx.now, milliseconds=True),
        "expires": jobs.iso(tx.now + GOOD_FOR_S, milliseconds=True),
        "fee": fee(ground.distance_m(pickup, dropoff)),
        "currency": "usd",
        "currency_type": "USD",
        "dropoff_eta": jobs.iso(dropoff_at, milliseconds=True),
        "duration": round((dropoff_at - tx.now) / 60),
        "pickup_duration": round((pickup_at - tx.now) / 60),
        "dropoff_deadline": jobs.iso(dropoff_at + 30 * 60, milliseconds=True),
    }
