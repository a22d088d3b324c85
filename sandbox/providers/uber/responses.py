"""A delivery as Uber shows it, in answers and in the `data` of webhooks."""

from __future__ import annotations

from typing import Any

from sandbox.engine import runtime
from sandbox.engine.store import Transaction
from sandbox.fleet import jobs
from sandbox.fleet.company import CourierCompany
from sandbox.fleet.jobs import Job
from sandbox.fleet.stages import Stage
from sandbox.providers.uber.request_bodies import address_line

NEAR = (Stage.AT_PICKUP, Stage.AT_DROPOFF)


def is_imminent(stage: str) -> bool:
    """Near, which is not yet there."""
    return stage in NEAR


def delivery_body(company: CourierCompany, tx: Transaction, job: Job) -> dict[str, Any]:
    asked, ahead = job["asked"], company.expected_times(tx, job)
    pickup_at = jobs.reached_at(job, Stage.PICKED_UP) or ahead.get(Stage.PICKED_UP)
    dropoff_at = jobs.reached_at(job, Stage.DELIVERED) or ahead.get(Stage.DELIVERED)
    return {
        "kind": "delivery",
        "id": job["id"],
        "uuid": asked["uuid"],
        "external_id": job["external_id"],
        "quote_id": asked.get("quote_id") or "",
        "status": company.status_word(job),
        "complete": not jobs.is_live(job),
        "courier_imminent": is_imminent(job["stage"]),
        "courier": _courier_body(company, tx, job),
        "created": jobs.format_iso(job["created"], milliseconds=True),
        "updated": jobs.format_iso(job["history"][-1]["at"], milliseconds=True),
        "fee": asked["fee"],
        "currency": "usd",
        "tip": asked.get("tip") or 0,
        "pickup": _waypoint_body(job, "pickup"),
        "dropoff": _waypoint_body(job, "dropoff"),
        "pickup_eta": jobs.format_iso(pickup_at, milliseconds=True),
        "dropoff_eta": jobs.format_iso(dropoff_at, milliseconds=True),
        "pickup_ready": jobs.format_iso(job["ready_at"] or job["created"], milliseconds=True),
        "manifest": {
            "reference": asked.get("manifest_reference") or "",
            "total_value": asked.get("manifest_total_value") or 0,
        },
        "manifest_items": asked["manifest_items"],
        "deliverable_action": asked.get("deliverable_action") or "deliverable_action_meet_at_door",
        "undeliverable_action": asked.get("undeliverable_done", ""),
        "undeliverable_reason": job["reason"] if asked.get("undeliverable_done") else "",
        "related_deliveries": asked.get("related_deliveries", []),
        "tracking_url": f"{runtime.current_runtime().base_url}/uber/track/{job['id']}",
        "live_mode": False,
    }


def _courier_body(company: CourierCompany, tx: Transaction, job: Job) -> dict[str, Any] | None:
    driver, place = job["driver"], company.driver_position(tx, job)
    if driver is None or place is None:
        return None
    return {
        "name": driver["name"],
        "phone_number": driver["phone"],
        "rating": "4.90",
        "vehicle_type": "car",
        "vehicle_make": driver["make"],
        "vehicle_model": driver["model"],
        "vehicle_color": driver["colour"],
        "img_href": "https://couriers.uber.example/default.jpeg",
        "location": place,
    }


def _waypoint_body(job: Job, end: str) -> dict[str, Any]:
    asked = job["asked"]
    return {
        "name": asked[f"{end}_name"],
        "phone_number": asked[f"{end}_phone_number"],
        "address": address_line(asked[f"{end}_address"]),
        "notes": asked.get(f"{end}_notes") or "",
        "location": job[end],
    }
