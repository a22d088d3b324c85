"""What is reported to ops of courier companies' invoices: one open incident per difference (SPEC C6)."""

from typing import Any

from foundation import clock
from foundation.events import subject_of
from foundation.money import format_money
from notifications.incidents import service
from notifications.models import Incident, IncidentStatus, Severity
from payouts.lifecycle import LineResult
from payouts.models import CourierInvoice, CourierInvoiceLine

LINE = "courier_invoice_line"  # a line differs from what we expected
MANY = "courier_invoice_differs"  # more lines differ than are reported one by one
DEBIT = "courier_debit_differs"  # the company took another amount than it asked for
OVERDUE = "courier_debit_overdue"  # it was due days ago, and nothing was taken

DIFFERENCE_TEXTS = {
    LineResult.AMOUNT_DIFFERS: "{about}: {invoice} asks {theirs}, we expected {ours}",
    LineResult.UNKNOWN: "{about}: {invoice} asks {theirs} for a delivery that we do not know",
    LineResult.MISSING: "{about}: we expected {ours}, {invoice} does not ask for it",
    LineResult.TWICE: "{about}: {invoice} asks {theirs} once more, it was charged before",
}


def report_line_difference(line: CourierInvoiceLine) -> None:
    invoice, order = line.invoice, line.delivery.order if line.delivery else None
    service.open_incident(
        LINE,
        severity=Severity.WARNING,
        title=describe_difference(line),
        dedupe=incident_key(LINE, line.pk),
        subject=subject_of(line),
        order_ref=order.public_id if order else "",
        detail={
            "invoice": invoice.number,
            "courier": invoice.courier,
            "verdict": line.verdict,
            "asked_minor": line.amount_minor,
            "expected_minor": line.expected_minor,
            "currency": invoice.currency,
        },
    )


def describe_difference(line: CourierInvoiceLine) -> str:
    """A difference in a sentence, with both amounts."""

    def show_amount(amount_minor: int | None) -> str:
        return "nothing" if amount_minor is None else format_money(amount_minor, line.invoice.currency)

    return DIFFERENCE_TEXTS[LineResult(line.verdict)].format(
        about=line.external_id or line.courier_ref,
        invoice=line.invoice,
        theirs=show_amount(line.amount_minor),
        ours=show_amount(line.expected_minor),
    )


def resolve_line_difference(line: CourierInvoiceLine, resolution: str) -> None:
    service.resolve_key(incident_key(LINE, line.pk), resolution)


def sync_many_differences(invoice: CourierInvoice, count: int, *, wrong: bool) -> None:
    title = f"{count} lines of {invoice} differ, and only the first are reported each: is it the right file?"
    _sync_incident(wrong, MANY, invoice, title, {"lines": count})


def sync_debit_difference(invoice: CourierInvoice, debited_minor: int, *, wrong: bool) -> None:
    asked, taken = format_money(invoice.total_minor, invoice.currency), format_money(debited_minor, invoice.currency)
    detail = {"debited_minor": debited_minor, "total_minor": invoice.total_minor, "currency": invoice.currency}
    _sync_incident(wrong, DEBIT, invoice, f"{invoice} asks {asked}, {taken} was taken", detail)


def sync_overdue_debit(invoice: CourierInvoice, *, wrong: bool) -> None:
    asked = format_money(invoice.total_minor, invoice.currency)
    detail = {
        "due_at": clock.format_wire(invoice.due_at),
        "total_minor": invoice.total_minor,
        "currency": invoice.currency,
    }
    _sync_incident(wrong, OVERDUE, invoice, f"{invoice} of {asked} is due, and no debit was recorded", detail)


def close_incidents(invoice: CourierInvoice, resolution: str) -> None:
    """Nothing about this invoice or its lines is to be looked at any more."""
    lines = CourierInvoiceLine.objects.filter(invoice=invoice).values_list("pk", flat=True)
    keys = [*incident_keys(invoice), *(incident_key(LINE, pk) for pk in lines)]
    for standing in list_open_incidents(keys):
        service.resolve_key(standing.dedupe_key, resolution)


def list_open_incidents(keys: list[str]) -> list[Incident]:
    return list(Incident.objects.filter(dedupe_key__in=keys).exclude(status=IncidentStatus.RESOLVED).order_by("pk"))


def incident_keys(invoice: CourierInvoice) -> list[str]:
    """Of what is said of the invoice as a whole."""
    return [incident_key(kind, invoice.pk) for kind in (MANY, DEBIT, OVERDUE)]


def incident_key(kind: str, pk: int) -> str:
    return f"{kind}:{pk}"


def _sync_incident(wrong: bool, kind: str, invoice: CourierInvoice, title: str, detail: dict[str, Any]) -> None:
    """One open incident exactly while something is wrong; the same words are not reported twice."""
    standing = next(iter(list_open_incidents([incident_key(kind, invoice.pk)])), None)
    if not wrong and standing is not None:
        service.resolve_key(standing.dedupe_key, "right again")
    elif wrong and (standing is None or standing.title != title):
        service.open_incident(
            kind,
            severity=Severity.WARNING,
            title=title,
            dedupe=incident_key(kind, invoice.pk),
            subject=subject_of(invoice),
            detail=detail,
        )
