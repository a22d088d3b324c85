"""A job: one delivery that a company was asked for. A document of kind "<company>.job", found by its own id or ours.

    id, number       its own id; its number in the company's life, which dice are thrown with
    external_id      the customer's id of it, "" where there is none
    stage, history   how far it is, and [{"stage", "at"}] of everything that happened
    pickup, dropoff  positions; `distance_m` between them
    ready_at         when the goods can be had, None if nobody said
    driver, start    who carries it, None before one is assigned, and where they set out from
    reason           why it ended, in the company's word
    times_created    how often it was asked for
    notices          how many webhooks were made about it
    trip_back        True where the company made it itself, to bring goods back
    asked            what the company wants to remember of the request
Times are Unix seconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandbox.engine.store import Transaction
from sandbox.fleet import geocoding
from sandbox.fleet.geocoding import Point
from sandbox.fleet.stages import ENDS, WITH_GOODS, Stage

DRIVERS = (
    ("Alex Moreno", "Toyota", "Camry", "silver"),
    ("Priya Nair", "Honda", "Civic", "blue"),
    ("Sam Okafor", "Hyundai", "Ioniq", "white"),
    ("Mina Haddad", "Ford", "Fiesta", "red"),
    ("Jonas Weber", "Kia", "Niro", "grey"),
    ("Lucia Rossi", "Nissan", "Leaf", "green"),
    ("Tom Becker", "Mazda", "3", "black"),
)

Job = dict[str, Any]


def document_kind(company: str) -> str:
    return f"{company}.job"


def get(tx: Transaction, company: str, job_id: str) -> Job | None:
    return tx.get(document_kind(company), job_id)


def by_external_id(tx: Transaction, company: str, external_id: str) -> Job | None:
    found = tx.find_documents(document_kind(company), {"external_id": external_id}, limit=1) if external_id else []
    return found[0] if found else None


def save(tx: Transaction, company: str, job: Job) -> None:
    tx.put(document_kind(company), job["id"], job)


def new_job(
    tx: Transaction,
    *,
    number: int,
    job_id: str,
    external_id: str,
    pickup: Point,
    dropoff: Point,
    ready_at: float | None,
    asked: dict[str, Any],
) -> Job:
    """Not yet saved: `timeline.begin_job` does that."""
    return {
        "id": job_id,
        "number": number,
        "external_id": external_id,
        "stage": Stage.WAITING,
        "history": [],
        "created": tx.now,
        "pickup": pickup,
        "dropoff": dropoff,
        "distance_m": round(geocoding.distance_m(pickup, dropoff)),
        "ready_at": ready_at,
        "driver": None,
        "start": None,
        "reason": "",
        "times_created": 1,
        "notices": 0,
        "asked": asked,
    }


def next_number(tx: Transaction, company: str) -> int:
    tx.count_up(f"{company}/jobs", 1)
    return tx.list_counters(f"{company}/")["jobs"]


def hire_driver(job: Job) -> None:
    """Give the job a driver, who is somewhere around the pickup."""
    name, make, model, colour = DRIVERS[job["number"] % len(DRIVERS)]
    job["driver"] = {
        "id": job["number"] % len(DRIVERS) + 1,
        "name": name,
        "phone": f"+1555010{job['number'] % 10_000:04d}",
        "make": make,
        "model": model,
        "colour": colour,
        "plate": f"CRR{job['number'] % 1000:03d}",
    }
    job["start"] = geocoding.point_nearby(job["pickup"], job["id"])


def is_live(job: Job) -> bool:
    return job["stage"] not in ENDS


def has_goods(job: Job) -> bool:
    return job["stage"] in WITH_GOODS


def reached_at(job: Job, *stages: Stage) -> float | None:
    """When it first came to one of these stages."""
    return next((step["at"] for step in job["history"] if step["stage"] in stages), None)


def format_iso(at: float | None, *, milliseconds: bool = False) -> str | None:
    if at is None:
        return None
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds" if milliseconds else "seconds")
    return text.replace("+00:00", "Z")


def read_time(value: Any) -> float | None:
    """An ISO time with its zone as Unix seconds; None if it is none."""
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return at.timestamp() if at.tzinfo else None
