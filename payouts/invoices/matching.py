"""Matching a courier company's invoice with what we expected, line by line (SPEC C6). The only writer of verdicts.

Level-triggered: it reads the lines, the ledger and the other invoices as they stand, and makes verdicts, incidents, the
acceptances' entries and the status agree with them. So it runs at the import, when somebody decides, and every night,
since news of a delivery may come after the invoice.

A line is looked for by our id, and by the company's where ours is unknown. A delivery that an earlier line or another
invoice has charged is charged twice. What we expected of the period and nobody charged becomes a line of its own.

An accepted line is paid as the company asks: the difference to what was booked is booked as an adjustment, and taken
back when the difference changes or the invoice is replaced. Locks: CourierPayee, CourierInvoice, LedgerAccount.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import QuerySet, Sum

from deliveries.models import Delivery
from foundation import clock
from foundation.events import subject_of
from payouts.invoices import alerts, expected_charges
from payouts.ledger import courier_costs
from payouts.ledger import entries as ledger_entries
from payouts.lifecycle import InvoiceStatus, LineResult
from payouts.models import CourierDebit, CourierInvoice, CourierInvoiceLine, EntryKind, LedgerAccount, LedgerEntry

JOBS_LIVE = timedelta(days=30)  # a job on an invoice was opened within so many days before the invoice's period
DEBIT_GRACE = timedelta(days=3)
MOST_INCIDENTS = 100


def lock_invoice(invoice_id: int) -> CourierInvoice:
    return CourierInvoice.objects.select_for_update(no_key=True, of=("self",)).get(pk=invoice_id)


def match_invoice(invoice: CourierInvoice) -> None:
    """Make a locked invoice agree with what is true now. Needs a transaction."""
    account = courier_costs.lock_courier_accounts(invoice.courier, invoice.currency).payable
    if invoice.status != InvoiceStatus.REPLACED:
        _judge_lines(invoice, account)
    _adjust_ledger(invoice, account)
    _conclude_invoice(invoice)


# ── verdicts ─────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class LineMatch:
    """What is to be said of a line."""

    line: CourierInvoiceLine
    result: LineResult
    delivery: Delivery | None = None
    expected_minor: int | None = None

    def is_changed(self) -> bool:
        line, pk = self.line, self.delivery.pk if self.delivery else None
        return (line.verdict, line.delivery_id, line.expected_minor) != (self.result, pk, self.expected_minor)


def _judge_lines(invoice: CourierInvoice, account: LedgerAccount) -> None:
    lines = list_lines(invoice)
    charged = [line for line in lines if line.position is not None]
    named = _find_deliveries(invoice, charged)
    spent = _charged_elsewhere(invoice, {delivery.pk for delivery in named.values()})
    due = expected_charges.amounts_by_delivery(account, list(named.values()))
    found = []
    for line in charged:
        delivery = named.get(line.pk)
        found.append(_match_line(line, delivery, due, spent))
        if delivery is not None:
            spent.add(delivery.pk)
    found += _find_missing_lines(invoice, [line for line in lines if line.position is None], named.values())
    _write_matches([finding for finding in found if finding.is_changed()])


def list_lines(invoice: CourierInvoice) -> list[CourierInvoiceLine]:
    lines = CourierInvoiceLine.objects.filter(invoice=invoice).select_related("delivery__order", "invoice")
    return list(lines.order_by("position", "pk"))


def _match_line(
    line: CourierInvoiceLine, delivery: Delivery | None, due: Mapping[int, int], spent: Collection[int]
) -> LineMatch:
    if delivery is None:
        return LineMatch(line, LineResult.UNKNOWN)
    if delivery.pk in spent:
        return LineMatch(line, LineResult.TWICE, delivery, 0)
    expected_minor = due.get(delivery.pk, 0)
    result = LineResult.SAME if line.amount_minor == expected_minor else LineResult.AMOUNT_DIFFERS
    return LineMatch(line, result, delivery, expected_minor)


def _find_deliveries(invoice: CourierInvoice, lines: Sequence[CourierInvoiceLine]) -> dict[int, Delivery]:
    """By line id: the delivery that a line is about, where it is one of this company's."""
    theirs = Delivery.objects.filter(courier=invoice.courier).select_related("order")
    by_ours = {row.external_id: row for row in theirs.filter(external_id__in={line.external_id for line in lines})}
    left = {line.courier_ref for line in lines if line.external_id not in by_ours and line.courier_ref}
    since = expected_charges.start_of_day(invoice.period_from) - JOBS_LIVE
    by_theirs = {
        row.courier_job.reference: row
        for row in theirs.filter(courier_job__reference__in=left, created_at__gte=since).select_related("courier_job")
    }
    found = {line.pk: by_ours.get(line.external_id) or by_theirs.get(line.courier_ref) for line in lines}
    return {pk: delivery for pk, delivery in found.items() if delivery is not None}


def _charged_elsewhere(invoice: CourierInvoice, delivery_ids: Iterable[int], *, later: bool = False) -> set[int]:
    """Which of these an earlier invoice has charged (or, with `later`, any other)."""
    lines = CourierInvoiceLine.objects.filter(
        delivery__in=delivery_ids, position__isnull=False, invoice__courier=invoice.courier
    ).exclude(invoice__status=InvoiceStatus.REPLACED)
    others = lines.exclude(invoice=invoice) if later else lines.filter(invoice__lt=invoice.pk)
    return set(others.values_list("delivery", flat=True))


