"""What may stand in a blank: each param of the catalogue, with words for ops and a sample to look at texts with.

A sample is as long as such values usually are, since messages are measured with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from notifications.content.template import Template


@dataclass(frozen=True)
class Variable:
    """`formats`: how else it can be written, say `{distance_m:km}`; then it is always a number."""

    sample: Any
    says: str
    formats: tuple[str, ...] = ()


VARIABLES: Mapping[str, Variable] = {
    "orderId": Variable("A-10427", "The order's id, as its reader knows it"),
    "etaMinutes": Variable(15, "Minutes until it is expected"),
    "amount": Variable("₹450.00", "Money with its currency"),
    "totalPaise": Variable(45_000, "The order's total in minor units, for apps"),
    "reason": Variable("the store is closed", "Why, in somebody's own words"),
    "rider": Variable("Ravi", "Who brings it"),
    "store": Variable("Saffron Kitchen", "The store's name"),
    "distance_m": Variable(1_234, "Metres to the store", formats=("km",)),
    "fee": Variable("₹50.00", "What the rider earns"),
    "deadline": Variable("2026-11-20T10:00:30.000Z", "When the offer ends, for apps"),
    "offerId": Variable("3f0c5a52-6f53-4d2e-9c39-6f0a4f7f9d10", "The offer's id, for apps"),
    "item": Variable("2 × Masala Dosa", "What was ordered, and how many"),
    "replacement": Variable("2 × Paneer Dosa", "What comes instead, and how many"),
    "until": Variable("19:45", "The store's clock, until when an answer counts"),
    "severity": Variable("critical", "How bad it is"),
    "title": Variable("Orders wait longer than 10 minutes", "What happened, in one line"),
    "kind": Variable("orders_waiting", "The kind of incident"),
    "subject": Variable("order:42", "The row it is about"),
    "order": Variable("9f2c1b7e", "The order it is about"),
    "since": Variable("20 Nov 10:00 UTC", "When it began"),
    "advice": Variable("Look at what waits, and call the store.", "What to do about it, as the console says it"),
    "resolution": Variable("the store answers again", "How it ended"),
    "count": Variable(3, "How many there are"),
    "minutes": Variable(30, "For how many minutes nobody has acknowledged them"),
    "list": Variable("20 Nov 10:00 UTC [critical] Orders wait longer than 10 minutes", "Incidents, one in a line"),
    "link": Variable("https://handoff.example/admin/notifications/incident/7/change/", "Where to look at it"),
}


def sample_params(template: Template) -> dict[str, Any]:
    """A value for each param of the event. Raises KeyError for one without (a system check finds it first)."""
    return {
        name: template.samples[name] if name in template.samples else VARIABLES[name].sample
        for name in sorted(template.params)
    }
