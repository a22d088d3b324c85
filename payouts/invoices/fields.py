"""What the pages and the actions of invoices share: a field for a day, and an invoice in a sentence."""

from datetime import date
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator

from payouts.invoices import alerts, matching
from payouts.models import CourierInvoice


def day_field(**options: Any) -> forms.DateField:
    sane = [MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(2099, 12, 31))]
    return forms.DateField(widget=forms.DateInput({"type": "date"}), validators=sane, **options)


def describe_in_words(invoice: CourierInvoice) -> str:
    words = [alerts.describe_difference(line) for line in matching.open_differences(invoice)[:20]]
    return "\n".join(words) or "nothing differs"
