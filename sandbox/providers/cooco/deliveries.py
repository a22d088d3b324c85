"""COOCO's three calls: create a delivery, look at it, cancel it.

One external_id and one request id is one delivery, for ever: the same create again answers 201 with the first one.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.http import json_answer, json_object
from sandbox.engine.store import Transaction
from sandbox.fleet import behaviour, eta, geocoding, jobs, timeline
from sandbox.fleet.company import running_company
from sandbox.fleet.jobs import Job
from sandbox.fleet.stages import Stage
from sandbox.providers.cooco import tariff
from sandbox.providers.cooco.errors import error_response
from sandbox.providers.cooco.requests import Wrong, check_body, point_of, window_of

REQUEST = "cooco.request"
REQUEST_HEADER = "X-RideNDine-Request-ID"

company = partial(running_company, "cooco")


def create_delivery(request: HttpRequest) -> HttpResponse:
    request_id = request.headers.get(REQUEST_HEADER, "").strip()
    if not request_id:
        return error_response(400, "missing_header", "required on every create", REQUEST_HEADER)
    body = json_object(request)
    if body is None:
        return error_response(400, "invalid_request", "must be a JSON object", "body")
    try:
        check_body(body)
    except Wrong as wrong:
        return error_response(400, "invalid_request", str(wrong), wrong.field)
    with runtime.current_runtime().store.transaction() as tx:
        job = _find_known(tx, request_id, body["external_id"])
        if job is None:
            job = _new_job(tx, body)
            timeline.begin_job(tx, company(), job)
        else:
            job["times_created"] += 1
            jobs.save(tx, "cooco", job)
        tx.put(REQUEST, request_id, {"job": job["id"]})
        return json_answer(_created_body(tx, job), status=201)


def retrieve_delivery(request: HttpRequest, delivery_id: str) -> HttpResponse:
    with runtime.current_runtime().store.transaction() as tx:
        job = jobs.get(tx, "cooco", delivery_id)
        if job is None:
            return _unknown_delivery()
        return json_answer(
            {
                "delivery_id": job["id"],
                "external_id": job["external_id"],
                "status": company().status_word(job),
                "driver": _driver_body(tx, job),
                "timeline": _timeline_body(job),
            }
        )


def cancel_delivery(request: HttpRequest, delivery_id: str) -> HttpResponse:
    """Free before a driver is assigned. Too late once the food is on its way or the delivery is over."""
    body = json_object(request)
    if body is None or not isinstance(body.get("reason"), str):
        return error_response(400, "invalid_request", "required, a string", "reason")
    with runtime.current_runtime().store.transaction() as tx:
        job = jobs.get(tx, "cooco", delivery_id)
        if job is None:
            return _unknown_delivery()
        if job["stage"] != Stage.CANCELLED:
            if not jobs.is_live(job) or jobs.has_goods(job) or behaviour.load_behaviour(tx, "cooco")["refuse_cancel"]:
                return error_response(409, "cannot_cancel", f"A delivery that is {company().status_word(job)} goes on.")
            job["asked"]["cancellation_fee"] = tariff.cancellation_fee(job)
            timeline.move_job(tx, company(), job, Stage.CANCELLED, body["reason"] or "cancelled_by_partner")
        fee = job["asked"].get("cancellation_fee", 0)
    return json_answer({"delivery_id": job["id"], "status": "cancelled", "cancellation_fee": fee})


def _find_known(tx: Transaction, request_id: str, external_id: str) -> Job | None:
    earlier = tx.get(REQUEST, request_id)
    if earlier is not None:
        return jobs.get(tx, "cooco", earlier["job"])
    return jobs.by_external_id(tx, "cooco", external_id)


def _new_job(tx: Transaction, body: dict[str, Any]) -> Job:
    ends = {}
    for end in ("pickup", "dropoff"):
        ends[end] = geocoding.locate_address(tx, body[end]["address"], point_of(body[end]))
    number = jobs.next_number(tx, "cooco")
    return jobs.new_job(
        tx,
        number=number,
        job_id=f"cooco-delivery-{10_000 + number}",
        external_id=body["external_id"],
        **ends,
        ready_at=window_of(body["delivery_window"])[0],
        asked={
            "callback_url": body.get("callback_url") or "",
            "store": body["pickup"]["contact_name"],
            "customer": body["dropoff"]["contact_name"],
            "metadata": body.get("metadata") or {},
        },
    )


def _created_body(tx: Transaction, job: Job) -> dict[str, Any]:
    ahead = company().expected_times(tx, job)
    pickup_at = jobs.reached_at(job, Stage.PICKED_UP) or ahead.get(Stage.PICKED_UP)
    delivery_at = jobs.reached_at(job, Stage.DELIVERED) or ahead.get(Stage.DELIVERED)
    return {
        "delivery_id": job["id"],
        "status": company().status_word(job),
        "estimated_pickup_time": jobs.format_iso(pickup_at),
        "estimated_delivery_time": jobs.format_iso(delivery_at),
        "tracking_url": f"{runtime.current_runtime().base_url}/cooco/track/{job['number']}",
    }


def _driver_body(tx: Transaction, job: Job) -> dict[str, Any] | None:
    place = company().driver_position(tx, job)
    if place is None:
        return None
    return {
        "name": job["driver"]["name"],
        "phone": job["driver"]["phone"],
        "latitude": place["lat"],
        "longitude": place["lng"],
        "eta_minutes": eta.minutes_until(company().expected_times(tx, job).get(Stage.DELIVERED), tx.now),
    }


def _timeline_body(job: Job) -> list[dict[str, str | None]]:
    """Each of its words at the moment it first became true."""
    first: dict[str, float] = {}
    for step in job["history"]:
        first.setdefault(company().words[Stage(step["stage"])], step["at"])
    return [{"status": word, "timestamp": jobs.format_iso(at)} for word, at in first.items()]


def _unknown_delivery() -> HttpResponse:
    return error_response(404, "not_found", "No such delivery")
