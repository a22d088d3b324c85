"""COOCO's five webhooks: delivery.assigned, picked_up, in_transit, completed, and failed, which a cancelled delivery is
told with as well. The body is what JSON.stringify writes, for that text is signed."""

from __future__ import annotations

from typing import Any

from sandbox.engine.store import Transaction
from sandbox.fleet import eta as fleet_eta
from sandbox.fleet import jobs
from sandbox.fleet.company import CourierCompany
from sandbox.fleet.jobs import Job
from sandbox.fleet.stages import Stage
from sandbox.providers.cooco.javascript import stringify_value

EVENTS = {
    Stage.ASSIGNED: "delivery.assigned",
    Stage.PICKED_UP: "delivery.picked_up",
    Stage.TO_DROPOFF: "delivery.in_transit",
    Stage.DELIVERED: "delivery.completed",
    Stage.FAILED: "delivery.failed",
    Stage.CANCELLED: "delivery.failed",
}
NOTES = {
    "customer_not_available": "Called customer 3 times, nobody came to the door",
    "no_driver_available": "No driver took this delivery",
}


def send_event(company: CourierCompany, tx: Transaction, job: Job) -> None:
    """The event of the stage the job is in, if that has one."""
    event = EVENTS.get(Stage(job["stage"]))
    if event is None:
        return
    body = {
        "event": event,
        "delivery_id": job["id"],
        "external_id": job["external_id"],
        "timestamp": jobs.format_iso(tx.now),
        "data": _event_data(company, tx, job),
    }
    company.send_webhook(tx, job, event, stringify_value(body), job["asked"]["callback_url"])


def _event_data(company: CourierCompany, tx: Transaction, job: Job) -> dict[str, Any]:
    photos = f"https://cdn.cooco.example/photos/{job['number']}"
    match Stage(job["stage"]):
        case Stage.ASSIGNED:
            return {
                "driver": _driver_body(job),
                "estimated_pickup_time": jobs.format_iso(company.expected_times(tx, job).get(Stage.PICKED_UP)),
            }
        case Stage.PICKED_UP:
            return {"pickup_photo_url": f"{photos}-pickup.jpg", "pickup_signature": job["asked"]["store"]}
        case Stage.TO_DROPOFF:
            place = company.driver_position(tx, job) or job["pickup"]
            eta = fleet_eta.minutes_until(company.expected_times(tx, job).get(Stage.DELIVERED), tx.now)
            return {"driver_latitude": place["lat"], "driver_longitude": place["lng"], "eta_minutes": eta}
        case Stage.DELIVERED:
            return {
                "delivery_photo_url": f"{photos}-delivered.jpg",
                "recipient_signature": job["asked"]["customer"],
                "delivered_at": _place_body(job["dropoff"]),
            }
    return {
        "reason": job["reason"],
        "driver_notes": NOTES.get(job["reason"], ""),
        "attempted_at": _place_body(job["dropoff"]) if job["stage"] == Stage.FAILED else None,
    }


def _driver_body(job: Job) -> dict[str, Any]:
    driver = job["driver"]
    return {
        "id": f"cooco-driver-{driver['id']}",
        "name": driver["name"],
        "phone": driver["phone"],
        "vehicle": f"{driver['make']} {driver['model']} - {driver['plate']}",
    }


def _place_body(at: dict[str, float]) -> dict[str, float]:
    return {"latitude": at["lat"], "longitude": at["lng"]}
