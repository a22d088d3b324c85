"""What an order consists of by now (SPEC O6): what was ordered, less what was left out, with what came instead.

The ordered items themselves never change; what became of one follows from its substitutions, of which the last that
was accepted or refused counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import prefetch_related_objects

from orders.lifecycle import SubstitutionStatus
from orders.models import Order, OrderItem, Substitution

DECIDED = (SubstitutionStatus.ACCEPTED, SubstitutionStatus.REFUSED)


class LineState(StrEnum):
    ORDERED = "ordered"
    REPLACED = "replaced"
    LEFT_OUT = "left_out"


@dataclass(frozen=True)
class LineItem:
    """An item of the order as it stands; of one that is left out, as it was before that."""

    item: OrderItem
    state: LineState
    external_id: str
    name: str
    quantity: int
    price_minor: int

    @property
    def instructions(self) -> str:
        return self.item.instructions

    @property
    def amount_minor(self) -> int:
        return self.quantity * self.price_minor

    def __str__(self) -> str:
        return f"{self.quantity} × {self.name}"


def current_items(order: Order) -> list[LineItem]:
    """Those that are still part of the order."""
    return [line for line in all_items(order) if line.state != LineState.LEFT_OUT]


def all_items(order: Order) -> list[LineItem]:
    """By position. Remembered with the order as it was loaded: verbs that have changed something load it anew."""
    prefetch_items([order])
    return [item_as_substituted(item) for item in order.items.all()]


def prefetch_items(orders: Iterable[Order]) -> None:
    """Read the items of many orders at once, where they are not loaded yet."""
    prefetch_related_objects(list(orders), "items__substitutions")


def reload_items(order: Order) -> list[LineItem]:
    """`current_items`, read now."""
    items = map(item_as_substituted, OrderItem.objects.filter(order=order).prefetch_related("substitutions"))
    return [line for line in items if line.state != LineState.LEFT_OUT]


def item_as_substituted(item: OrderItem, before: Substitution | None = None) -> LineItem:
    """The item as its substitutions have left it; with `before`, as it was when that one was proposed."""
    line = LineItem(item, LineState.ORDERED, item.external_id, item.name, item.quantity, item.price_minor)
    for one in item.substitutions.all():
        if before is not None and one.pk >= before.pk:
            break
        if one.status in DECIDED:
            line = _item_after(line, one)
    return line


def _item_after(line: LineItem, one: Substitution) -> LineItem:
    if one.status == SubstitutionStatus.ACCEPTED and one.name:
        return LineItem(line.item, LineState.REPLACED, one.external_id, one.name, one.quantity, one.price_minor)
    return LineItem(line.item, LineState.LEFT_OUT, line.external_id, line.name, line.quantity, line.price_minor)
