"""The verbs of this room as people use them: who may, with which fields, what was done (foundation/actions.py)."""

from decimal import Decimal

from django import forms

from foundation import money
from foundation.actions import ActionRequest, action
from foundation.errors import Invalid
from foundation.money import currency_exponent, format_money
from payouts.invoices import alerts, commands
from payouts.invoices.fields import day_field, describe_in_words
from payouts.lifecycle import LineResult
from payouts.models import (
    CourierInvoice,
    CourierInvoiceLine,
    Payout,
)
from payouts.runs import runs


def in_minor(amount: Decimal, currency: str) -> int:
    """Whole units, as people type them, in minor units. Raises Invalid for parts of a cent."""
    minor = amount.scaleb(currency_exponent(currency))
    if minor != minor.to_integral_value():
        raise Invalid(f"{currency} has no such small parts", field="amount")
    return int(minor)


@action("Approve: send it (again)", permission="payouts.approve_payout", preview=lambda payout: payout.failure)
def approve_payout(payout: Payout, request: ActionRequest) -> str:
    runs.approve_payout(payout, request.by, request.reason)
    return "approved; it is looked up at Stripe first"


@action("Retry now", permission="payouts.retry_payout", preview=lambda payout: payout.error_message)
def retry_payout(payout: Payout, request: ActionRequest) -> str:
    runs.retry_payout(payout, request.by, request.reason)
    return "is due now"


@action("Cancel: back to the balance", permission="payouts.cancel_payout")
def cancel_payout(payout: Payout, request: ActionRequest) -> str:
    runs.cancel_payout(payout, request.by, request.reason)
    return f"cancelled, {money.format_money(payout.amount_minor, payout.currency)} is payable again"


@action(
    "Record a debit: the company took it from our Stripe balance",
    permission="payouts.debit_courierinvoice",
    fields={
        "amount": lambda: forms.DecimalField(max_digits=12, help_text="As Stripe shows it; negative: given back."),
        "debited_on": day_field,
        "reference": lambda: forms.RegexField("^[\\w.-]{1,80}\\Z", help_text="Of Stripe's balance transaction."),
    },
    preview=lambda invoice: f"asks {format_money(invoice.total_minor, invoice.currency)}",
)
def record_debit(invoice: CourierInvoice, request: ActionRequest) -> str:
    amount_minor = in_minor(request.fields["amount"], invoice.currency)
    is_new = commands.record_debit(
        invoice,
        amount_minor=amount_minor,
        debited_on=request.fields["debited_on"],
        reference=request.fields["reference"],
        by=request.by,
        reason=request.reason,
    )
    invoice.refresh_from_db()
    shown = format_money(amount_minor, invoice.currency)
    return f"debit of {shown} recorded, {invoice.status}" if is_new else "this debit was recorded before"


@action("Accept every difference: pay as asked", permission="payouts.accept_courierinvoice", preview=describe_in_words)
def accept_all(invoice: CourierInvoice, request: ActionRequest) -> str:
    return f"{commands.accept_all(invoice, request.by, request.reason)} differences accepted"


@action("Match again", permission="payouts.accept_courierinvoice", preview=describe_in_words)
def match_again(invoice: CourierInvoice, request: ActionRequest) -> str:
    return f"matched again: {commands.rematch_invoice(invoice)}"


@action(
    "Accept: pay as asked",
    permission="payouts.accept_courierinvoice",
    preview=lambda line: "" if line.verdict == LineResult.SAME else alerts.describe_difference(line),
)
def accept_line(line: CourierInvoiceLine, request: ActionRequest) -> str:
    commands.accept_line(line, request.by, request.reason)
    return "accepted, the ledger follows"
