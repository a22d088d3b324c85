"""Who is near: the order of candidates, and that the index tells the truth at any latitude."""

import random
from datetime import timedelta

import pytest

from foundation import clock, geo
from foundation.geo import Point
from riders import availability, nearest, positions
from riders.positions import PositionFix
from tests.builders import CENTRE, TEST, near, rider

LONG_AGO = clock.now() - timedelta(days=1)


def found(point: Point = CENTRE, radius_m: float = 3_000, k: int = 10, **how) -> list[int]:
    return [c.rider_id for c in nearest.nearest_candidates(point, radius_m, k, seen_after=LONG_AGO, **how)]


# spec: D1
@pytest.mark.django_db
def test_fewest_under_way_first_then_nearest():
    busy_here = rider(at=CENTRE, load=1)
    idle_far = rider(at=near(north_m=2_500))
    idle_near = rider(at=near(east_m=800))
    busier = rider(at=CENTRE, load=2)
    rider(at=CENTRE, load=3)  # full
    rider(at=near(north_m=3_100))  # out of range
    assert found() == [idle_near.pk, idle_far.pk, busy_here.pk, busier.pk]
    assert found(k=2) == [idle_near.pk, idle_far.pk]
    assert found(without=[idle_near.pk]) == [idle_far.pk, busy_here.pk, busier.pk]


# spec: D1
@pytest.mark.django_db
def test_every_load_below_the_limit_is_found():
    loads = [rider(at=near(east_m=100 * (6 - load)), load=load, max_concurrent=8) for load in range(7)]
    assert found() == [one.pk for one in loads]


# spec: D1
@pytest.mark.django_db
def test_stale_offline_and_unverified_riders_are_no_candidates_but_seen_around():
    fresh, stale, offline = rider(), rider(), rider()
    positions.RiderSpot.objects.filter(pk=stale.pk).update(seen_at=LONG_AGO - timedelta(seconds=1))
    availability.set_online(offline.pk, False, None, by=TEST)
    assert found() == [fresh.pk]
    assert {c.rider_id for c in nearest.riders_around(CENTRE, 3_000, 10)} == {fresh.pk, stale.pk}


# spec: D1
@pytest.mark.parametrize("place", [Point(0.0, 0.0), Point(12.97, 77.59), Point(-33.9, 151.2), Point(64.1, -21.9)])
@pytest.mark.django_db
def test_nearest_by_index_is_nearest_by_haversine(place: Point):
    dice = random.Random(7)
    spots = {}
    for _ in range(60):
        spot = Point(place.lat + dice.gauss(0, 0.02), place.lng + dice.gauss(0, 0.02))
        spots[rider(at=spot).pk] = spot
    by_hand = sorted(spots, key=lambda pk: geo.haversine_m(spots[pk], place))
    inside = [pk for pk in by_hand if geo.haversine_m(spots[pk], place) <= 2_000]
    assert found(place, 2_000, k=200) == inside
    assert found(place, 20_000, k=10) == by_hand[:10]
    assert [c.rider_id for c in nearest.riders_around(place, 20_000, 10)] == by_hand[:10]


@pytest.mark.django_db
def test_a_candidate_says_what_a_decision_needs():
    ravi = rider("Ravi", at=near(north_m=1_000), load=1, max_concurrent=2)
    (candidate,) = nearest.nearest_candidates(CENTRE, 3_000, 1, seen_after=LONG_AGO)
    assert (candidate.rider_id, candidate.name, candidate.load, candidate.max_concurrent) == (ravi.pk, "Ravi", 1, 2)
    assert candidate.distance_m == pytest.approx(1_000, abs=2)
    assert candidate.is_online
    assert candidate.standing == "verified"
    assert PositionFix(candidate.point, candidate.seen_at) == positions.find_spot(ravi.pk)
