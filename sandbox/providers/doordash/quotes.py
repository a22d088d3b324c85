"""DoorDash's quotes: a delivery that waits to be accepted, for five minutes, under the same external_delivery_id.

Asking again under an id that was not accepted yet is a new quote in the place of the old one.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.http import json_answer
from sandbox.engine.store import Transaction
from sandbox.fleet import jobs, timeline
from sandbox.fleet.company import running
from sandbox.fleet.stages import Stage
from sandbox.providers.doordash import deliveries, orders
from sandbox.providers.doordash.errors import answering, duplicate, invalid, unknown
from sandbox.providers.doordash.shapes import delivery

KIND = "doordash.quote"
GOOD_FOR_S = 5 * 60


@answering
def create(request: HttpRequest) -> HttpResponse:
    body = orders.read(request, "external_delivery_id", "dropoff_address")
    orders.check_pickup(body)
    with runtime.current().store.transaction() as tx:
        if not deliveries.again(tx, body["external_delivery_id"]):
            job = deliveries.new(tx, body, number=0)
            tx.put(KIND, job["id"], {"body": body, "expires_at": tx.now + GOOD_FOR_S})
            job["history"].append({"stage": Stage.WAITING, "at": tx.now})
            return json_answer(delivery(running("doordash"), tx, job) | {"delivery_status": "quote"})
    raise duplicate(body["external_delivery_id"])  # after the commit, which counted it


@answering
def accept(request: HttpRequest, external_id: str) -> HttpResponse:
    """Turns the quote into a delivery at its price; the body may add what the quote did not say."""
    changes = orders.read(request)
    with runtime.current().store.transaction() as tx:
        if not deliveries.again(tx, external_id):
            body = {**_quoted(tx, external_id), **changes, "external_delivery_id": external_id}
            if not body.get("dropoff_phone_number"):
                raise invalid({"dropoff_phone_number": "is required"})
            job = deliveries.new(tx, body, number=jobs.next_number(tx, "doordash"))
            timeline.begin(tx, running("doordash"), job)
            return json_answer(delivery(running("doordash"), tx, job))
    raise duplicate(external_id)


def _quoted(tx: Transaction, external_id: str) -> orders.Body:
    quote = tx.get(KIND, external_id)
    if quote is None:
        raise unknown(external_id)
    if tx.now >= quote["expires_at"]:
        raise invalid({"external_delivery_id": "the quote has expired"})
    body: orders.Body = quote["body"]
    return body
