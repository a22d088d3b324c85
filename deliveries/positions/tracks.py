"""Where riders were while they carried (SPEC R7): kept only while a delivery is live, or while a flag needs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection

from deliveries.lifecycle import CARRIED, LIVE, DeliveryStatus, FlagStatus
from deliveries.models import Delivery, FraudFlag, Track
from deliveries.positions.geofence import ReceivedFix
from foundation.geo import Point, haversine_m
from riders.positions import PositionFix

# FOR SHARE waits for whoever is just ending one of these deliveries, and then does not find it any more: no point is
# written behind the back of the clearing. The statuses stand in the text, where the planner sees that the small index
# of what is carried will do, however many deliveries a rider has behind them.
_CARRIED = "status IN ({})".format(", ".join(f"'{status}'" for status in CARRIED))
_KEEP = f"""
    WITH points AS MATERIALIZED (
        SELECT * FROM unnest(%(of)s::bigint[], %(lats)s::float8[], %(lngs)s::float8[], %(accuracies)s::float8[],
            %(times)s::timestamptz[]) AS p(rider_id, lat, lng, accuracy_m, recorded_at)
    ), carried AS MATERIALIZED (
        SELECT id, rider_id FROM deliveries_delivery WHERE rider_id = ANY(%(riders)s::bigint[]) AND {_CARRIED}
        ORDER BY id FOR SHARE {{skip}}
    ), kept AS (
        INSERT INTO deliveries_track (rider_id, delivery_id, latitude, longitude, accuracy_m, recorded_at)
        SELECT c.rider_id, c.id, p.lat, p.lng, p.accuracy_m, p.recorded_at FROM carried c JOIN points p USING (rider_id)
        ON CONFLICT (delivery_id, recorded_at) DO NOTHING
    )
    SELECT d.rider_id, d.id, d.order_id, d.picked_up_at, s.latitude, s.longitude, c.id IS NOT NULL
    FROM deliveries_delivery d LEFT JOIN carried c ON c.id = d.id
        LEFT JOIN orders_order o ON o.id = d.order_id AND d.status = '{DeliveryStatus.PICKED_UP}'
        LEFT JOIN orders_store s ON s.id = o.store_id
    WHERE d.rider_id = ANY(%(riders)s::bigint[]) AND d.{_CARRIED} AND (c.id IS NULL OR s.latitude IS NOT NULL)
"""  # noqa: S608 - made of constants


@dataclass(frozen=True)
class FetchedDelivery:
    """A delivery that its rider has picked up, and has not left the store with as far as we know."""

    rider_id: int
    delivery_id: int
    order_id: int
    picked_up_at: datetime
    store: Point


def keep_positions(
    points: Mapping[int, Sequence[PositionFix]], *, wait: bool = True
) -> tuple[list[FetchedDelivery], set[int]]:
    """Keep these positions of riders for every delivery that each carries now.

    Returns what of that was picked up and may leave its store now, and the riders that were left out: without `wait`
    those one of whose deliveries somebody else has locked.
    """
    every = [(rider_id, fix) for rider_id, seens in points.items() for fix in seens]
    if not every:
        return [], set()
    params: dict[str, Any] = {
        "riders": list(points),
        "of": [rider_id for rider_id, _ in every],
        "lats": [fix.point.lat for _, fix in every],
        "lngs": [fix.point.lng for _, fix in every],
        "accuracies": [fix.accuracy_m for _, fix in every],
        "times": [fix.recorded_at for _, fix in every],
    }
    with connection.cursor() as cursor:
        cursor.execute(_KEEP.format(skip="" if wait else "SKIP LOCKED"), params)
        rows = cursor.fetchall()
    fetched = [FetchedDelivery(row[0], row[1], row[2], row[3], Point(row[4], row[5])) for row in rows if row[6]]
    return fetched, {row[0] for row in rows if not row[6]}


_LATEST = """
    SELECT d.id, t.latitude, t.longitude, t.recorded_at, t.accuracy_m
    FROM deliveries_delivery d CROSS JOIN LATERAL (
        SELECT * FROM deliveries_track
        WHERE delivery_id = d.id AND rider_id IS NOT DISTINCT FROM d.rider_id ORDER BY recorded_at DESC LIMIT 1
    ) t
    WHERE d.id = ANY(%s)
"""


def latest_fix(delivery: Delivery) -> PositionFix | None:
    """Where the one who carries it now was last."""
    row = (
        Track.objects.filter(delivery=delivery, rider=delivery.rider_id)
        .order_by("-recorded_at")
        .values_list("latitude", "longitude", "recorded_at", "accuracy_m")
        .first()
    )
    return None if row is None else PositionFix(Point(row[0], row[1]), row[2], row[3])


def latest_of(delivery_ids: Sequence[int]) -> dict[int, PositionFix]:
    """The same for many deliveries in one query, by the delivery's id; those that were not seen are not there."""
    with connection.cursor() as cursor:
        cursor.execute(_LATEST, [list(delivery_ids)])
        return {row[0]: PositionFix(Point(row[1], row[2]), row[3], row[4]) for row in cursor.fetchall()}


def received_fixes(delivery: Delivery, *, since: datetime, before: datetime) -> list[ReceivedFix]:
    """What reached us between these times of where its carrier was, by our clock."""
    rows = Track.objects.filter(
        delivery=delivery, rider=delivery.rider_id, received_at__gte=since, received_at__lt=before
    ).values_list("latitude", "longitude", "recorded_at", "accuracy_m", "received_at")
    return [
        ReceivedFix(PositionFix(Point(lat, lng), at, accuracy_m), arrived) for lat, lng, at, accuracy_m, arrived in rows
    ]


def first_near(delivery: Delivery, place: Point | None, *, since: datetime | None = None) -> datetime | None:
    """When the one who carries it was first seen within the geofence of `place`; None: never, as far as we know."""
    if place is None:
        return None
    points = Track.objects.filter(delivery=delivery, rider=delivery.rider_id).order_by("recorded_at")
    if since is not None:
        points = points.filter(recorded_at__gte=since)
    rows = points.values_list("latitude", "longitude", "recorded_at")
    near = (at for lat, lng, at in rows if haversine_m(Point(lat, lng), place) <= settings.GEOFENCE_M)
    return next(near, None)


def clear_tracks(delivery: Delivery) -> int:
    """Forget where the rider was, unless an open flag is about it. Returns how many points went."""
    if FraudFlag.objects.filter(delivery=delivery, status=FlagStatus.OPEN).exists():
        return 0
    return Track.objects.filter(delivery=delivery).delete()[0]


def clear_if_over(delivery: Delivery) -> None:
    """A flag was decided: what it kept goes, if the delivery is over."""
    if delivery.status not in LIVE:
        clear_tracks(delivery)
