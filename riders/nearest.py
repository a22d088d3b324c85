"""Who is near a point: the nearest free riders for dispatch, and everybody around for its explanation (SPEC D1).

Nearest neighbours come from GiST indexes over `RiderSpot.spot`, one per load, so that a thousand riders or a million
cost the same. The plane is Mercator's (foundation/geo.py): the index finds a few more than asked, haversine ranks them.
A circle across the 180th meridian is not joined up: no city of ours lies there.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from foundation import geo
from foundation.geo import Point
from riders.lifecycle import RiderStatus

# One level of load after the other, each with an index of its own: where enough riders have nothing to do, nobody else
# is looked at (and a short statement is planned faster than it runs).
_LEVELS = (
    ("free AND load = 0", "spot <-> point(%(x)s, %(y)s)"),
    ("free AND load = 1", "spot <-> point(%(x)s, %(y)s)"),
    ("free AND load >= 2", "load, spot <-> point(%(x)s, %(y)s)"),
)
_NEAR = """
    WITH near AS MATERIALIZED (
        SELECT rider_id, latitude, longitude, seen_at, load FROM riders_riderspot
        WHERE {which} AND spot <@ circle(point(%(x)s, %(y)s), %(radius)s)
        ORDER BY {order} LIMIT %(rows)s
    )
    SELECT s.rider_id, r.name, s.latitude, s.longitude, s.seen_at, s.load, r.max_concurrent, r.is_online, r.standing
    FROM near s JOIN riders_rider r ON r.id = s.rider_id
"""
_USABLE = " AND seen_at >= %(seen_after)s AND rider_id <> ALL(%(without)s::bigint[])"
_FREE = [_NEAR.format(which=which + _USABLE, order=order) for which, order in _LEVELS]
_ANYBODY = _NEAR.format(which="true", order="spot <-> point(%(x)s, %(y)s)")


@dataclass(frozen=True)
class Candidate:
    """A rider near a point as dispatch sees one. `distance_m` is to that point, `load` counts open offers too."""

    rider_id: int
    name: str
    point: Point
    seen_at: datetime
    load: int
    max_concurrent: int
    is_online: bool
    standing: RiderStatus
    distance_m: float


def nearest_candidates(
    point: Point, radius_m: float, k: int, *, seen_after: datetime, without: Collection[int] = ()
) -> list[Candidate]:
    """At most `k` free riders within `radius_m`: fewest under way first, then nearest. `without` leaves riders out."""
    found: list[Candidate] = []
    for level in _FREE:
        near = _query_riders(level, point, radius_m, 2 * k, seen_after=seen_after, without=list(without))
        near = [rider for rider in near if rider.distance_m <= radius_m]
        found += sorted(near, key=lambda rider: (rider.load, rider.distance_m, rider.rider_id))
        if len(found) >= k:
            break
    return found[:k]


def riders_around(point: Point, radius_m: float, k: int) -> list[Candidate]:
    """The `k` online riders nearest to `point`, free or not: nearest first."""
    return sorted(_query_riders(_ANYBODY, point, radius_m, k), key=lambda rider: (rider.distance_m, rider.rider_id))


def _query_riders(sql: str, point: Point, radius_m: float, rows: int, **params: Any) -> list[Candidate]:
    x, y = geo.project_mercator(point)
    slack = 1.01  # the plane's scale changes a little within the circle; haversine has the last word
    params |= {"x": x, "y": y, "radius": slack * geo.mercator_radius(point, radius_m), "rows": rows}
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [_build_candidate(point, row) for row in cursor.fetchall()]


def _build_candidate(point: Point, row: tuple[Any, ...]) -> Candidate:
    rider_id, name, latitude, longitude, seen_at, load, max_concurrent, is_online, standing = row
    spot = Point(latitude, longitude)
    return Candidate(
        rider_id=rider_id,
        name=name,
        point=spot,
        seen_at=seen_at,
        load=load,
        max_concurrent=max_concurrent,
        is_online=is_online,
        standing=RiderStatus(standing),
        distance_m=geo.haversine_m(spot, point),
    )