def _find_missing_lines(
    invoice: CourierInvoice, known: Sequence[CourierInvoiceLine], charged: Iterable[Delivery]
) -> list[LineMatch]:
    """What the period should have cost and no line is about. A line that is no longer missing stays, and is settled."""
    expected = expected_charges.list_expected_charges(
        invoice.courier, invoice.period_from, invoice.period_to, invoice.currency
    )
    left = {one.delivery.pk: one for one in expected}
    for pk in {delivery.pk for delivery in charged} | _charged_elsewhere(invoice, left, later=True):
        left.pop(pk, None)
    lines = {line.delivery_id: line for line in known}
    found = [LineMatch(line, LineResult.SAME, line.delivery, 0) for pk, line in lines.items() if pk not in left]
    for pk, one in left.items():
        line = lines.get(pk) or CourierInvoiceLine.objects.create(
            invoice=invoice,
            external_id=one.delivery.external_id,
            courier_ref=one.delivery.courier_job.reference,
            kind=one.kind,
            delivery=one.delivery,
        )
        found.append(LineMatch(line, LineResult.MISSING, one.delivery, one.amount_minor))
    return found


def _write_matches(findings: Sequence[LineMatch]) -> None:
    """Write down what is new. A difference is an incident, and what was accepted before it no longer counts. Where
    everything differs it is the wrong file: the first ones are reported, and how many there are
    (`_conclude_invoice`)."""
    reported = 0
    for found in findings:
        line, was = found.line, found.line.verdict
        line.verdict, line.delivery, line.expected_minor = found.result, found.delivery, found.expected_minor
        line.accepted_at, line.accepted_by = None, None
        if found.result != LineResult.SAME:
            reported += 1
            if reported <= MOST_INCIDENTS:
                alerts.report_line_difference(line)
        elif was:
            alerts.resolve_line_difference(line, "the invoice and our ledger agree")
    fields = ["verdict", "delivery", "expected_minor", "accepted_at", "accepted_by"]
    CourierInvoiceLine.objects.bulk_update([found.line for found in findings], fields, batch_size=500)


# ── what follows ─────────────────────────────────────────────────────────────────────────────────────────────────
def _adjust_ledger(invoice: CourierInvoice, account: LedgerAccount) -> None:
    """Make the entries about an accepted line come to its difference, and those about any other to nothing."""
    booked = _adjusted_amounts(account)
    for line in list_lines(invoice):
        counts = line.accepted_at is not None and invoice.status != InvoiceStatus.REPLACED
        stands = booked.get(subject_of(line), [])
        left = (difference_minor(line) if counts else 0) - sum(stands)
        if left:
            ledger_entries.book_entry(
                account,
                EntryKind.ADJUSTMENT,
                f"{subject_of(line)}:{len(stands) + 1}",
                left,
                occurred_at=clock.now(),
                order_ref=line.delivery.order.public_id if line.delivery else "",
                note=f"{invoice}: {line.acceptance}" if counts else f"{invoice}: no longer accepted",
            )


def _adjusted_amounts(account: LedgerAccount) -> dict[str, list[int]]:
    """By invoice line: the amounts that were booked for it. People make these, so they are few."""
    entries = LedgerEntry.objects.filter(
        account=account, kind=EntryKind.ADJUSTMENT, reference__startswith="courierinvoiceline:"
    )
    found: dict[str, list[int]] = defaultdict(list)
    for reference, amount_minor in entries.values_list("reference", "amount_minor"):
        found[reference.rpartition(":")[0]].append(amount_minor)
    return found


def difference_minor(line: CourierInvoiceLine) -> int:
    """How much more than we expected is to be paid once the line is accepted. A delivery that is not on the invoice
    stays owed: it may be on the next."""
    return 0 if line.amount_minor is None else line.amount_minor - (line.expected_minor or 0)


def open_differences(invoice: CourierInvoice) -> QuerySet[CourierInvoiceLine]:
    """The lines that differ and nobody has accepted."""
    lines = CourierInvoiceLine.objects.filter(invoice=invoice, accepted_at=None).exclude(verdict=LineResult.SAME)
    return lines.select_related("invoice", "delivery__order").order_by("position", "pk")


def debited_minor(invoice: CourierInvoice) -> int:
    """What the company has taken for it by now."""
    return CourierDebit.objects.filter(invoice=invoice).aggregate(total=Sum("amount_minor"))["total"] or 0


def _conclude_invoice(invoice: CourierInvoice) -> None:
    """The status, and what is to be said of the invoice as a whole."""
    if invoice.status == InvoiceStatus.REPLACED:
        alerts.close_incidents(invoice, "a corrected invoice replaces it")
        return
    taken = CourierDebit.objects.filter(invoice=invoice).exists()
    debited = debited_minor(invoice)
    left = open_differences(invoice).count()
    if left or (taken and debited != invoice.total_minor):
        status = InvoiceStatus.DIFFERING
    else:
        status = InvoiceStatus.SETTLED if debited == invoice.total_minor else InvoiceStatus.MATCHED
    if invoice.status != status:
        invoice.status = status
        invoice.save(update_fields=["status"])
    overdue = not taken and debited != invoice.total_minor and clock.now() > invoice.due_at + DEBIT_GRACE
    alerts.sync_many_differences(invoice, left, wrong=left > MOST_INCIDENTS)
    alerts.sync_debit_difference(invoice, debited, wrong=taken and debited != invoice.total_minor)
    alerts.sync_overdue_debit(invoice, wrong=overdue)
