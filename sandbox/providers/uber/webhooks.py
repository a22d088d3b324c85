"""Uber's two webhooks. They carry no id: what tells two of them apart is what they say."""

from __future__ import annotations

import json
from typing import Any

from sandbox.engine import runtime
from sandbox.engine.store import Transaction
from sandbox.fleet import jobs
from sandbox.fleet.company import CourierCompany
from sandbox.fleet.jobs import Job
from sandbox.fleet.stages import Stage
from sandbox.providers.uber.responses import delivery_body, is_imminent


def status_changed(company: CourierCompany, tx: Transaction, job: Job, before: Stage) -> None:
    """event.delivery_status, if the status or courier_imminent is another than before."""
    if (company.words[before], is_imminent(before)) == (company.status_word(job), is_imminent(job["stage"])):
        return
    _send_webhook(company, tx, job, "event.delivery_status", {"status": company.status_word(job)})


def courier_update(company: CourierCompany, tx: Transaction, job: Job) -> None:
    place = company.driver_position(tx, job)
    if place is not None:
        _send_webhook(company, tx, job, "event.courier_update", {"location": place})


def _send_webhook(company: CourierCompany, tx: Transaction, job: Job, kind: str, more: dict[str, Any]) -> None:
    body = {
        "kind": kind,
        "created": jobs.format_iso(tx.now, milliseconds=True),
        "customer_id": runtime.current_runtime().keys["uber_customer_id"],
        "delivery_id": job["id"],
        "live_mode": False,
        **more,
        "data": delivery_body(company, tx, job),
    }
    company.send_webhook(tx, job, kind, json.dumps(body))
