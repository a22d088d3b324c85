"""The courier companies that may carry a delivery beside our own riders (SPEC C1).

One more is one module here and one line in `courier_providers`. What it must offer: base.py; how:
docs/adding-a-courier.md.
"""

from functools import cache

from deliveries.couriers.providers.base import CourierProvider
from deliveries.couriers.providers.cooco.courier import Cooco
from deliveries.couriers.providers.doordash.courier import DoorDash
from deliveries.couriers.providers.uber.courier import Uber


@cache
def courier_providers() -> dict[str, CourierProvider]:
    """By name, in the order they are shown."""
    return {company.name: company for company in (Cooco(), Uber(), DoorDash())}


def find_provider(name: str) -> CourierProvider:
    """Raises KeyError for one that this release does not know."""
    return courier_providers()[name]


def enabled_providers() -> list[CourierProvider]:
    return [company for company in courier_providers().values() if company.is_enabled()]
