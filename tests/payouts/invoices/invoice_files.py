"""COOCO's invoice as a file: what its CSV looks like, line by line."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from deliveries.models import Delivery
from foundation import clock
from payouts import reactions
from payouts.invoices import commands
from payouts.invoices.commands import InvoiceHeading
from payouts.invoices.cooco_csv import COLUMNS
from payouts.models import CourierInvoice
from tests.payouts import money

HEADER = ",".join(COLUMNS)
_TODAY = clock.now().date()
MONDAY = _TODAY - timedelta(days=_TODAY.weekday() + 7)  # the last week that is over, so that nothing is overdue
SUNDAY = MONDAY + timedelta(days=6)


def line(of: Delivery | None = None, total: object = 475, **cells: Any) -> str:
    """One line, as COOCO writes it; `cells` by column name."""
    known = {
        "delivery_id": of.courier_job.reference if of else "cooco-delivery-77",
        "external_id": of.external_id if of else "o_nobody-1",
        "kind": "delivery",
        "completed_at": "2026-11-10T12:30:00Z",
        "distance_km": "3.500",
        "base": 300,
        "distance_fee": 175,
        "surcharge": 0,
        "total": total,
        "currency": "USD",
    }
    return ",".join(str(value) for value in {**known, **cells}.values())


def file(*lines: str, header: str = HEADER) -> bytes:
    return "".join(f"{text}\n" for text in (header, *lines)).encode()


def take(
    *lines: str,
    number: str = "C-46",
    first: date = MONDAY,
    last: date = SUNDAY,
    issued_on: date = SUNDAY,
    **heading: Any,
) -> CourierInvoice:
    """The invoice with these lines, imported by finance."""
    facts = {"courier": "cooco", "number": number, "period_from": first, "period_to": last, "issued_on": issued_on}
    invoice, is_new = commands.import_invoice(
        InvoiceHeading(**{**facts, **heading}), file(*lines), by=money.by_finance()
    )
    assert is_new
    return invoice


def carried(*statuses: str, **facts: Any) -> Delivery:
    """A booked delivery of COOCO's in the invoices' week."""
    delivery = money.courier_delivery(*statuses, **{"ended_at": at(1), **facts})
    reactions.book_delivery(delivery.pk)
    return delivery


def at(day: int, hour: int = 12) -> datetime:
    """`day` counts from that week's Monday, which is 0."""
    return datetime.combine(MONDAY + timedelta(days=day), time(hour), UTC)
