"""Where riders are: the newest position of everybody online (SPEC R7, D1), and which positions cannot be true (R4).

Reporting a position touches one narrow row and no order: phones do it every ten seconds.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import connection

from foundation import geo
from foundation.api.authentication import TokenSubject
from foundation.geo import Point
from foundation.models import Role
from riders import capacity
from riders.models import RiderSpot

FUTURE_TOLERANCE = timedelta(seconds=30)  # phones' clocks are a little off
JITTER_M = 250.0  # positions between houses jump this far within a second, and nobody cheated
WORST_ACCURACY_M = 500.0  # a phone that claims to be worse is not excused for more

_REPORTED_FIXES = """
    SELECT * FROM unnest(%(riders)s::bigint[], %(lats)s::float8[], %(lngs)s::float8[], %(xs)s::float8[],
        %(ys)s::float8[], %(accuracies)s::float8[], %(times)s::timestamptz[])
        AS n(rider_id, lat, lng, x, y, accuracy_m, seen_at)
"""
_MOVE = f"""
    WITH news AS MATERIALIZED ({_REPORTED_FIXES}), held AS MATERIALIZED (
        SELECT rider_id FROM riders_riderspot WHERE rider_id = ANY(%(riders)s::bigint[])
        ORDER BY rider_id FOR NO KEY UPDATE {{skip}}
    ), moved AS (
        UPDATE riders_riderspot s
        SET latitude = n.lat, longitude = n.lng, spot = point(n.x, n.y), accuracy_m = n.accuracy_m, seen_at = n.seen_at
        FROM news n JOIN held USING (rider_id) WHERE s.rider_id = n.rider_id AND s.seen_at < n.seen_at
    )
    SELECT rider_id FROM held
"""  # noqa: S608 - made of constants
# The lock on the rider makes load and freedom true at the time they are copied.
_APPEAR = f"""
    WITH news AS MATERIALIZED ({_REPORTED_FIXES}), r AS MATERIALIZED (
        SELECT * FROM riders_rider WHERE id = ANY(%(riders)s::bigint[]) AND is_online
        ORDER BY id FOR NO KEY UPDATE {{skip}}
    ), appeared AS (
        INSERT INTO riders_riderspot (rider_id, latitude, longitude, spot, accuracy_m, seen_at, load, free)
        SELECT r.id, n.lat, n.lng, point(n.x, n.y), n.accuracy_m, n.seen_at, {capacity.LOAD}, {capacity.FREE}
        FROM r JOIN news n ON n.rider_id = r.id
        ON CONFLICT (rider_id) DO UPDATE
        SET latitude = excluded.latitude, longitude = excluded.longitude, spot = excluded.spot,
            accuracy_m = excluded.accuracy_m, seen_at = excluded.seen_at
        WHERE riders_riderspot.seen_at < excluded.seen_at
    )
    SELECT id FROM r
"""  # noqa: S608 - made of constants
_REPORTERS = """
    SELECT t.public_id, t.digest, r.id, r.is_online, s.latitude, s.longitude, s.seen_at, s.accuracy_m
    FROM unnest(%(users)s::uuid[], %(digests)s::text[]) AS t(public_id, digest)
    JOIN foundation_user u ON u.public_id = t.public_id AND upper(md5(u.password)) = t.digest
    JOIN riders_rider r ON r.user_id = u.id LEFT JOIN riders_riderspot s ON s.rider_id = r.id
    WHERE u.is_active AND u.role = %(role)s
