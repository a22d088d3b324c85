"""Asking DoorDash to carry something: a quote first and then its acceptance, or a delivery at once.

A quote is a delivery with the status `create_quote` that waits five minutes to be accepted, and has its
external_delivery_id meanwhile. An id exists once: asking again is a 409.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.http import json_answer
from sandbox.engine.store import Document, Transaction
from sandbox.fleet import jobs, timeline
from sandbox.fleet.company import running_company
from sandbox.fleet.stages import Stage
from sandbox.providers.doordash import deliveries, request_bodies
from sandbox.providers.doordash.errors import answer_errors, duplicate_id, invalid_body, unknown_id
from sandbox.providers.doordash.responses import delivery_body

KIND = "doordash.quote"
GOOD_FOR_S = 5 * 60


@answer_errors
def create_quote(request: HttpRequest) -> HttpResponse:
    body = request_bodies.read_body(request, "external_delivery_id", "dropoff_address")
    request_bodies.check_pickup(body)
    external_id = body["external_delivery_id"]
    with runtime.current_runtime().store.transaction() as tx:
        if not deliveries.is_known(tx, external_id) and find_open_quote(tx, external_id) is None:
            job = deliveries.new_job(tx, body, number=0)
            job["history"].append({"stage": Stage.WAITING, "at": tx.now})
            tx.put(KIND, external_id, {"body": body, "job": job, "expires_at": tx.now + GOOD_FOR_S})
            return json_answer(_delivery_or_quote_body(tx, job))
    raise duplicate_id(external_id)  # after the commit, which counted it


@answer_errors
def accept_quote(request: HttpRequest, external_id: str) -> HttpResponse:
    """Turns the quote into a delivery at its price; the body may add what the quote did not say."""
    changes = request_bodies.read_body(request)
    with runtime.current_runtime().store.transaction() as tx:
        if not deliveries.is_known(tx, external_id):
            known = find_open_quote(tx, external_id)
            if known is None:
                raise unknown_id(external_id)
            body = {**known["body"], **changes, "external_delivery_id": external_id}
            if not body.get("dropoff_phone_number"):
                raise invalid_body({"dropoff_phone_number": "is required"})
            job = deliveries.new_job(tx, body, number=jobs.next_number(tx, "doordash"))
            tx.delete(KIND, external_id)
            timeline.begin_job(tx, running_company("doordash"), job)
            return json_answer(delivery_body(running_company("doordash"), tx, job))
    raise duplicate_id(external_id)


@answer_errors
def create_delivery(request: HttpRequest) -> HttpResponse:
    """POST deliveries: without a quote, and not under the id of one that stands."""
    body = request_bodies.read_body(request, "external_delivery_id", "dropoff_address", "dropoff_phone_number")
    request_bodies.check_pickup(body)
    external_id = body["external_delivery_id"]
    with runtime.current_runtime().store.transaction() as tx:
        if not deliveries.is_known(tx, external_id) and find_open_quote(tx, external_id) is None:
            job = deliveries.new_job(tx, body, number=jobs.next_number(tx, "doordash"))
            timeline.begin_job(tx, running_company("doordash"), job)
            return json_answer(delivery_body(running_company("doordash"), tx, job))
    raise duplicate_id(external_id)


@answer_errors
def retrieve_delivery(request: HttpRequest, external_id: str) -> HttpResponse:
    """A delivery, or a quote that stands, which is one with the status `create_quote`."""
    with runtime.current_runtime().store.transaction() as tx:
        known = find_open_quote(tx, external_id)
        if known is not None:
            return json_answer(_delivery_or_quote_body(tx, known["job"]))
        return json_answer(delivery_body(running_company("doordash"), tx, deliveries.find_job(tx, external_id)))


def find_open_quote(tx: Transaction, external_id: str) -> Document | None:
    """The quote under this id, while it can be accepted."""
    known = tx.get(KIND, external_id)
    return known if known is not None and tx.now < known["expires_at"] else None


def _delivery_or_quote_body(tx: Transaction, job: jobs.Job) -> Document:
    return delivery_body(running_company("doordash"), tx, job) | {"delivery_status": "quote"}
