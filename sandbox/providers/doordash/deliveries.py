"""DoorDash's deliveries: change one until pickup, cancel it until a Dasher is assigned."""

from __future__ import annotations

import secrets

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.http import json_answer
from sandbox.engine.store import Transaction
from sandbox.fleet import jobs, mood, timeline
from sandbox.fleet.company import running
from sandbox.fleet.jobs import Job
from sandbox.fleet.stages import Stage
from sandbox.providers.doordash import orders
from sandbox.providers.doordash.errors import DoorDashError, answering, unknown
from sandbox.providers.doordash.shapes import delivery


@answering
def update(request: HttpRequest, external_id: str) -> HttpResponse:
    changes = orders.read(request)
    with runtime.current().store.transaction() as tx:
        job = find(tx, external_id)
        if reason := _too_late(job):
            raise DoorDashError(409, "update_not_allowed", "The delivery cannot be updated", reason=reason)
        changes.pop("external_delivery_id", None)
        job["asked"] |= changes
        if changes.keys() & {"dropoff_address", "dropoff_location"}:
            job["dropoff"] = orders.places(tx, job["asked"])[1]
        jobs.save(tx, "doordash", job)
        timeline.plan(tx, running("doordash"), job)
        return json_answer(delivery(running("doordash"), tx, job))


@answering
def cancel(request: HttpRequest, external_id: str) -> HttpResponse:
    orders.read(request)
    with runtime.current().store.transaction() as tx:
        job = find(tx, external_id)
        reason = _too_late(job)
        if not reason and (job["driver"] is not None or mood.behaviour(tx, "doordash")["refuse_cancel"]):
            reason = "cancellation_window_closed"
        if reason:
            raise DoorDashError(409, "cancel_not_allowed", "The delivery cannot be cancelled", reason=reason)
        timeline.move(tx, running("doordash"), job, Stage.CANCELLED, "cancelled_by_creator")
        return json_answer(delivery(running("doordash"), tx, job))


def again(tx: Transaction, external_id: str) -> bool:
    """Whether there is such a delivery; it was asked for once more."""
    job = jobs.get(tx, "doordash", external_id)
    if job is None:
        return False
    job["times_created"] += 1
    jobs.save(tx, "doordash", job)
    return True


def new(tx: Transaction, body: orders.Body, *, number: int) -> Job:
    pickup, dropoff = orders.places(tx, body)
    job = jobs.new(
        tx,
        number=number,
        job_id=body["external_delivery_id"],
        external_id=body["external_delivery_id"],
        pickup=pickup,
        dropoff=dropoff,
        ready_at=orders.ready_at(body),
        asked=body | {"support_reference": str(10**9 + secrets.randbelow(10**9))},
    )
    job["asked"]["fee"] = orders.fee(job["distance_m"])
    return job


def find(tx: Transaction, external_id: str) -> Job:
    """Raises what DoorDash says of an id it does not know."""
    job = jobs.get(tx, "doordash", external_id)
    if job is None:
        raise unknown(external_id)
    return job


def _too_late(job: Job) -> str:
    if job["stage"] in (Stage.CANCELLED, Stage.FAILED):
        return "delivery_cancelled"
    if not jobs.is_live(job):
        return "delivery_completed"
    return "delivery_picked_up" if jobs.has_goods(job) else ""
