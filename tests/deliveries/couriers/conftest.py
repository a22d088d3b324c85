"""Fixtures of the couriers' tests."""

from collections.abc import Iterator

import pytest

from tests.deliveries.couriers import recording_server as providers
from tests.deliveries.couriers.recording_server import Provider


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A courier company that answers what the test says."""
    with providers.running() as one:
        yield one
