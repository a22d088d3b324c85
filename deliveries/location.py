"""What a rider's phone reports every ten seconds (SPEC R7): the rider's spot, tracks of what is carried, suspicions.

Also what follows from being somewhere: a rider who has left the store with the food is out for delivery, whether the
button was pressed or not.
"""

from collections.abc import Sequence

from django.conf import settings
from django.db import transaction

from deliveries import carrying, fraud, tracks
from deliveries.lifecycle import CARRIED, DeliveryStatus
from deliveries.models import Delivery
from foundation import clock
from foundation.events import Cause
from foundation.geo import haversine_m
from orders import rows
from riders import positions
from riders.models import Rider
from riders.positions import PointResult, PointVerdict, Seen

BY = Cause("system", "left the store")
LEFT_AT_GEOFENCES = 2  # twice as far from the store as a pickup may be confirmed: the rider has left


def report(rider: Rider, points: Sequence[Seen]) -> list[PointResult]:
    """Take what a phone reports, in any order; a result per point, in the order given. Writes tracks only while the
    rider carries something."""
    results = positions.seen(rider.pk, points, now=clock.now())
    accepted = [result.seen for result in results if result.verdict == PointVerdict.ACCEPTED]
    tracks.keep(rider.pk, accepted)
    impossible = [result for result in results if result.verdict == PointVerdict.IMPOSSIBLE]
    if impossible:
        _suspect(rider, impossible[-1])
    if accepted:
        _leave_stores(rider, max(accepted, key=lambda seen: seen.recorded_at))
    return results


def _suspect(rider: Rider, result: PointResult) -> None:
    """The delivery that was carried longest is what the jump is about; without one it is about the rider."""
    carried = Delivery.objects.filter(rider=rider, status__in=CARRIED).order_by("assigned_at").only("order_id").first()
    if carried is None:
        fraud.jump(rider, result, order_id=None, delivery_id=None)
    else:
        fraud.jump(rider, result, order_id=carried.order_id, delivery_id=carried.pk)


def _leave_stores(rider: Rider, seen: Seen) -> None:
    """SPEC R4: OUT_FOR_DELIVERY may be set by the system when the rider leaves the store."""
    fetched = Delivery.objects.filter(rider=rider, status=DeliveryStatus.PICKED_UP, picked_up_at__lt=seen.recorded_at)
    for delivery in fetched.select_related("order__store"):
        store = delivery.order.store.point
        if store and haversine_m(store, seen.point) > LEFT_AT_GEOFENCES * settings.GEOFENCE_M:
            _leave(delivery.order_id, delivery.pk)


def _leave(order_id: int, delivery_id: int) -> None:
    with transaction.atomic():
        order = rows.lock(order_id)
        delivery = carrying.lock_live(order)
        if delivery is not None and delivery.pk == delivery_id and delivery.status == DeliveryStatus.PICKED_UP:
            carrying.leave(order, delivery, by=BY)
