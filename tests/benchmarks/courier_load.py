"""A fleet of Uber's drivers who say where they are: `event.courier_update`, signed as Uber signs, from a process of its
own (tests/benchmarks/load.py). Each names one of so many live jobs, `bench-0` and so on."""

import hashlib
import hmac
import json
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks import load
from tests.benchmarks.load import Plan

BEGAN = datetime.now(UTC)
CUSTOMER = {"name": "Jane Doe", "phone_number": "+15555559999", "address": "456 Customer Ave, Austin, TX 78702"}
STORE = {"name": "Chef John", "phone_number": "+15555551234", "address": "123 Chef St, Austin, TX 78701"}


def start(plan: Plan) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.benchmarks.courier_load", json.dumps(asdict(plan))]
    made = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert made.stdout is not None
    made.stdout.readline()  # "ready": everything is prepared
    return made


def update(number: int, jobs: int) -> dict[str, Any]:
    """Where the driver of one job is; no two are of the same moment."""
    job, moment = number % jobs, (BEGAN + timedelta(milliseconds=number)).isoformat(timespec="milliseconds")
    here = {"lat": 12.9716 + number % 1000 / 100_000, "lng": 77.5946 + job / 100_000}
    driver = {"name": "Ada P.", "vehicle_type": "bicycle", "phone_number": "+15555550001", "location": here}
    return {
        "kind": "event.courier_update",
        "created": moment,
        "delivery_id": f"del_{job}",
        "job_id": f"del_{job}",
        "live_mode": True,
        "location": here,
        "data": {
            "id": f"del_{job}",
            "kind": "delivery",
            "external_id": f"bench-{job}",
            "status": "dropoff",
            "complete": False,
            "courier": {**driver, "rating": "4.90", "img_href": "https://couriers.uber.example/ada.jpeg"},
            "courier_imminent": False,
            "updated": moment,
            "currency": "inr",
            "fee": 7_990,
            "pickup": {**STORE, "location": here, "notes": ""},
            "dropoff": {**CUSTOMER, "location": here, "notes": ""},
            "manifest_items": [{"name": "Dosa", "quantity": 2, "size": "small", "price": 1_200}],
            "related_deliveries": [],
            "tracking_url": f"https://www.ubereats.com/orders/{job}",
        },
    }


def request(plan: Plan, number: int) -> bytes:
    body = json.dumps(update(number, plan.orders)).encode()
    signature = hmac.new(plan.secret.encode(), body, hashlib.sha256).hexdigest()
    head = (
        f"POST {plan.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"X-Uber-Signature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


if __name__ == "__main__":
    load.request = request
    generator = load.Generator(Plan(**json.loads(sys.argv[1])))
    print("ready", flush=True)
    print(json.dumps(generator.run()), flush=True)
