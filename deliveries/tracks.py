"""Where riders were while they carried (SPEC R7): kept only while a delivery is live, or while a flag needs it."""

from collections.abc import Sequence
from typing import Any

from django.db import connection

from deliveries.lifecycle import CARRIED, LIVE, FlagStatus
from deliveries.models import Delivery, FraudFlag, Track
from foundation.geo import Point
from riders.positions import Seen

# FOR SHARE waits for whoever is just ending one of these deliveries, and then does not find it any more: no point is
# written behind the back of the clearing.
_KEEP = """
    WITH carried AS MATERIALIZED (
        SELECT id FROM deliveries_delivery WHERE rider_id = %(rider)s AND status = ANY(%(carried)s)
        ORDER BY id FOR SHARE
    )
    INSERT INTO deliveries_track (rider_id, delivery_id, latitude, longitude, accuracy_m, recorded_at)
    SELECT %(rider)s, carried.id, p.lat, p.lng, p.accuracy_m, p.recorded_at
    FROM carried, unnest(%(lats)s::float8[], %(lngs)s::float8[], %(accuracies)s::float8[], %(times)s::timestamptz[])
        AS p(lat, lng, accuracy_m, recorded_at)
    ON CONFLICT (delivery_id, recorded_at) DO NOTHING
"""


def keep(rider_id: int, points: Sequence[Seen]) -> int:
    """Keep these positions for every delivery the rider carries now. Returns how many points were written."""
    if not points:
        return 0
    params: dict[str, Any] = {
        "rider": rider_id,
        "carried": [str(status) for status in CARRIED],
        "lats": [seen.point.lat for seen in points],
        "lngs": [seen.point.lng for seen in points],
        "accuracies": [seen.accuracy_m for seen in points],
        "times": [seen.recorded_at for seen in points],
    }
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, params)
        return int(cursor.rowcount)


def latest(delivery: Delivery) -> Seen | None:
    """Where the one who carries it now was last."""
    row = (
        Track.objects.filter(delivery=delivery, rider=delivery.rider_id)
        .order_by("-recorded_at")
        .values_list("latitude", "longitude", "recorded_at", "accuracy_m")
        .first()
    )
    return None if row is None else Seen(Point(row[0], row[1]), row[2], row[3])


def clear(delivery: Delivery) -> int:
    """Forget where the rider was, unless an open flag is about it. Returns how many points went."""
    if FraudFlag.objects.filter(delivery=delivery, status=FlagStatus.OPEN).exists():
        return 0
    return Track.objects.filter(delivery=delivery).delete()[0]


def clear_if_over(delivery: Delivery) -> None:
    """A flag was decided: what it kept goes, if the delivery is over."""
    if delivery.status not in LIVE:
        clear(delivery)
