"""A delivery as DoorDash shows it, in answers and in webhooks."""

from __future__ import annotations

from typing import Any

from sandbox.engine import runtime
from sandbox.engine.store import Transaction
from sandbox.fleet import jobs
from sandbox.fleet.company import CourierCompany
from sandbox.fleet.jobs import Job
from sandbox.fleet.stages import Stage

ECHOED = (
    "pickup_address",
    "pickup_business_name",
    "pickup_phone_number",
    "pickup_instructions",
    "pickup_reference_tag",
    "pickup_external_business_id",
    "pickup_external_store_id",
    "dropoff_address",
    "dropoff_business_name",
    "dropoff_phone_number",
    "dropoff_instructions",
    "dropoff_contact_given_name",
    "dropoff_contact_family_name",
    "order_value",
    "items",
    "tip",
    "contactless_dropoff",
    "action_if_undeliverable",
)
EARLIEST_S, LATEST_S = -300.0, 600.0  # the bounds of the estimate


def delivery_body(company: CourierCompany, tx: Transaction, job: Job) -> dict[str, Any]:
    """Everything that is known; what is not is missing."""
    asked, ahead = job["asked"], company.expected_times(tx, job)
    dropoff_at = ahead.get(Stage.DELIVERED)
    cancelled = company.status_word(job) == "cancelled"
    shown = {
        "external_delivery_id": job["external_id"],
        "delivery_status": company.status_word(job),
        "currency": "USD",
        "fee": asked["fee"],
        "fee_components": [{"type": "distance_based_fee", "amount": asked["fee"]}],
        "support_reference": asked["support_reference"],
        "tracking_url": f"{runtime.current_runtime().base_url}/doordash/track/{job['external_id']}",
        "cancellation_reason": job["reason"] if cancelled else None,
        "updated_at": jobs.format_iso(job["history"][-1]["at"]),
        "pickup_time_estimated": jobs.format_iso(ahead.get(Stage.PICKED_UP)),
        "pickup_time_actual": jobs.format_iso(jobs.reached_at(job, Stage.PICKED_UP)),
        "dropoff_time_estimated": jobs.format_iso(dropoff_at),
        "dropoff_time_estimated_lower_bound": jobs.format_iso(dropoff_at + EARLIEST_S if dropoff_at else None),
        "dropoff_time_estimated_upper_bound": jobs.format_iso(dropoff_at + LATEST_S if dropoff_at else None),
        "dropoff_time_actual": jobs.format_iso(jobs.reached_at(job, Stage.DELIVERED)),
        "return_time_estimated": jobs.format_iso(ahead.get(Stage.RETURNED)),
        "return_time_actual": jobs.format_iso(jobs.reached_at(job, Stage.RETURNED)),
        **{name: asked.get(name) for name in ECHOED},
        **_dasher_body(company, tx, job),
    }
    return {name: value for name, value in shown.items() if value not in (None, "", [])}


def _dasher_body(company: CourierCompany, tx: Transaction, job: Job) -> dict[str, Any]:
    driver = job["driver"]
    if driver is None:
        return {}
    return {
        "dasher_id": 1_000_000 + driver["id"],
        "dasher_name": driver["name"],
        "dasher_pickup_phone_number": driver["phone"],
        "dasher_dropoff_phone_number": driver["phone"],
        "dasher_location": company.driver_position(tx, job) if jobs.is_live(job) else None,
        "dasher_vehicle_make": driver["make"],
        "dasher_vehicle_model": driver["model"],
        "dasher_vehicle_year": "2022",
    }
