"""COOCO's tariff (SPEC C6): the contract's figures at every edge."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliveries.couriers.providers.cooco import tariff
from deliveries.couriers.providers.cooco.tariff import delivery_fee_minor, is_peak

CHICAGO, KOLKATA = "America/Chicago", "Asia/Kolkata"
NOON = datetime(2026, 3, 4, 12, tzinfo=ZoneInfo(CHICAGO))
SIX = NOON.replace(hour=18)


# spec: C6
@pytest.mark.parametrize(
    ("distance_m", "usual", "peak"),
    [
        (0, 300, 390),
        (1000, 350, 455),
        (5000, 550, 715),
        (15_000, 1050, 1365),
        (1234, 362, 470),  # 361.7 and 470.21
        (9, 300, 391),  # 300.45 and 390.585
        (10, 301, 391),  # 300.5, half a cent up, and 390.65
        (29, 301, 392),  # 301.45 and 391.885: rounded after the surcharge, not before (else 391)
        (30, 302, 392),  # 301.5 and 391.95
        (100, 305, 397),  # 396.5
    ],
)
def test_what_it_costs(distance_m, usual, peak):
    assert delivery_fee_minor(distance_m, NOON, CHICAGO) == usual
    assert delivery_fee_minor(distance_m, SIX, CHICAGO) == peak


def test_a_cancellation_is_five_dollars():
    assert (tariff.CANCELLATION_FEE_MINOR, tariff.CURRENCY) == (500, "USD")


# spec: C6
@pytest.mark.parametrize(
    ("wall", "peak"),
    [
        ("16:59:59.999999", False),
        ("17:00:00", True),
        ("18:30:00", True),
        ("19:59:59.999999", True),
        ("20:00:00", False),
        ("05:30:00", False),
        ("00:00:00", False),
    ],
)
@pytest.mark.parametrize("zone", [CHICAGO, KOLKATA, "UTC", "Pacific/Auckland"])
@pytest.mark.parametrize(
    "day",
    [
        "2026-01-31",
        "2026-07-31",
        "2026-03-08",  # clocks go forward in Chicago
        "2026-11-01",  # and back
        "2026-04-05",  # back in Auckland
        "2026-09-27",  # and forward
    ],
)
def test_the_peak_is_on_the_stores_wall(day, zone, wall, peak):
    local = datetime.fromisoformat(f"{day}T{wall}").replace(tzinfo=ZoneInfo(zone))
    assert is_peak(local, zone) is peak
    assert is_peak(local.astimezone(UTC), zone) is peak


# spec: C6
def test_the_same_instant_of_the_day_before_the_clocks_change_is_another_hour():
    before, after = datetime(2026, 3, 7, 22, 30, tzinfo=UTC), datetime(2026, 3, 8, 22, 30, tzinfo=UTC)
    assert not is_peak(before, CHICAGO)  # 16:30
    assert is_peak(after, CHICAGO)  # 17:30
    in_autumn = datetime(2026, 10, 31, 22, 30, tzinfo=UTC)
    assert is_peak(in_autumn, CHICAGO)  # 17:30
    assert not is_peak(in_autumn + timedelta(days=1), CHICAGO)  # 16:30


def test_what_cannot_be_charged():
    with pytest.raises(ValueError, match="distance"):
        delivery_fee_minor(-1, NOON, CHICAGO)
    with pytest.raises(ValueError, match="offset"):
        delivery_fee_minor(1, NOON.replace(tzinfo=None), CHICAGO)
    with pytest.raises(ZoneInfoNotFoundError):
        delivery_fee_minor(1, NOON, "America/Nowhere")


@given(st.integers(0, 50_000), st.integers(0, 5000))
def test_farther_is_never_cheaper_and_the_peak_never_less(distance_m, more_m):
    usual, peak = (delivery_fee_minor(distance_m, at, CHICAGO) for at in (NOON, SIX))
    assert usual <= delivery_fee_minor(distance_m + more_m, NOON, CHICAGO)
    assert usual < peak
    assert abs(peak - usual * 1.3) <= 1.2
