"""DoorDash's deliveries: change one until pickup, cancel it until a Dasher is assigned."""

from __future__ import annotations

import secrets

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.http import json_answer
from sandbox.engine.store import Transaction
from sandbox.fleet import behaviour, jobs, timeline
from sandbox.fleet.company import running_company
from sandbox.fleet.jobs import Job
from sandbox.fleet.stages import Stage
from sandbox.providers.doordash import request_bodies
from sandbox.providers.doordash.errors import DoorDashError, answer_errors, unknown_id
from sandbox.providers.doordash.responses import delivery_body


@answer_errors
def update_delivery(request: HttpRequest, external_id: str) -> HttpResponse:
    changes = request_bodies.read_body(request)
    with runtime.current_runtime().store.transaction() as tx:
        job = find_job(tx, external_id)
        if reason := _too_late(job):
            raise DoorDashError(409, "update_not_allowed", "The delivery cannot be updated", reason=reason)
        changes.pop("external_delivery_id", None)
        job["asked"] |= changes
        if changes.keys() & {"dropoff_address", "dropoff_location"}:
            job["dropoff"] = request_bodies.places_of(tx, job["asked"])[1]
        jobs.save(tx, "doordash", job)
        timeline.plan_next(tx, running_company("doordash"), job)
        return json_answer(delivery_body(running_company("doordash"), tx, job))


@answer_errors
def cancel_delivery(request: HttpRequest, external_id: str) -> HttpResponse:
    request_bodies.read_body(request)
    with runtime.current_runtime().store.transaction() as tx:
        job = find_job(tx, external_id)
        reason = _too_late(job)
        if not reason and (job["driver"] is not None or behaviour.load_behaviour(tx, "doordash")["refuse_cancel"]):
            reason = "cancellation_window_closed"
        if reason:
            raise DoorDashError(409, "cancel_not_allowed", "The delivery cannot be cancelled", reason=reason)
        timeline.move_job(tx, running_company("doordash"), job, Stage.CANCELLED, "cancelled_by_creator")
        return json_answer(delivery_body(running_company("doordash"), tx, job))


def is_known(tx: Transaction, external_id: str) -> bool:
    """Whether there is such a delivery; it was asked for once more."""
    job = jobs.get(tx, "doordash", external_id)
    if job is None:
        return False
    job["times_created"] += 1
    jobs.save(tx, "doordash", job)
    return True


def new_job(tx: Transaction, body: request_bodies.Body, *, number: int) -> Job:
    pickup, dropoff = request_bodies.places_of(tx, body)
    job = jobs.new_job(
        tx,
        number=number,
        job_id=body["external_delivery_id"],
        external_id=body["external_delivery_id"],
        pickup=pickup,
        dropoff=dropoff,
        ready_at=request_bodies.ready_at(body),
        asked=body | {"support_reference": str(10**9 + secrets.randbelow(10**9))},
    )
    job["asked"]["fee"] = request_bodies.delivery_fee(job["distance_m"])
    return job


def find_job(tx: Transaction, external_id: str) -> Job:
    """Raises what DoorDash says of an id it does not know."""
    job = jobs.get(tx, "doordash", external_id)
    if job is None:
        raise unknown_id(external_id)
    return job


def _too_late(job: Job) -> str:
    if job["stage"] in (Stage.CANCELLED, Stage.FAILED):
        return "delivery_cancelled"
    if not jobs.is_live(job):
        return "delivery_completed"
    return "delivery_picked_up" if jobs.has_goods(job) else ""
