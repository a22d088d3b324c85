"""The queue of searching deliveries: when dispatch looks at one again, and what ends its search (SPEC D1, D4).

A searching `Delivery` is its own work row; `due_at` says when it is looked at (dispatch/search.py does it). Whoever
changes what a search depends on (an offer that ended, a rider with a free place) calls a verb here.
"""

from math import cos, degrees, radians
from typing import Any

from django.db import connection
from django.db.models.functions import Now

from deliveries.dispatch import policy
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery
from foundation import events, geo, jobs
from foundation.work import WorkState
from notifications.incidents import service
from riders.models import RiderSpot

FOLLOW_RIDER = jobs.handler_name("deliveries.follow_rider")

WOKEN_AT_ONCE = 6  # a rider has places for a few; the others look again by themselves


def resolve_search(delivery: Delivery, resolution: str) -> None:
    """The search is over: what ops was told of it is resolved."""
    if delivery.alerted_at is not None:
        service.resolve_key(incident_key(delivery), resolution)


def incident_key(delivery: Delivery) -> str:
    return f"delivery_without_rider:{delivery.pk}"


def wake_search(delivery: Delivery) -> None:
    """Look at this locked delivery now. One that a worker has just claimed is left to it: it waits for our lock, and
    reads what we leave behind."""
    Delivery.objects.filter(pk=delivery.pk, status=DeliveryStatus.SEARCHING, state=WorkState.PENDING).update(
        due_at=Now()
    )


def announce_free_rider(rider_id: int) -> None:
    """The rider has a place again: waiting deliveries are looked at, in a transaction of their own (a rider's lock is
    held here, and deliveries are locked before riders)."""
    jobs.enqueue_job(FOLLOW_RIDER, events.subject_key("rider", rider_id))


_WAKE = """
    WITH waiting AS MATERIALIZED (
        SELECT d.id FROM deliveries_delivery d
        JOIN orders_order o ON o.id = d.order_id JOIN orders_store s ON s.id = o.store_id
        WHERE d.state IN ('pending', 'leased') AND d.status = 'searching' AND d.search_started_at IS NOT NULL
          AND s.latitude BETWEEN %(south)s AND %(north)s AND s.longitude BETWEEN %(west)s AND %(east)s
          AND NOT EXISTS (SELECT FROM deliveries_offer f WHERE f.delivery_id = d.id AND f.status <> 'withdrawn'
                          AND (f.status = 'pending' OR f.rider_id = %(rider)s))
        ORDER BY d.search_started_at LIMIT %(limit)s
    ), locked AS MATERIALIZED (
        SELECT d.id, d.state FROM deliveries_delivery d JOIN waiting USING (id) ORDER BY d.id FOR NO KEY UPDATE OF d
    )
    UPDATE deliveries_delivery d SET due_at = clock_timestamp() FROM locked
    WHERE d.id = locked.id AND locked.state = 'pending' AND d.status = 'searching' AND d.due_at > clock_timestamp()
"""


def wake_searches_near(rider_id: int) -> int:
    """A free rider is there: deliveries that wait within reach are looked at now, the longest waiting first.

    Deliveries whose time to search has not come are left alone. Returns how many were woken.
    """
    spot = RiderSpot.objects.filter(pk=rider_id, free=True).first()
    if spot is None:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            _WAKE, {"rider": rider_id, "limit": WOKEN_AT_ONCE, **_bounding_box(spot.latitude, spot.longitude)}
        )
        return int(cursor.rowcount)


def _bounding_box(latitude: float, longitude: float) -> dict[str, Any]:
    """The degrees around a point within which a store may search for somebody there."""
    up = degrees(policy.current_policy().max_radius_m / geo.EARTH_RADIUS_M)
    out = up / max(0.01, cos(radians(latitude)))
    return {"south": latitude - up, "north": latitude + up, "west": longitude - out, "east": longitude + out}
