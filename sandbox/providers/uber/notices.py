"""Uber's two webhooks. They carry no id: what tells two of them apart is what they say."""

from __future__ import annotations

import json
from typing import Any

from sandbox.engine import runtime
from sandbox.engine.store import Transaction
from sandbox.fleet import jobs
from sandbox.fleet.company import Company
from sandbox.fleet.jobs import Job
from sandbox.fleet.stages import Stage
from sandbox.providers.uber.shapes import delivery, is_imminent


def status_changed(company: Company, tx: Transaction, job: Job, before: Stage) -> None:
    """event.delivery_status, if the status or courier_imminent is another than before."""
    if (company.words[before], is_imminent(before)) == (company.word(job), is_imminent(job["stage"])):
        return
    _send(company, tx, job, "event.delivery_status", {"status": company.word(job)})


def courier_update(company: Company, tx: Transaction, job: Job) -> None:
    place = company.position(tx, job)
    if place is not None:
        _send(company, tx, job, "event.courier_update", {"location": place})


def _send(company: Company, tx: Transaction, job: Job, kind: str, more: dict[str, Any]) -> None:
    body = {
        "kind": kind,
        "created": jobs.iso(tx.now, milliseconds=True),
        "customer_id": runtime.current().keys["uber_customer_id"],
        "delivery_id": job["id"],
        "live_mode": False,
        **more,
        "data": delivery(company, tx, job),
    }
    company.send(tx, job, kind, json.dumps(body))
