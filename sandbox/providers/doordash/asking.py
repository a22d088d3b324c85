"""Asking DoorDash to carry something: a quote first and then its acceptance, or a delivery at once.

A quote is a delivery with the status `quote` that waits five minutes to be accepted, and has its external_delivery_id
meanwhile. An id exists once: asking again is a 409.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.http import json_answer
from sandbox.engine.store import Document, Transaction
from sandbox.fleet import jobs, timeline
from sandbox.fleet.company import running
from sandbox.fleet.stages import Stage
from sandbox.providers.doordash import deliveries, orders
from sandbox.providers.doordash.errors import answering, duplicate, invalid, unknown
from sandbox.providers.doordash.shapes import delivery

KIND = "doordash.quote"
GOOD_FOR_S = 5 * 60


@answering
def quote(request: HttpRequest) -> HttpResponse:
    body = orders.read(request, "external_delivery_id", "dropoff_address")
    orders.check_pickup(body)
    external_id = body["external_delivery_id"]
    with runtime.current().store.transaction() as tx:
        if not deliveries.again(tx, external_id) and standing(tx, external_id) is None:
            job = deliveries.new(tx, body, number=0)
            job["history"].append({"stage": Stage.WAITING, "at": tx.now})
            tx.put(KIND, external_id, {"body": body, "job": job, "expires_at": tx.now + GOOD_FOR_S})
            return json_answer(_shown(tx, job))
    raise duplicate(external_id)  # after the commit, which counted it


@answering
def accept(request: HttpRequest, external_id: str) -> HttpResponse:
    """Turns the quote into a delivery at its price; the body may add what the quote did not say."""
    changes = orders.read(request)
    with runtime.current().store.transaction() as tx:
        if not deliveries.again(tx, external_id):
            known = standing(tx, external_id)
            if known is None:
                raise unknown(external_id)
            body = {**known["body"], **changes, "external_delivery_id": external_id}
            if not body.get("dropoff_phone_number"):
                raise invalid({"dropoff_phone_number": "is required"})
            job = deliveries.new(tx, body, number=jobs.next_number(tx, "doordash"))
            tx.delete(KIND, external_id)
            timeline.begin(tx, running("doordash"), job)
            return json_answer(delivery(running("doordash"), tx, job))
    raise duplicate(external_id)


@answering
def create(request: HttpRequest) -> HttpResponse:
    """POST deliveries: without a quote, and not under the id of one that stands."""
    body = orders.read(request, "external_delivery_id", "dropoff_address", "dropoff_phone_number")
    orders.check_pickup(body)
    external_id = body["external_delivery_id"]
    with runtime.current().store.transaction() as tx:
        if not deliveries.again(tx, external_id) and standing(tx, external_id) is None:
            job = deliveries.new(tx, body, number=jobs.next_number(tx, "doordash"))
            timeline.begin(tx, running("doordash"), job)
            return json_answer(delivery(running("doordash"), tx, job))
    raise duplicate(external_id)


@answering
def retrieve(request: HttpRequest, external_id: str) -> HttpResponse:
    """A delivery, or a quote that stands, which is one with the status `quote`."""
    with runtime.current().store.transaction() as tx:
        known = standing(tx, external_id)
        if known is not None:
            return json_answer(_shown(tx, known["job"]))
        return json_answer(delivery(running("doordash"), tx, deliveries.find(tx, external_id)))


def standing(tx: Transaction, external_id: str) -> Document | None:
    """The quote under this id, while it can be accepted."""
    known = tx.get(KIND, external_id)
    return known if known is not None and tx.now < known["expires_at"] else None


def _shown(tx: Transaction, job: jobs.Job) -> Document:
    return delivery(running("doordash"), tx, job) | {"delivery_status": "quote"}
