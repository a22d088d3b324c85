"""The courier companies that may carry a delivery beside our own riders (SPEC C1).

One more is one module here and one line in `companies`. What it must offer: base.py; how: docs/adding-a-courier.md.
"""

from functools import cache

from deliveries.couriers.base import Company
from deliveries.couriers.cooco import Cooco
from deliveries.couriers.doordash import DoorDash
from deliveries.couriers.uber import Uber


@cache
def companies() -> dict[str, Company]:
    """By name, in the order they are shown."""
    return {company.name: company for company in (Cooco(), Uber(), DoorDash())}


def company(name: str) -> Company:
    """Raises KeyError for one that this release does not know."""
    return companies()[name]


def enabled() -> list[Company]:
    return [company for company in companies().values() if company.enabled()]
