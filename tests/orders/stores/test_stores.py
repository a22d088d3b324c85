"""Stores, their hours, and what can be delivered from them."""

from datetime import UTC, datetime

import pytest

from foundation.errors import Invalid
from foundation.geo import Point, haversine_m
from foundation.models import Event
from orders import serviceability
from orders.models import Store
from orders.stores import stores
from tests import builders

KOLKATA = "Asia/Kolkata"  # +05:30, no summer time
NEW_YORK = "America/New_York"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def open_at(moment: str, hours: dict, zone: str = "UTC") -> bool:
    return stores.is_open(Store(opening_hours=hours, time_zone=zone), at(moment))


# spec: D3
@pytest.mark.parametrize(
    ("moment", "hours", "zone", "expected"),
    [
        ("2026-11-20 03:00", {}, "UTC", True),  # a Friday; no hours: always open
        ("2026-11-20 08:59", {"fri": [["09:00", "22:00"]]}, "UTC", False),
        ("2026-11-20 09:00", {"fri": [["09:00", "22:00"]]}, "UTC", True),
        ("2026-11-20 22:00", {"fri": [["09:00", "22:00"]]}, "UTC", False),
        ("2026-11-20 12:00", {"sat": [["09:00", "22:00"]]}, "UTC", False),
        ("2026-11-20 13:00", {"fri": [["09:00", "12:00"], ["18:00", "22:00"]]}, "UTC", False),
        ("2026-11-20 19:00", {"fri": [["09:00", "12:00"], ["18:00", "22:00"]]}, "UTC", True),
        ("2026-11-20 23:30", {"fri": [["18:00", "02:00"]]}, "UTC", True),
        ("2026-11-21 01:59", {"fri": [["18:00", "02:00"]]}, "UTC", True),  # past midnight is still Friday's
        ("2026-11-21 02:00", {"fri": [["18:00", "02:00"]]}, "UTC", False),
        ("2026-11-20 01:00", {"fri": [["18:00", "02:00"]]}, "UTC", False),
        ("2026-11-23 01:00", {"sun": [["18:00", "02:00"]]}, "UTC", True),  # Sunday night, Monday morning
        ("2026-11-20 23:59", {"fri": [["09:00", "24:00"]]}, "UTC", True),
        ("2026-11-21 00:00", {"fri": [["09:00", "24:00"]]}, "UTC", False),
        ("2026-11-20 12:00", {"fri": [["00:00", "24:00"]]}, "UTC", True),
        ("2026-11-20 03:29", {"fri": [["09:00", "22:00"]]}, KOLKATA, False),
        ("2026-11-20 03:30", {"fri": [["09:00", "22:00"]]}, KOLKATA, True),
        ("2026-11-19 19:00", {"fri": [["00:00", "01:00"]]}, KOLKATA, True),  # Thursday in UTC
        ("2026-07-03 13:00", {"fri": [["09:00", "10:00"]]}, NEW_YORK, True),  # summer time
        ("2026-11-20 13:00", {"fri": [["09:00", "10:00"]]}, NEW_YORK, False),
        ("2026-11-20 14:00", {"fri": [["09:00", "10:00"]]}, NEW_YORK, True),
    ],
)
def test_opening_hours(moment, hours, zone, expected) -> None:
    assert open_at(moment, hours, zone) is expected


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fact", "value", "field"),
    [
        ("currency", "XXX", "currency"),
        ("time_zone", "Mars/Olympus", "time_zone"),
        ("time_zone", "../etc/passwd", "time_zone"),
        ("latitude", None, "latitude"),
        ("latitude", 91.0, "latitude"),
        ("commission_bps", 10_001, "commission_bps"),
        ("opening_hours", {"friday": []}, "opening_hours"),
        ("opening_hours", {"fri": [["9", "late"]]}, "opening_hours"),
        ("opening_hours", {"fri": ["09:00"]}, "opening_hours"),
        ("opening_hours", [], "opening_hours"),
        ("preferred_carriers", "cooco", "preferred_carriers"),
        ("preferred_carriers", [7], "preferred_carriers"),
        ("carried_by", Store.Carriers.PREFERRED, "preferred_carriers"),
    ],
)
def test_a_store_that_cannot_be_is_refused_with_the_field(fact, value, field) -> None:
    with pytest.raises(Invalid) as refused:
        builders.store(**{fact: value})
    assert refused.value.field == field


@pytest.mark.django_db
def test_a_new_store_has_somebody_to_write_to() -> None:
    store = builders.store(name="Blue Door", slug="", email="blue@example.test", time_zone="Asia/Kolkata")
    assert store.slug == "blue-door"
    assert (store.recipient.email, store.recipient.time_zone) == ("blue@example.test", "Asia/Kolkata")


@pytest.mark.django_db
def test_availability_changes_once_and_leaves_a_trace() -> None:
    store = builders.store()
    assert stores.set_available(store, False, builders.TEST, why="kitchen on fire")
    assert not stores.set_available(store, False, builders.TEST)
    event = Event.objects.get(subject=f"store:{store.pk}")
    assert event.data == {"available": False, "why": "kitchen on fire"}


# spec: D3
@pytest.mark.parametrize(
    ("changes", "north_m", "code"),
    [
        ({}, 2000, None),
        ({}, 14_990, None),
        ({}, 15_010, "too_far"),
        ({}, None, "no_coordinates"),
        ({"latitude": None, "longitude": None}, 2000, "no_coordinates"),
        ({"is_available": False}, 2000, "store_unavailable"),
        ({"opening_hours": {"mon": [["09:00", "10:00"]]}}, 2000, "store_closed"),
    ],
)
def test_what_can_be_delivered(changes, north_m, code) -> None:
    facts = {"latitude": builders.CENTRE.lat, "longitude": builders.CENTRE.lng, **changes}
    point = None if north_m is None else builders.near(north_m=north_m)
    refusal = serviceability.check_serviceable(Store(**facts), point, at("2026-11-20 12:00"))
    assert (refusal and refusal.code) == code
    if refusal:
        assert refusal.message == f"Order auto-rejected, reason: {refusal.reason}"


def test_the_limit_is_measured_on_the_ground() -> None:
    far = Point(builders.CENTRE.lat, builders.CENTRE.lng + 0.1386)
    assert 15_000 < haversine_m(builders.CENTRE, far) < 15_100
    store = Store(latitude=builders.CENTRE.lat, longitude=builders.CENTRE.lng)
    refusal = serviceability.check_serviceable(store, far, at("2026-11-20 12:00"))
    assert refusal is not None
    assert refusal.reason.startswith("15.02 km")
