"""Positions on the globe: WGS 84 degrees in, metres out."""

import math
from typing import NamedTuple

EARTH_RADIUS_M = 6_371_008.8


class Point(NamedTuple):
    lat: float
    lng: float


def haversine_m(a: Point, b: Point) -> float:
    """Great-circle distance in metres (SPEC R4 asks for the haversine)."""
    lat_a, lat_b = math.radians(a.lat), math.radians(b.lat)
    half_lat = math.sin((lat_b - lat_a) / 2)
    half_lng = math.sin(math.radians(b.lng - a.lng) / 2)
    h = half_lat * half_lat + math.cos(lat_a) * math.cos(lat_b) * half_lng * half_lng
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, h)))


def is_valid(lat: float, lng: float) -> bool:
    return math.isfinite(lat) and math.isfinite(lng) and -90 <= lat <= 90 and -180 <= lng <= 180


def project_mercator(point: Point) -> tuple[float, float]:
    """The point on the Mercator plane, in degrees of the equator.

    Mercator keeps angles, so near one place nearest-on-the-plane is nearest-on-the-ground, at any latitude: what a
    GiST index on a plane point needs (plain degrees do not: a degree of longitude shrinks with the latitude).
    """
    lat = max(-85.0, min(85.0, point.lat))
    return point.lng, math.degrees(math.asinh(math.tan(math.radians(lat))))


def mercator_radius(point: Point, radius_m: float) -> float:
    """How far `radius_m` metres around `point` reach on that plane, in its degrees."""
    lat = max(-85.0, min(85.0, point.lat))
    return math.degrees(radius_m / EARTH_RADIUS_M / math.cos(math.radians(lat)))
