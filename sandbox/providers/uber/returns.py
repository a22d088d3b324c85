"""What becomes of goods that could not be handed over: left at the door, thrown away, or brought back, which is what
happens unless something else was asked for.

Bringing back ends the delivery as `returned` at once and makes a new one, ret_…, the other way round; each names the
other in related_deliveries.
"""

from __future__ import annotations

import secrets
import uuid

from sandbox.engine.store import Transaction
from sandbox.fleet import jobs, timeline
from sandbox.fleet.company import CourierCompany
from sandbox.fleet.jobs import Job
from sandbox.fleet.stages import Stage
from sandbox.providers.uber import webhooks

END_BY_ACTION = {"return": Stage.RETURNED, "leave_at_door": Stage.DELIVERED, "discard": Stage.CANCELLED}
SIDES = ("name", "phone_number", "address", "notes")


def stage_undelivered(job: Job) -> Stage:
    """Where a delivery goes whose customer is not there, by what was asked for."""
    end = END_BY_ACTION[job["asked"].get("undeliverable_action") or "return"]
    if end is Stage.DELIVERED:
        job["asked"]["undeliverable_done"], job["reason"] = "left_at_door", "customer_unavailable"
    return end


def begin_return(company: CourierCompany, tx: Transaction, job: Job) -> None:
    """The way back, with the same courier and already under way."""
    asked = job["asked"]
    back = jobs.new_job(
        tx,
        number=jobs.next_number(tx, company.name),
        job_id=f"ret_{secrets.token_urlsafe(16)}",
        external_id="",
        pickup=job["dropoff"],
        dropoff=job["pickup"],
        ready_at=None,
        asked={
            **{f"pickup_{side}": asked.get(f"dropoff_{side}") for side in SIDES},
            **{f"dropoff_{side}": asked.get(f"pickup_{side}") for side in SIDES},
            "manifest_items": asked["manifest_items"],
            "uuid": str(uuid.uuid4()),
            "fee": asked["fee"],
            "related_deliveries": [{"id": job["id"], "relationship": "original"}],
        },
    )
    back |= {"driver": job["driver"], "start": job["dropoff"], "trip_back": True}
    asked["related_deliveries"] = [{"id": back["id"], "relationship": "return"}]
    asked["undeliverable_done"] = "returned"
    jobs.save(tx, company.name, job)
    timeline.begin_job(tx, company, back, Stage.TO_DROPOFF)
    webhooks.status_changed(company, tx, back, Stage.WAITING)
