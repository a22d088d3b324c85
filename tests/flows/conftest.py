"""One running house for all stories; each story brings its own store, customers and riders, far from the others'."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.flows import running_handoff as houses
from tests.flows.people import Scene
from tests.flows.running_handoff import House


@pytest.fixture(scope="package")
def house(django_db_blocker: Any) -> Iterator[House]:
    with django_db_blocker.unblock(), houses.running() as running:
        yield running


@pytest.fixture
def scene(house: House) -> Iterator[Scene]:
    """A store in a place of its own, and afterwards: no fault left, no process gone, the ledger of the house proved."""
    here = Scene(house)
    try:
        yield here
    finally:
        house.sandbox.control("DELETE", "faults")
    house.processes.check_running()
    here.prove_books()
