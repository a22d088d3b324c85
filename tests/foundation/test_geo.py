"""Positions: metres on foundation, and a plane on which the nearest is the nearest."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation import geo
from foundation.geo import Point

latitudes = st.floats(-80, 80)
longitudes = st.floats(-179, 179)
points = st.builds(Point, latitudes, longitudes)


# spec: R4
@pytest.mark.parametrize(
    ("a", "b", "metres"),
    [
        (Point(12.9716, 77.5946), Point(12.9716, 77.5946), 0),
        (Point(0, 0), Point(0, 1), 111_195),
        (Point(0, 0), Point(1, 0), 111_195),
        (Point(60, 10), Point(60, 11), 55_597),
        (Point(52.5200, 13.4050), Point(48.8566, 2.3522), 877_465),  # Berlin to Paris
        (Point(0, 179.9), Point(0, -179.9), 22_239),  # across the date line
        (Point(0, 0), Point(0, 180), 20_015_115),
        (Point(90, 0), Point(-90, 0), 20_015_115),
    ],
)
def test_known_distances(a, b, metres):
    assert geo.haversine_m(a, b) == pytest.approx(metres, abs=max(1, metres * 1e-5))


@given(points, points, points)
def test_it_is_a_distance(a, b, c):
    ab = geo.haversine_m(a, b)
    assert ab == pytest.approx(geo.haversine_m(b, a))
    assert ab >= 0
    assert ab <= geo.haversine_m(a, c) + geo.haversine_m(c, b) + 1e-3


@pytest.mark.parametrize(
    ("lat", "lng", "valid"),
    [
        (90, 180, True),
        (-90, -180, True),
        (90.0001, 0, False),
        (0, -180.0001, False),
        (math.nan, 0, False),
        (0, math.inf, False),
    ],
)
def test_what_is_a_position(lat, lng, valid):
    assert geo.is_valid(lat, lng) is valid


def moved(point: Point, bearing: float, metres: float) -> Point:
    north, east = metres * math.cos(bearing), metres * math.sin(bearing)
    degrees = math.degrees(1 / geo.EARTH_RADIUS_M)
    return Point(point.lat + north * degrees, point.lng + east * degrees / math.cos(math.radians(point.lat)))


# spec: D1
@given(
    st.builds(Point, st.floats(-70, 70), longitudes),
    st.tuples(st.floats(0, 6.28), st.floats(10, 15_000)),
    st.tuples(st.floats(0, 6.28), st.floats(10, 15_000)),
)
def test_the_nearer_on_the_plane_is_the_nearer_on_the_ground(centre, one, other):
    """Within a city, unless both are as good as equally far: what twice the candidates and a re-ranking make up for."""
    a, b = moved(centre, *one), moved(centre, *other)
    ground = geo.haversine_m(centre, a) - geo.haversine_m(centre, b)
    if abs(ground) < 0.02 * max(one[1], other[1]):
        return
    plane = [math.dist(geo.project_mercator(centre), geo.project_mercator(point)) for point in (a, b)]
    assert (plane[0] < plane[1]) == (ground < 0)


@given(st.builds(Point, st.floats(-70, 70), longitudes), st.floats(0, 6.28), st.floats(10, 15_000))
def test_a_radius_on_the_plane_is_that_many_metres(centre, bearing, metres):
    point = moved(centre, bearing, metres)
    plane = math.dist(geo.project_mercator(centre), geo.project_mercator(point))
    assert plane == pytest.approx(geo.mercator_radius(centre, geo.haversine_m(centre, point)), rel=0.02)


def test_the_poles_are_far_away_but_finite():
    assert all(math.isfinite(part) for part in geo.project_mercator(Point(90, 0)))
    assert math.isfinite(geo.mercator_radius(Point(-90, 0), 1000))
