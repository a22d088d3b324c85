"""Times that cannot be meant are not told (SPEC O1, C3): Go's zero time, the year 9999, an ETA in a hundred years."""

import json
from pathlib import Path
from typing import Any

import pytest

from deliveries.couriers import providers
from deliveries.couriers.providers import parsing

PAYLOADS = Path(__file__).parents[1] / "payloads"
NONSENSE = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"]
EVENTS = [("cooco", "delivery.in_transit"), ("uber", "dropoff"), ("doordash", "DASHER_PICKED_UP")]


def replaced_times(value: Any, nonsense: str) -> Any:
    """The payload with every time in it replaced."""
    if isinstance(value, dict):
        return {name: replaced_times(one, nonsense) for name, one in value.items()}
    if isinstance(value, list):
        return [replaced_times(one, nonsense) for one in value]
    return nonsense if isinstance(value, str) and parsing.some_moment(value) else value


# spec: O1, C3
@pytest.mark.parametrize("nonsense", NONSENSE)
@pytest.mark.parametrize(("company", "file"), EVENTS)
def test_an_event_counts_without_its_nonsensical_times(company: str, file: str, nonsense: str):
    payload = json.loads((PAYLOADS / company / "webhooks" / f"{file}.json").read_text())
    provider = providers.find_provider(company)
    [event] = provider.list_events(replaced_times(payload, nonsense), None)  # type: ignore[arg-type]
    update = provider.read_event(event.event_type, event.payload)
    assert update is not None
    assert update.stage is not None
    assert (update.occurred_at, update.told_at, dict(update.passed)) == (None, None, {})
    if company != "cooco":  # which tells minutes: they count from when we hear of them
        assert update.arrival_at is None
