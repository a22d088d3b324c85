"""Where riders are: the newest position of everybody online (SPEC R7, D1), and which positions cannot be true (R4).

Reporting a position touches one narrow row and no order: phones do it every ten seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db import connection

from foundation import clock, geo
from foundation.geo import Point
from riders import capacity
from riders.models import RiderSpot

FUTURE_TOLERANCE = timedelta(seconds=30)  # phones' clocks are a little off
JITTER_M = 250.0  # positions between houses jump this far within a second, and nobody cheated
WORST_ACCURACY_M = 500.0  # a phone that claims to be worse is not excused for more

_MOVE = """
    UPDATE riders_riderspot
    SET latitude = %(lat)s, longitude = %(lng)s, spot = point(%(x)s, %(y)s), accuracy_m = %(accuracy_m)s,
        seen_at = %(seen_at)s
    WHERE rider_id = %(rider_id)s AND seen_at < %(seen_at)s
"""
# The lock on the rider makes load and freedom true at the time they are copied.
_APPEAR = f"""
    WITH r AS MATERIALIZED (SELECT * FROM riders_rider WHERE id = %(rider_id)s AND is_online FOR NO KEY UPDATE)
    INSERT INTO riders_riderspot (rider_id, latitude, longitude, spot, accuracy_m, seen_at, load, free)
    SELECT r.id, %(lat)s, %(lng)s, point(%(x)s, %(y)s), %(accuracy_m)s, %(seen_at)s, {capacity.LOAD}, {capacity.FREE}
    FROM r
    ON CONFLICT (rider_id) DO UPDATE
    SET latitude = excluded.latitude, longitude = excluded.longitude, spot = excluded.spot,
        accuracy_m = excluded.accuracy_m, seen_at = excluded.seen_at
    WHERE riders_riderspot.seen_at < excluded.seen_at
"""  # noqa: S608 - made of constants


class PointVerdict(StrEnum):
    ACCEPTED = "accepted"
    OLD = "old"  # we know a newer one
    DUPLICATE = "duplicate"  # we know this one
    FUTURE = "future"
    IMPOSSIBLE = "impossible"  # nobody travels that fast: evidence of spoofing


@dataclass(frozen=True)
class Seen:
    """A position as a phone reports it. `recorded_at`: when the phone took it."""

    point: Point
    recorded_at: datetime
    accuracy_m: float | None = None


@dataclass(frozen=True)
class PointResult:
    """What became of one reported position. The rest is set when there was one before to compare with."""

    seen: Seen
    verdict: PointVerdict
    previous: Seen | None = None
    distance_m: float | None = None
    speed_m_per_s: float | None = None


def seen(rider_id: int, points: Sequence[Seen], *, now: datetime) -> list[PointResult]:
    """Take what a phone reported, in any order; returns a result per point, in the order given.

    The newest accepted one becomes the rider's spot, where the rider is online; of parallel reports the newest wins,
    whichever is written last. Impossible points are not taken: they come back with the figures, for the caller to
    flag. A rider who really is that far away becomes possible again as time passes.
    """
    last = known = spot_of(rider_id)
    results: dict[int, PointResult] = {}
    for index, point in sorted(enumerate(points), key=lambda pair: pair[1].recorded_at):
        results[index] = judge(point, last, now=now)
        if results[index].verdict == PointVerdict.ACCEPTED:
            last = point
    if last is not None and last is not known:
        _write(rider_id, last, known=known is not None)
    return [results[index] for index in range(len(points))]


def judge(point: Seen, last: Seen | None, *, now: datetime) -> PointResult:
    """Whether a position can follow the last one that we believed. Pure."""
    if point.recorded_at > now + FUTURE_TOLERANCE:
        return PointResult(point, PointVerdict.FUTURE)
    if last is None:
        return PointResult(point, PointVerdict.ACCEPTED)
    elapsed_s = (point.recorded_at - last.recorded_at).total_seconds()
    if elapsed_s <= 0:
        return PointResult(point, PointVerdict.DUPLICATE if elapsed_s == 0 else PointVerdict.OLD, last)
    distance_m = geo.haversine_m(last.point, point.point)
    certain_m = distance_m - sum(min(seen.accuracy_m or 0.0, WORST_ACCURACY_M) for seen in (last, point))
    impossible = certain_m > JITTER_M and certain_m / elapsed_s > settings.PLAUSIBLE_SPEED_M_PER_S
    verdict = PointVerdict.IMPOSSIBLE if impossible else PointVerdict.ACCEPTED
    return PointResult(point, verdict, last, distance_m, distance_m / elapsed_s)


def spot_of(rider_id: int) -> Seen | None:
    """The last position we believed; None while the rider is offline or has not been seen yet."""
    row = RiderSpot.objects.filter(pk=rider_id).values_list("latitude", "longitude", "seen_at", "accuracy_m").first()
    return None if row is None else Seen(Point(row[0], row[1]), row[2], row[3])


def fresh(rider_id: int, *, now: datetime | None = None) -> Seen | None:
    """The rider's position if it is recent enough to act on (POSITION_FRESH_SECONDS)."""
    spot = spot_of(rider_id)
    return spot if spot is not None and spot.recorded_at >= fresh_since(now or clock.now()) else None


def fresh_since(now: datetime) -> datetime:
    return now - timedelta(seconds=settings.POSITION_FRESH_SECONDS)


def _write(rider_id: int, newest: Seen, *, known: bool) -> None:
    x, y = geo.mercator(newest.point)
    params = {
        "rider_id": rider_id,
        "lat": newest.point.lat,
        "lng": newest.point.lng,
        "x": x,
        "y": y,
        "accuracy_m": newest.accuracy_m,
        "seen_at": newest.recorded_at,
    }
    with connection.cursor() as cursor:
        cursor.execute(_MOVE if known else _APPEAR, params)
