"""DoorDash's webhooks: the delivery, the event's name and its time. The lower-case ones are sent to who opted in."""

from __future__ import annotations

import json

from sandbox.engine.store import Transaction
from sandbox.fleet import behaviour, jobs
from sandbox.fleet.company import CourierCompany
from sandbox.fleet.jobs import Job
from sandbox.fleet.stages import Stage
from sandbox.providers.doordash.responses import delivery_body

EVENTS = {
    Stage.ASSIGNED: "DASHER_CONFIRMED",
    Stage.AT_PICKUP: "DASHER_CONFIRMED_PICKUP_ARRIVAL",
    Stage.PICKED_UP: "DASHER_PICKED_UP",
    Stage.AT_DROPOFF: "DASHER_CONFIRMED_DROPOFF_ARRIVAL",
    Stage.DELIVERED: "DASHER_DROPPED_OFF",
    Stage.CANCELLED: "DELIVERY_CANCELLED",
    Stage.FAILED: "DELIVERY_CANCELLED",
    Stage.RETURNING: "DELIVERY_RETURN_INITIALIZED",
    Stage.AT_RETURN: "DASHER_CONFIRMED_RETURN_ARRIVAL",
    Stage.RETURNED: "DELIVERY_RETURNED",
}
BY_CHOICE = {
    Stage.TO_PICKUP: "dasher_enroute_to_pickup",
    Stage.TO_DROPOFF: "dasher_enroute_to_dropoff",
}


def send_webhook(company: CourierCompany, tx: Transaction, job: Job) -> None:
    stage = Stage(job["stage"])
    event = EVENTS.get(stage)
    if event is None and behaviour.load_behaviour(tx, company.name)["enroute_events"]:
        event = BY_CHOICE.get(stage)
    if event is None:
        return
    body = {"event_name": event, "created_at": jobs.format_iso(tx.now), **delivery_body(company, tx, job)}
    company.send_webhook(tx, job, event, json.dumps(body))
