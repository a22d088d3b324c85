"""What COOCO takes: $3.00 and $0.50 a kilometre of the straight line, 30 % more on both when pickup is wanted between
five and eight in the evening, $5.00 for a cancellation once a driver is assigned. Amounts are cents.

The weekly invoice names deliveries that arrived and cancellations that cost something; a failed delivery is not billed,
because the contract knows no price for it.
"""

from __future__ import annotations

import csv
import io
from datetime import datetime
from zoneinfo import ZoneInfo

from sandbox.engine.store import Transaction
from sandbox.fleet import jobs
from sandbox.fleet.jobs import Job
from sandbox.fleet.stages import Stage

BASE = 300
PER_KM = 50
SURCHARGE_PERCENT = 30
CANCELLATION = 500
CURRENCY = "USD"
PEAK_HOURS = range(17, 20)
COLUMNS = (
    "delivery_id",
    "external_id",
    "kind",
    "completed_at",
    "distance_km",
    "base",
    "distance_fee",
    "surcharge",
    "total",
    "currency",
)


def cancellation_fee(job: Job) -> int:
    """What stopping it now costs."""
    return CANCELLATION if job["driver"] is not None else 0


def build_invoice(tx: Transaction, start: float, end: float, zone: ZoneInfo) -> str:
    """Everything that ended from `start` on and before `end`, as CSV, in the order it ended. The peak is `zone`'s."""
    lines = []
    for job in tx.find_documents(jobs.document_kind("cooco"), newest_first=False, limit=1_000_000):
        ended_at = job["history"][-1]["at"]
        if start <= ended_at < end and not jobs.is_live(job) and (line := _invoice_line(job, zone)):
            lines.append((ended_at, line))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(line for _, line in sorted(lines))
    return text.getvalue()


def _invoice_line(job: Job, zone: ZoneInfo) -> tuple[object, ...] | None:
    about = (job["id"], job["external_id"])
    ended_at, km = jobs.format_iso(job["history"][-1]["at"]), f"{job['distance_m'] / 1000:.3f}"
    if job["stage"] == Stage.CANCELLED:
        fee = job["asked"].get("cancellation_fee", 0)
        return (*about, "cancellation", ended_at, km, 0, 0, 0, fee, CURRENCY) if fee else None
    if job["stage"] != Stage.DELIVERED:
        return None
    wanted_at = datetime.fromtimestamp(job["ready_at"] or job["created"], zone)
    percent = 100 + (SURCHARGE_PERCENT if wanted_at.hour in PEAK_HOURS else 0)
    total = _share_of((BASE * 1000 + PER_KM * job["distance_m"]) * percent, 100_000)
    distance_fee = _share_of(PER_KM * job["distance_m"], 1000)
    surcharge = total - BASE - distance_fee  # so that a line adds up, though only its total was rounded
    return (*about, "delivery", ended_at, km, BASE, distance_fee, surcharge, total, CURRENCY)


def _share_of(amount: int, parts: int) -> int:
    """Half a cent goes up."""
    return (2 * amount + parts) // (2 * parts)
