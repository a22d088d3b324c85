"""What the goods of an order cost once something was replaced or left out (SPEC O6): pure arithmetic.

Tax and commission keep their proportion to the items, by shares of cumulative amounts, so that the parts always add up
and nothing replaced is nothing changed. The customer never pays more than `most_minor`: where a dearer replacement
would, items and tax share what there is, and the store bears the rest.
"""

from dataclasses import dataclass

from foundation.money import share_of


@dataclass(frozen=True)
class GoodsTotal:
    """What is paid for the goods: items and the tax on them. Of the items we keep the commission."""

    items_minor: int
    tax_minor: int
    commission_minor: int

    @property
    def whole_minor(self) -> int:
        return self.items_minor + self.tax_minor

    @property
    def share_minor(self) -> int:
        """The store's."""
        return self.whole_minor - self.commission_minor


def change_goods(ordered: GoodsTotal, items_minor: int, most_minor: int) -> GoodsTotal:
    """The goods as ordered, had they been items of `items_minor`, and cost at most `most_minor` in all."""
    tax_minor = (
        share_of(ordered.tax_minor, items_minor, ordered.items_minor) if ordered.items_minor else ordered.tax_minor
    )
    if items_minor + tax_minor > most_minor:
        tax_minor = share_of(ordered.tax_minor, most_minor, ordered.whole_minor)
        items_minor = most_minor - tax_minor
    return GoodsTotal(items_minor, tax_minor, share_of(ordered.commission_minor, items_minor, ordered.items_minor))
