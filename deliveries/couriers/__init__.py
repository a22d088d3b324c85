"""The courier companies that may carry a delivery beside our own riders (SPEC C1).

One more is one module here and one line in `companies`. What it must offer: base.py.
"""

from functools import cache

from deliveries.couriers.base import Company


@cache
def companies() -> dict[str, Company]:
    """By name, in the order they are shown."""
    return {company.name: company for company in ()}


def company(name: str) -> Company:
    """Raises KeyError for one that this release does not know."""
    return companies()[name]


def enabled() -> list[Company]:
    return [company for company in companies().values() if company.enabled()]
