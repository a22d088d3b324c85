"""What the tests of substitutions have in common: a dinner, what is said about it, and what comes of it."""

from datetime import timedelta
from typing import Any

from django.db.models import F

from notifications.models import Message
from orders import substitutions
from orders.models import Order, Refund, Substitution
from orders.place_order import RequestedItem
from orders.substitutions import SubstitutionDecision
from tests.builders import TEST, basket

How = Substitution.How
BIRYANI = RequestedItem(name="Biryani", quantity=1, price_minor=25_000, external_id="b-1")
CURD = RequestedItem(name="Curd", quantity=2, price_minor=4_000)


def dinner(**facts: Any) -> Order:
    """2 × 200.00 and 1 × 100.00 of food, 25.00 tax, 50.00 for the rider: 575.00."""
    return basket(("Thali", 2, 20_000), ("Lassi", 1, 10_000), tax_minor=2_500, **facts)


def decide(order: Order, *said: tuple[Substitution, bool], how: How = How.API) -> Order:
    decisions = [SubstitutionDecision(substitution_id=one.public_id, accepted=accepted) for one, accepted in said]
    substitutions.decide_substitutions(order.pk, decisions, how=how, by=TEST)
    order.refresh_from_db()
    return order


def overdue(order: Order) -> None:
    """The deadlines of its proposals have passed."""
    Substitution.objects.filter(order=order).update(decide_by=F("decide_by") - timedelta(hours=1))


def amounts(order: Order) -> tuple[int, int, int]:
    return order.items_minor, order.tax_minor, order.total_minor


def given_back(order: Order) -> list[int]:
    return list(Refund.objects.filter(order=order).order_by("id").values_list("amount_minor", flat=True))


def messages(order: Order) -> list[str]:
    return sorted(
        Message.objects.filter(order_ref=order.public_id, event__contains="item_").values_list("event", flat=True)
    )
