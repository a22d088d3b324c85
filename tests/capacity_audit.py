"""Do riders' counters agree with the deliveries and offers they stand for? Reads only, at one moment."""

from dataclasses import dataclass

from django.db import connection

from deliveries.lifecycle import CARRIED, OfferStatus

_COMPARE = """
    SELECT r.id, r.active_deliveries, r.open_offers, coalesce(d.n, 0), coalesce(o.n, 0)
    FROM riders_rider r
    LEFT JOIN (SELECT rider_id, count(*) AS n FROM deliveries_delivery WHERE status = ANY(%s) GROUP BY 1) d
        ON d.rider_id = r.id
    LEFT JOIN (SELECT rider_id, count(*) AS n FROM deliveries_offer WHERE status = %s GROUP BY 1) o
        ON o.rider_id = r.id
    LEFT JOIN riders_riderspot s ON s.rider_id = r.id
    WHERE (r.active_deliveries, r.open_offers) <> (coalesce(d.n, 0), coalesce(o.n, 0))
       OR s.load <> r.active_deliveries + r.open_offers
    ORDER BY r.id
"""


@dataclass(frozen=True)
class CapacityDifference:
    """`counted` and `real` are (deliveries under way, open offers); equal when only the spot disagrees."""

    rider_id: int
    counted: tuple[int, int]
    real: tuple[int, int]


def find_differences() -> list[CapacityDifference]:
    """Riders whose counters are wrong, at one moment: empty unless there is a mistake in the program."""
    with connection.cursor() as cursor:
        cursor.execute(_COMPARE, [[str(status) for status in CARRIED], str(OfferStatus.PENDING)])
        return [CapacityDifference(row[0], (row[1], row[2]), (row[3], row[4])) for row in cursor.fetchall()]
