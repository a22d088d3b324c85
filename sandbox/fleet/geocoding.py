"""Positions on the globe, and where an address is. Degrees in, metres out."""

from __future__ import annotations

import hashlib
import math
import re
from typing import Any

from sandbox.engine.store import Transaction

EARTH_RADIUS_M = 6_371_008.8
PLACE = "fleet.place"
NEWEST = "\0newest"  # no address
NOWHERE_YET = {"lat": 40.7128, "lng": -74.006}
SPREAD_DEG = 0.015  # about 1.5 km

Point = dict[str, float]  # {"lat", "lng"}


def round_point(lat: float, lng: float) -> Point:
    return {"lat": round(lat, 6), "lng": round(lng, 6)}


def distance_m(a: Point, b: Point) -> float:
    """Along the great circle, which at a town's size is the straight line."""
    lat_a, lat_b = math.radians(a["lat"]), math.radians(b["lat"])
    half_lat, half_lng = math.sin((lat_b - lat_a) / 2), math.sin(math.radians(b["lng"] - a["lng"]) / 2)
    h = half_lat**2 + math.cos(lat_a) * math.cos(lat_b) * half_lng**2
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, h)))


def point_between(a: Point, b: Point, share: float) -> Point:
    """The point at `share` of the way; within a town a straight line on the plane is one on the ground."""
    return round_point(a["lat"] + (b["lat"] - a["lat"]) * share, a["lng"] + (b["lng"] - a["lng"]) * share)


def point_nearby(centre: Point, text: str) -> Point:
    """Some point around `centre`, always the same one for the same text."""
    digest = hashlib.sha256(text.encode()).digest()
    north, east = (int.from_bytes(part) / 2**31 - 1 for part in (digest[:4], digest[4:8]))
    width = SPREAD_DEG / max(0.2, math.cos(math.radians(centre["lat"])))
    return round_point(centre["lat"] + north * SPREAD_DEG, centre["lng"] + east * width)


def locate_address(tx: Transaction, address: str, given: Point | None) -> Point:
    """Where an address is: as given, else where it was the last time somebody gave its position, else somewhere near
    the last place anybody gave. Nobody here owns a map."""
    key = " ".join(re.findall(r"\w+", address.lower()))
    if given is not None:
        tx.put(PLACE, key, given)
        tx.put(PLACE, NEWEST, given)
        return given
    return tx.get(PLACE, key) or point_nearby(tx.get(PLACE, NEWEST) or NOWHERE_YET, key)


def read_point(lat: Any, lng: Any) -> Point | None:
    """A position from somebody's JSON; None if it is none."""
    for value, limit in ((lat, 90), (lng, 180)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= limit:
            return None
    return round_point(lat, lng)
