"""Fixtures of the couriers' tests."""

from collections.abc import Iterator

import pytest

from tests.deliveries.couriers import provider as providers
from tests.deliveries.couriers.provider import Provider


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A courier company that answers what the test says."""
    with providers.running() as one:
        yield one
