"""Positions: newest wins, nonsense is refused with a reason, and drift is no fraud."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import connection

from foundation import clock
from foundation.geo import Point
from riders import availability, capacity, positions
from riders.models import RiderSpot
from riders.positions import FixOutcome, PositionFix
from tests.builders import CENTRE, TEST, near, rider

NOW = clock.now()


def at(seconds: float, point: Point = CENTRE, accuracy_m: float | None = None) -> PositionFix:
    return PositionFix(point, NOW + timedelta(seconds=seconds), accuracy_m)


def verdicts(rider_id: int, *points: PositionFix, now: datetime = NOW + timedelta(hours=1)) -> list[str]:
    return [result.outcome.value for result in positions.record_fixes(rider_id, points, now=now)]


@pytest.fixture
def ravi(db) -> int:
    """Online, and last seen at the centre at second 0."""
    one = rider(at=None)
    assert verdicts(one.pk, at(0)) == ["accepted"]
    return one.pk


# spec: R7
def test_the_newest_of_a_batch_in_any_order_stands(ravi: int):
    batch = [at(30, near(north_m=300)), at(10, near(north_m=100)), at(20, near(north_m=200))]
    assert verdicts(ravi, *batch) == ["accepted"] * 3
    assert positions.find_spot(ravi) == batch[0]
    assert verdicts(ravi, at(25, near(north_m=250)), at(30, near(north_m=300))) == ["old", "duplicate"]
    assert positions.find_spot(ravi) == batch[0]


# spec: R7
def test_future_positions_are_refused_and_small_clock_errors_forgiven(ravi: int):
    assert verdicts(ravi, at(20), now=NOW) == ["accepted"]
    assert verdicts(ravi, at(3_600), now=NOW) == ["future"]
    assert positions.find_spot(ravi) == at(20)


# spec: R4
def test_an_impossible_jump_is_refused_with_its_figures_and_possible_later(ravi: int):
    far = near(north_m=10_000)
    (result,) = positions.record_fixes(ravi, [at(10, far)], now=NOW + timedelta(seconds=10))
    assert result.outcome == FixOutcome.IMPOSSIBLE
    assert result.previous == at(0)
    assert result.distance_m == pytest.approx(10_000, rel=0.01)
    assert result.speed_m_per_s == pytest.approx(1_000, rel=0.01)
    assert positions.find_spot(ravi) == at(0)
    assert verdicts(ravi, at(300, far)) == ["accepted"]


# spec: R4
def test_drift_between_houses_and_honest_inaccuracy_are_no_jump(ravi: int):
    assert verdicts(ravi, at(1, near(east_m=200))) == ["accepted"]
    assert verdicts(ravi, at(2, near(east_m=900), accuracy_m=600)) == ["accepted"]
    assert verdicts(ravi, at(3, near(east_m=9_000), accuracy_m=100_000)) == ["impossible"]


# spec: R7
@pytest.mark.django_db
def test_an_offline_rider_leaves_no_spot():
    one = rider(online=False)
    assert verdicts(one.pk, at(0)) == ["accepted"]
    assert positions.find_spot(one.pk) is None


# spec: D1
@pytest.mark.django_db
def test_the_first_position_brings_load_and_freedom_along():
    one = rider(at=None, load=2, max_concurrent=2)
    positions.record_fixes(one.pk, [at(0)], now=NOW)
    spot = RiderSpot.objects.get(pk=one.pk)
    assert (spot.load, spot.free) == (2, False)
    capacity.free_place(one.pk)
    positions.record_fixes(one.pk, [at(10)], now=NOW)
    spot.refresh_from_db()
    assert (spot.load, spot.free, spot.seen_at) == (1, True, at(10).recorded_at)


# spec: D1
@pytest.mark.django_db
def test_phones_that_fell_silent_go_offline():
    silent, speaking = rider(), rider()
    RiderSpot.objects.filter(pk=silent.pk).update(seen_at=clock.now() - timedelta(hours=1))
    assert availability.take_silent_offline() == 1
    silent.refresh_from_db()
    speaking.refresh_from_db()
    assert (silent.is_online, speaking.is_online) == (False, True)
    assert availability.take_silent_offline() == 0


# spec: R7
@pytest.mark.django_db(transaction=True)
def test_parallel_reports_end_with_the_newest():
    one = rider(at=None)
    reports = [at(second, near(north_m=second)) for second in range(1, 41)]

    def report(point: PositionFix) -> None:
        try:
            positions.record_fixes(one.pk, [point], now=NOW + timedelta(minutes=5))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(report, reversed(reports)))
    assert positions.find_spot(one.pk) == reports[-1]


@pytest.mark.django_db
def test_going_offline_and_online_again_starts_afresh():
    one = rider()
    availability.set_online(one.pk, False, None, by=TEST)
    assert positions.find_spot(one.pk) is None
    availability.set_online(one.pk, True, near(north_m=50_000), by=TEST)
    assert positions.find_spot(one.pk).point == near(north_m=50_000)
