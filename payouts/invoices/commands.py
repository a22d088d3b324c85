"""Courier companies' invoices: taken in, accepted, replaced, debited (SPEC C6, M6). What people decide about them.

A company takes what it asks from our Stripe balance itself. We write that down (`record_debit`) and compare; nothing is
ever sent. What differs is found in payouts/invoices/matching.py.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import ModuleType

from django.db import transaction
from django.db.models import Q

from deliveries.lifecycle import LIVE
from deliveries.models import IN_HOUSE, Delivery
from foundation import clock, events, jobs
from foundation.errors import Conflict, Invalid, NotFound
from foundation.events import Cause, subject_of
from foundation.money import format_money
from payouts.invoices import alerts, cooco_csv, expected_charges, matching
from payouts.ledger import courier_costs, entries
from payouts.lifecycle import InvoiceStatus
from payouts.models import CourierDebit, CourierInvoice, CourierInvoiceLine, EntryKind

BOOK_DELIVERY = jobs.handler_name("payouts.book_delivery")

READERS: dict[str, ModuleType] = {cooco_csv.COURIER: cooco_csv}
RECHECK_WINDOW = timedelta(days=60)  # a settled invoice that is older is closed
REBOOK_WINDOW = timedelta(days=3)
LONGEST_PERIOD = timedelta(days=92)


@dataclass(frozen=True)
class InvoiceHeading:
    """What stands on an invoice beside its lines. `replaces` is the number of the one that it corrects, or ""."""

    courier: str
    number: str
    period_from: date
    period_to: date
    issued_on: date
    replaces: str = ""


# ── taking one in ────────────────────────────────────────────────────────────────────────────────────────────────
def import_invoice(heading: InvoiceHeading, raw: bytes, *, by: Cause) -> tuple[CourierInvoice, bool]:
    """The invoice in this file, and whether it is new: the same file again is the same invoice.

    Raises Invalid (with the line and the column) for a file or a heading that cannot be read, Conflict for a number
    that stands already, NotFound for a corrected one that does not.
    """
    if heading.courier not in READERS:
        raise Invalid("no invoices of this company can be read", field="courier")
    if not heading.period_from <= heading.period_to <= heading.period_from + LONGEST_PERIOD:
        raise Invalid("the period must end after it begins, within three months", field="period_to")
    digest = hashlib.sha256(raw).hexdigest()
    lines = READERS[heading.courier].read_lines(raw)
    with transaction.atomic():
        courier_costs.lock_payee(heading.courier)  # two people with one file stand in line here
        known = CourierInvoice.objects.filter(courier=heading.courier, file_sha256=digest).first()
        if known is not None:
            return known, False
        old = _retire_replaced(heading, lines[0].currency, by)
        invoice = CourierInvoice.objects.create(
            courier=heading.courier,
            number=heading.number,
            period_from=heading.period_from,
            period_to=heading.period_to,
            issued_on=heading.issued_on,
            due_at=expected_charges.start_of_day(heading.issued_on + timedelta(days=READERS[heading.courier].NET_DAYS)),
            currency=lines[0].currency,
            total_minor=sum(line.amount_minor for line in lines),
            file_sha256=digest,
            replaces=old,
            imported_by_id=by.user_id,
        )
        _store_lines(invoice, lines)
        CourierDebit.objects.filter(invoice=old).update(invoice=invoice)
        data = {"total_minor": invoice.total_minor, "lines": len(lines), "replaces": old.number if old else ""}
        events.record_event("courier_invoice.imported", invoice, by=by, data=data)
        matching.match_invoice(invoice)
    return invoice, True


def _retire_replaced(heading: InvoiceHeading, currency: str, by: Cause) -> CourierInvoice | None:
    """The invoice that the new one corrects; it counts no more."""
    theirs = CourierInvoice.objects.filter(courier=heading.courier).exclude(status=InvoiceStatus.REPLACED)
    if heading.number != heading.replaces and theirs.filter(number=heading.number).exists():
        raise Conflict(f"{heading.number} was imported before, with another content: say that it replaces it")
    if not heading.replaces:
        return None
    old = theirs.filter(number=heading.replaces).select_for_update(no_key=True, of=("self",)).first()
    if old is None:
        raise NotFound(f"there is no invoice {heading.replaces} to replace", field="replaces")
    if old.currency != currency:
        raise Conflict(f"{old} is in {old.currency}", field="replaces")
    old.status = InvoiceStatus.REPLACED
    old.save(update_fields=["status"])
    matching.match_invoice(old)
    events.record_event("courier_invoice.replaced", old, by=by, data={"by": heading.number})
    return old


def _store_lines(invoice: CourierInvoice, lines: list[cooco_csv.ParsedLine]) -> None:
    rows = [
        CourierInvoiceLine(
            invoice=invoice,
            position=line.position,
            external_id=line.external_id,
            courier_ref=line.courier_ref,
            kind=line.kind,
            completed_at=line.completed_at,
            amount_minor=line.amount_minor,
        )
        for line in lines
    ]
    CourierInvoiceLine.objects.bulk_create(rows, batch_size=1_000)


# ── what people decide ───────────────────────────────────────────────────────────────────────────────────────────
def accept_line(line: CourierInvoiceLine, by: Cause, reason: str) -> None:
    """What the company asks stands: its difference is booked, its incident closed. Raises Conflict where there is
    nothing to accept."""
    with transaction.atomic():
        invoice = _lock_active_invoice(line.invoice_id)
        row = matching.open_differences(invoice).filter(pk=line.pk).first()
        if row is None:
            raise Conflict("There is no open difference in this line")
        _accept_locked(invoice, row, by, reason)
        matching.match_invoice(invoice)


def accept_all(invoice: CourierInvoice, by: Cause, reason: str) -> int:
    """The same for every line that differs; returns how many that were."""
    with transaction.atomic():
        row = _lock_active_invoice(invoice.pk)
        lines = list(matching.open_differences(row))
        for line in lines:
            _accept_locked(row, line, by, reason)
        matching.match_invoice(row)
    return len(lines)


def _accept_locked(invoice: CourierInvoice, line: CourierInvoiceLine, by: Cause, reason: str) -> None:
    line.accepted_at, line.accepted_by_id, line.acceptance = clock.now(), by.user_id, reason[:300]
    line.save(update_fields=["accepted_at", "accepted_by", "acceptance"])
    alerts.resolve_line_difference(line, f"accepted: {reason}")
    data = {"line": line.pk, "verdict": line.verdict, "asked": line.amount_minor, "expected": line.expected_minor}
    events.record_event("courier_invoice.line_accepted", invoice, by=by, data={**data, "why": reason})


def _lock_active_invoice(invoice_id: int) -> CourierInvoice:
    """Raises Conflict for one that counts no more."""
    row = matching.lock_invoice(invoice_id)
    if row.status == InvoiceStatus.REPLACED:
        raise Conflict(f"{row} was replaced: look at the one that replaces it")
    return row


def rematch_invoice(invoice: CourierInvoice) -> InvoiceStatus:
    """Compare it with what is true now."""
    with transaction.atomic():
        row = matching.lock_invoice(invoice.pk)
        matching.match_invoice(row)
    return InvoiceStatus(row.status)


def record_debit(
    invoice: CourierInvoice,
    *,
    amount_minor: int,
    debited_on: date,
    reference: str,
    by: Cause,
    reason: str = "",
) -> bool:
    """The company took money for an invoice (negative: it gave some back). False: this debit was recorded before.

    Booked once, on the company's `payable`. Raises Conflict when the reference stands for something else, Invalid for
    an amount of nothing or a day that is still to come.
    """
    if amount_minor == 0:
        raise Invalid("an amount of nothing", field="amount")
    if debited_on > clock.now().date():
        raise Invalid("this day is still to come", field="debited_on")
    with transaction.atomic():
        row = _lock_active_invoice(invoice.pk)
        account = courier_costs.lock_courier_accounts(row.courier, row.currency).payable
        known = CourierDebit.objects.filter(courier=row.courier, reference=reference).first()
        if known is not None:
            if (known.invoice_id, known.amount_minor, known.debited_on) == (row.pk, amount_minor, debited_on):
                return False
            shown = format_money(known.amount_minor, row.currency)
            raise Conflict(f"{reference} stands already, as {shown} on {known.debited_on} for {known.invoice}")
        debit = CourierDebit.objects.create(
            invoice=row,
            courier=row.courier,
            amount_minor=amount_minor,
            debited_on=debited_on,
            reference=reference,
            recorded_by_id=by.user_id,
        )
        at = expected_charges.start_of_day(debited_on)
        note = f"{row}, {reference}"
        entries.book_entry(account, EntryKind.DEBIT, subject_of(debit), -amount_minor, occurred_at=at, note=note)
        data = {"amount_minor": amount_minor, "reference": reference, "why": reason}
        events.record_event("courier_invoice.debited", row, by=by, data=data, occurred_at=at)
        matching.match_invoice(row)
    return True


# ── the clock ────────────────────────────────────────────────────────────────────────────────────────────────────
def recheck_invoices() -> int:
    """Search again at all that may still move: deliveries whose end was corrected without an event, invoices whose
    lines or debits no longer agree or are overdue. Returns how many invoices were looked at."""
    now = clock.now()
    _enqueue_rebooking(now - REBOOK_WINDOW)
    moving = Q(created_at__gte=now - RECHECK_WINDOW) | ~Q(status=InvoiceStatus.SETTLED)
    invoices = list(CourierInvoice.objects.filter(moving).exclude(status=InvoiceStatus.REPLACED).order_by("pk"))
    for invoice in invoices:
        rematch_invoice(invoice)
    return len(invoices)


def _enqueue_rebooking(since: datetime) -> None:
    """Have the ledger of recent jobs looked at once more: where they are right, nothing happens."""
    recent = Delivery.objects.exclude(courier=IN_HOUSE).exclude(status__in=LIVE).filter(created_at__gte=since)
    for delivery in recent.order_by("pk").only("pk").iterator():
        jobs.enqueue_job(BOOK_DELIVERY, subject_of(delivery))
