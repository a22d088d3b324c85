"""Phones of riders who report where they are, from a process of its own (tests/benchmarks/load.py).

A rider's user is known by the rider's number, so that their tokens can be made here. Each reports in turn, a few metres
from where it was; `Plan.secret` is the house's SECRET_KEY, `Plan.orders` how many riders there are.
"""

import hashlib
import json
import subprocess
import sys
import time
import uuid
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt

from tests.benchmarks import load
from tests.benchmarks.load import Plan

PATH = "/api/v1/rider/location"
CENTRE_LAT, CENTRE_LNG, STEP = 12.9716, 77.5946, 0.00005  # a step is five metres
APART = timedelta(microseconds=100)
BEGAN = datetime.now(UTC)


def start(plan: Plan) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.benchmarks.position_load", json.dumps(asdict(plan))]
    made = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert made.stdout is not None
    made.stdout.readline()  # "ready": everything is prepared
    return made


def user_of(rider: int) -> uuid.UUID:
    """As `md5('rider-' || id)::uuid` in the database."""
    return uuid.UUID(hashlib.md5(b"rider-%d" % rider, usedforsecurity=False).hexdigest())


def token_of(rider: int, secret: str) -> str:
    digest = hashlib.md5(NO_PASSWORD.encode(), usedforsecurity=False).hexdigest().upper()
    claims = {"token_type": "access", "exp": int(time.time()) + 3600, "jti": uuid.uuid4().hex, "hash_password": digest}
    return jwt.encode({**claims, "sub": str(user_of(rider)), "role": "rider"}, secret, algorithm="HS256")


def body_of(number: int, riders: int) -> bytes:
    """No two are of the same moment; nobody is ever further than a step from where they were."""
    rider, turn = 1 + number % riders, number // riders
    at = (BEGAN + number * APART).isoformat(timespec="microseconds").replace("+00:00", "Z")
    lat = CENTRE_LAT + rider % 100 / 1_000 + (1 - turn % 2) * STEP
    point = {"lat": round(lat, 6), "lng": round(CENTRE_LNG + rider / 100_000, 6), "accuracy": 8.5, "recordedAt": at}
    return json.dumps(point).encode()


NO_PASSWORD = "!"  # what the database holds of riders who never sign in
_tokens: dict[int, str] = {}


def request(plan: Plan, number: int) -> bytes:
    rider = 1 + number % plan.orders
    if rider not in _tokens:
        _tokens[rider] = token_of(rider, plan.secret)
    body = body_of(number, plan.orders)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {_tokens[rider]}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


if __name__ == "__main__":
    load.request = request
    generator = load.Generator(Plan(**json.loads(sys.argv[1])))
    print("ready", flush=True)
    print(json.dumps(generator.run()), flush=True)
