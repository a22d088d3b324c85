"""Uber's deliveries: create, list, look at one, cancel.

One idempotency_key, and one external_id, is one delivery: asking again is a 409 that names the first.
"""

from __future__ import annotations

import secrets
import uuid
from functools import partial

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.http import json_answer
from sandbox.engine.store import Transaction
from sandbox.fleet import behaviour, geocoding, jobs, timeline
from sandbox.fleet.company import running_company
from sandbox.fleet.jobs import Job
from sandbox.fleet.stages import Stage
from sandbox.providers.uber import quotes, request_bodies
from sandbox.providers.uber.errors import UberError, answer_errors, error_response, invalid_params, not_found
from sandbox.providers.uber.responses import delivery_body

MOST_LISTED = 100

company = partial(running_company, "uber")


@answer_errors
def create_delivery(request: HttpRequest, customer_id: str) -> HttpResponse:
    body = request_bodies.read_delivery(request)
    with runtime.current_runtime().store.transaction() as tx:
        earlier = _find_same(tx, body)
        if earlier is not None:
            earlier["times_created"] += 1
            jobs.save(tx, "uber", earlier)
            first = {"delivery_id": earlier["id"]}
            return error_response(409, "duplicate_delivery", "An active delivery like this already exists.", first)
        job = _new_job(tx, body)
        timeline.begin_job(tx, company(), job)
        return json_answer(delivery_body(company(), tx, job))


@answer_errors
def retrieve_delivery(request: HttpRequest, customer_id: str, delivery_id: str) -> HttpResponse:
    with runtime.current_runtime().store.transaction() as tx:
        return json_answer(delivery_body(company(), tx, _find_job(tx, delivery_id)))


@answer_errors
def list_all(request: HttpRequest, customer_id: str) -> HttpResponse:
    """?limit=&offset=&filter= ; newest first. The filter is "ongoing" or one of the status words."""
    try:
        limit, offset = int(request.GET.get("limit", 20)), int(request.GET.get("offset", 0))
    except ValueError:
        raise invalid_params(limit="must be an integer", offset="must be an integer") from None
    wanted = request.GET.get("filter", "")
    with runtime.current_runtime().store.transaction() as tx:
        found = tx.find_documents(jobs.document_kind("uber"), limit=100_000)
        if wanted:
            found = [job for job in found if _has_status(job, wanted)]
        page = [delivery_body(company(), tx, job) for job in found[offset : offset + min(limit, MOST_LISTED)]]
    following = offset + len(page)
    href = f"/v1/customers/{customer_id}/deliveries?limit={limit}&offset={following}"
    return json_answer(
        {
            "data": page,
            "object": "list",
            "next_href": href if following < len(found) else "",
            "total_count": len(found),
            "url": f"/v1/customers/{customer_id}/deliveries",
        }
    )


@answer_errors
def cancel_delivery(request: HttpRequest, customer_id: str, delivery_id: str) -> HttpResponse:
    """Until pickup. One that is over, cancelled or not, is noncancelable."""
    with runtime.current_runtime().store.transaction() as tx:
        job = _find_job(tx, delivery_id)
        if not jobs.is_live(job) or jobs.has_goods(job) or behaviour.load_behaviour(tx, "uber")["refuse_cancel"]:
            raise UberError(400, "noncancelable_delivery", "Delivery cannot be canceled.")
        timeline.move_job(tx, company(), job, Stage.CANCELLED, "canceled_by_customer")
        return json_answer(delivery_body(company(), tx, job))


def _find_job(tx: Transaction, delivery_id: str) -> Job:
    job = jobs.get(tx, "uber", delivery_id)
    if job is None:
        raise not_found()
    return job


def _find_same(tx: Transaction, body: request_bodies.Body) -> Job | None:
    if key := body.get("idempotency_key"):
        found = tx.find_documents(jobs.document_kind("uber"), {"idempotency_key": key}, limit=1)
        if found:
            return found[0]
    return jobs.by_external_id(tx, "uber", body.get("external_id") or "")


def _new_job(tx: Transaction, body: request_bodies.Body) -> Job:
    pickup, dropoff = request_bodies.place_of_end(tx, body, "pickup"), request_bodies.place_of_end(tx, body, "dropoff")
    quotes.check_reach(tx, pickup, dropoff)
    quoted = quotes.spend_quote(tx, body) if body.get("quote_id") else None
    fee = quoted["fee"] if quoted else quotes.quote_fee(geocoding.distance_m(pickup, dropoff))
    asked = {**body, "uuid": str(uuid.uuid4()), "fee": fee + (body.get("tip") or 0)}  # the tip is part of the fee
    job = jobs.new_job(
        tx,
        number=jobs.next_number(tx, "uber"),
        job_id=f"del_{secrets.token_urlsafe(16)}",
        external_id=body.get("external_id") or "",
        pickup=pickup,
        dropoff=dropoff,
        ready_at=jobs.read_time(body.get("pickup_ready_dt")),
        asked=asked,
    )
    return job | {"idempotency_key": body.get("idempotency_key") or ""}


def _has_status(job: Job, wanted: str) -> bool:
    return jobs.is_live(job) if wanted == "ongoing" else company().status_word(job) == wanted
