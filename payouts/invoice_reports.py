"""What is reported to ops of courier companies' invoices: one open incident per difference (SPEC C6)."""

from typing import Any

from foundation import clock
from foundation.events import subject_of
from foundation.money import show
from notifications import incidents
from notifications.models import Incident, IncidentStatus, Severity
from payouts.lifecycle import LineVerdict
from payouts.models import CourierInvoice, CourierInvoiceLine

LINE = "courier_invoice_line"  # a line differs from what we expected
MANY = "courier_invoice_differs"  # more lines differ than are reported one by one
DEBIT = "courier_debit_differs"  # the company took another amount than it asked for
OVERDUE = "courier_debit_overdue"  # it was due days ago, and nothing was taken

WORDS = {
    LineVerdict.AMOUNT_DIFFERS: "{about}: {invoice} asks {theirs}, we expected {ours}",
    LineVerdict.UNKNOWN: "{about}: {invoice} asks {theirs} for a delivery that we do not know",
    LineVerdict.MISSING: "{about}: we expected {ours}, {invoice} does not ask for it",
    LineVerdict.TWICE: "{about}: {invoice} asks {theirs} once more, it was charged before",
}


def line_differs(line: CourierInvoiceLine) -> None:
    invoice, order = line.invoice, line.delivery.order if line.delivery else None
    incidents.open(
        LINE,
        severity=Severity.WARNING,
        title=words(line),
        dedupe=key(LINE, line.pk),
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


def words(line: CourierInvoiceLine) -> str:
    """A difference in a sentence, with both amounts."""

    def shown(amount_minor: int | None) -> str:
        return "nothing" if amount_minor is None else show(amount_minor, line.invoice.currency)

    return WORDS[LineVerdict(line.verdict)].format(
        about=line.external_id or line.courier_ref,
        invoice=line.invoice,
        theirs=shown(line.amount_minor),
        ours=shown(line.expected_minor),
    )


def line_agrees(line: CourierInvoiceLine, resolution: str) -> None:
    incidents.resolve_key(key(LINE, line.pk), resolution)


def many_differ(invoice: CourierInvoice, count: int, *, wrong: bool) -> None:
    title = f"{count} lines of {invoice} differ, and only the first are reported each: is it the right file?"
    _hold(wrong, MANY, invoice, title, {"lines": count})


def debit_differs(invoice: CourierInvoice, debited_minor: int, *, wrong: bool) -> None:
    asked, taken = show(invoice.total_minor, invoice.currency), show(debited_minor, invoice.currency)
    detail = {"debited_minor": debited_minor, "total_minor": invoice.total_minor, "currency": invoice.currency}
    _hold(wrong, DEBIT, invoice, f"{invoice} asks {asked}, {taken} was taken", detail)


def debit_overdue(invoice: CourierInvoice, *, wrong: bool) -> None:
    asked = show(invoice.total_minor, invoice.currency)
    detail = {"due_at": clock.wire(invoice.due_at), "total_minor": invoice.total_minor, "currency": invoice.currency}
    _hold(wrong, OVERDUE, invoice, f"{invoice} of {asked} is due, and no debit was recorded", detail)


def forget(invoice: CourierInvoice, resolution: str) -> None:
    """Nothing about this invoice or its lines is to be looked at any more."""
    lines = CourierInvoiceLine.objects.filter(invoice=invoice).values_list("pk", flat=True)
    keys = [*keys_of(invoice), *(key(LINE, pk) for pk in lines)]
    for standing in open_incidents(keys):
        incidents.resolve_key(standing.dedupe_key, resolution)


def open_incidents(keys: list[str]) -> list[Incident]:
    return list(Incident.objects.filter(dedupe_key__in=keys).exclude(status=IncidentStatus.RESOLVED).order_by("pk"))


def keys_of(invoice: CourierInvoice) -> list[str]:
    """Of what is said of the invoice as a whole."""
    return [key(kind, invoice.pk) for kind in (MANY, DEBIT, OVERDUE)]


def key(kind: str, pk: int) -> str:
    return f"{kind}:{pk}"


def _hold(wrong: bool, kind: str, invoice: CourierInvoice, title: str, detail: dict[str, Any]) -> None:
    """One open incident exactly while something is wrong; the same words are not reported twice."""
    standing = next(iter(open_incidents([key(kind, invoice.pk)])), None)
    if not wrong and standing is not None:
        incidents.resolve_key(standing.dedupe_key, "right again")
    elif wrong and (standing is None or standing.title != title):
        incidents.open(
            kind,
            severity=Severity.WARNING,
            title=title,
            dedupe=key(kind, invoice.pk),
            subject=subject_of(invoice),
            detail=detail,
        )
