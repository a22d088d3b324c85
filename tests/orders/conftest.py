"""Fixtures of the orders' tests."""

from collections.abc import Callable

import pytest

from foundation.models import Role, User
from foundation.work_queues import WorkQueue
from orders.models import Store
from orders.place_order import OrderCustomer, OrderRequest, RequestedItem
from tests import builders
from tests.queues import drain_queues
from tests.sandbox_fixtures import sandbox, sandbox_process

__all__ = ["sandbox", "sandbox_process"]


@pytest.fixture
def work_off() -> Callable[[WorkQueue], int]:
    """Drain one work queue until nothing in it is due; returns how many rows were claimed."""
    return drain_queues


# ── placing ──────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def storefront() -> User:
    return builders.user(Role.STOREFRONT)


@pytest.fixture
def store() -> Store:
    return builders.store(commission_bps=1500)


@pytest.fixture
def wish(store) -> OrderRequest:
    place = builders.near(north_m=3000)
    return OrderRequest(
        order_id="A-1",
        store=store.slug,
        buyer=OrderCustomer(external_id="c-1", name="Asha Rao", email="asha@example.test", phone="+91 80 4710 2233"),
        items=(
            RequestedItem(name="Thali", quantity=2, price_minor=20_000, external_id="t-1"),
            RequestedItem(name="Lassi", quantity=1, price_minor=333),
        ),
        address={"address": "1 MG Road", "latitude": place.lat, "longitude": place.lng, "landmark": "the bank"},
        currency="INR",
        tax_minor=2_000,
        tip_minor=1_000,
        delivery_fee_minor=5_000,
        instructions="no onions",
        delivery_preferences={"contact_free": True},
        metadata={"basket": 7},
    )
