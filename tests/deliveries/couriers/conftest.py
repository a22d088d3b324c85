"""Fixtures of the couriers' tests: a provider that says what a test wants, and no token kept from the test before."""

from collections.abc import Iterator

import pytest

from deliveries.couriers import uber_token
from tests.deliveries.couriers import provider as providers
from tests.deliveries.couriers.provider import Provider


@pytest.fixture
def provider() -> Iterator[Provider]:
    with providers.running() as one:
        yield one


@pytest.fixture(autouse=True)
def no_token_kept() -> None:
    uber_token.forget_all()