"""


class FixOutcome(StrEnum):
    ACCEPTED = "accepted"
    OLD = "old"  # we know a newer one
    DUPLICATE = "duplicate"  # we know this one
    FUTURE = "future"
    IMPOSSIBLE = "impossible"  # nobody travels that fast: evidence of spoofing


@dataclass(frozen=True)
class PositionFix:
    """A position as a phone reports it. `recorded_at`: when the phone took it."""

    point: Point
    recorded_at: datetime
    accuracy_m: float | None = None


@dataclass(frozen=True)
class FixResult:
    """What became of one reported position. The rest is set when there was one before to compare with."""

    fix: PositionFix
    outcome: FixOutcome
    previous: PositionFix | None = None
    distance_m: float | None = None
    speed_m_per_s: float | None = None


@dataclass(frozen=True)
class Reporter:
    """A rider who may report positions. `spot` None: offline, or not seen yet."""

    rider_id: int
    is_online: bool
    spot: PositionFix | None


def record_fixes(rider_id: int, points: Sequence[PositionFix], *, now: datetime) -> list[FixResult]:
    """Take what a phone reported, in any order; returns a result per point, in the order given.

    The newest accepted one becomes the rider's spot, where the rider is online; of parallel reports the newest wins,
    whichever is written last. Impossible points are not taken: they come back with the figures, for the caller to
    flag. A rider who really is that far away becomes possible again as time passes.
    """
    known = find_spot(rider_id)
    results, last = judge_fixes(points, known, now=now)
    if last is not None and last is not known:
        (create_spots if known is None else move_spots)({rider_id: last})
    return results


def judge_fixes(
    points: Sequence[PositionFix], last: PositionFix | None, *, now: datetime
) -> tuple[list[FixResult], PositionFix | None]:
    """A result per point, in the order given, each judged after the one it follows in time; and the last position that
    we believe then. Pure."""
    results: dict[int, FixResult] = {}
    for index, point in sorted(enumerate(points), key=lambda pair: _fix_sort_key(pair[1])):
        results[index] = judge_fix(point, last, now=now)
        if results[index].outcome == FixOutcome.ACCEPTED:
            last = point
    return [results[index] for index in range(len(points))], last


def _fix_sort_key(fix: PositionFix) -> tuple[Any, ...]:
    """Of two at the same moment the surer one comes first, and the order in which they were sent plays no part."""
    return fix.recorded_at, WORST_ACCURACY_M if fix.accuracy_m is None else fix.accuracy_m, fix.point


def judge_fix(point: PositionFix, last: PositionFix | None, *, now: datetime) -> FixResult:
    """Whether a position can follow the last one that we believed. Pure."""
    if point.recorded_at > now + FUTURE_TOLERANCE:
        return FixResult(point, FixOutcome.FUTURE)
    if last is None:
        return FixResult(point, FixOutcome.ACCEPTED)
    elapsed_s = (point.recorded_at - last.recorded_at).total_seconds()
    if elapsed_s <= 0:
        return FixResult(point, FixOutcome.DUPLICATE if elapsed_s == 0 else FixOutcome.OLD, last)
    distance_m = geo.haversine_m(last.point, point.point)
    certain_m = distance_m - sum(min(seen.accuracy_m or 0.0, WORST_ACCURACY_M) for seen in (last, point))
    impossible = certain_m > JITTER_M and certain_m / elapsed_s > settings.PLAUSIBLE_SPEED_M_PER_S
    outcome = FixOutcome.IMPOSSIBLE if impossible else FixOutcome.ACCEPTED
    return FixResult(point, outcome, last, distance_m, distance_m / elapsed_s)


def find_spot(rider_id: int) -> PositionFix | None:
    """The last position we believed; None while the rider is offline or has not been seen yet."""
    row = RiderSpot.objects.filter(pk=rider_id).values_list("latitude", "longitude", "seen_at", "accuracy_m").first()
    return None if row is None else PositionFix(Point(row[0], row[1]), row[2], row[3])


def load_reporters(subjects: Collection[TokenSubject]) -> dict[TokenSubject, Reporter]:
    """The riders among these who may report now, with what we know of them."""
    users, digests = [one.public_id for one in subjects], [one.password_digest for one in subjects]
    with connection.cursor() as cursor:
        cursor.execute(_REPORTERS, {"users": users, "digests": digests, "role": Role.RIDER})
        return {TokenSubject(*row[:2]): _build_reporter(*row[2:]) for row in cursor.fetchall()}


def _build_reporter(
    rider_id: int, is_online: bool, lat: float | None, lng: float | None, seen_at: Any, accuracy_m: float | None
) -> Reporter:
    spot = None if lat is None or lng is None else PositionFix(Point(lat, lng), seen_at, accuracy_m)
    return Reporter(rider_id, is_online, spot)


def move_spots(newest: Mapping[int, PositionFix], *, wait: bool = True) -> set[int]:
    """Move the spots of these riders on, none of them back in time. Returns those whose spot was there and was ours to
    move: without `wait`, who is locked by somebody else is left out, so that a crowd never waits for one of them."""
    return _write_spots(_MOVE, newest, wait)


def create_spots(newest: Mapping[int, PositionFix], *, wait: bool = True) -> set[int]:
    """As `move_spots`, for riders that have no spot yet: they get one, if they are online."""
    return _write_spots(_APPEAR, newest, wait)


def _write_spots(statement: str, newest: Mapping[int, PositionFix], wait: bool) -> set[int]:
    if not newest:
        return set()
    planes = [geo.project_mercator(fix.point) for fix in newest.values()]
    params: dict[str, Any] = {
        "riders": list(newest),
        "lats": [fix.point.lat for fix in newest.values()],
        "lngs": [fix.point.lng for fix in newest.values()],
        "xs": [x for x, _ in planes],
        "ys": [y for _, y in planes],
        "accuracies": [fix.accuracy_m for fix in newest.values()],
        "times": [fix.recorded_at for fix in newest.values()],
    }
    with connection.cursor() as cursor:
        cursor.execute(statement.format(skip="" if wait else "SKIP LOCKED"), params)
        return {row[0] for row in cursor.fetchall()}
