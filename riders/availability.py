"""Online or not: whether a rider wants offers (SPEC R9)."""

from datetime import timedelta

from django.db import transaction

from foundation import clock, events
from foundation.errors import Forbidden
from foundation.events import Cause
from foundation.geo import Point
from riders import locks, positions
from riders.lifecycle import RiderStatus
from riders.models import Rider, RiderSpot
from riders.positions import PositionFix

SILENT_S = 1_800  # no position for this long: the app is closed, whatever the rider last said
REFUSALS = {
    RiderStatus.APPLIED: ("RIDER_NOT_VERIFIED", "Your profile is not verified yet"),
    RiderStatus.SUSPENDED: ("RIDER_SUSPENDED", "Your account is suspended"),
}


def set_online(rider_id: int, online: bool, position: Point | None, *, by: Cause) -> Rider:
    """The rider wants offers, or no more. Without a `position` the rider gets none before the first one arrives.

    Raises Forbidden for a rider who is not verified or is suspended; anybody may go offline.
    """
    with transaction.atomic():
        rider = locks.lock_rider(rider_id)
        if online and rider.standing in REFUSALS:
            code, message = REFUSALS[RiderStatus(rider.standing)]
            raise Forbidden(message, code=code)
        changed = rider.is_online != online
        if changed:
            rider.is_online = online
            rider.save(update_fields=["is_online"])
        if not online:
            RiderSpot.objects.filter(pk=rider_id).delete()
        elif position is not None:
            now = clock.now()
            positions.record_fixes(rider_id, [PositionFix(position, now)], now=now)
        if changed:
            events.record_event("rider.availability_changed", rider, by=by, data={"online": online})
        return rider


def take_silent_offline(*, limit: int = 500) -> int:
    """Riders whose phone has said nothing for SILENT_S go offline, so that dispatch need not look past them.

    A sweep, for the clock to call every minute or so. Returns how many went offline.
    """
    silent_since = clock.now() - timedelta(seconds=SILENT_S)
    silent = RiderSpot.objects.filter(seen_at__lt=silent_since).values_list("pk", flat=True)[:limit]
    return sum(_take_offline(rider_id, silent_since) for rider_id in list(silent))


def _take_offline(rider_id: int, silent_since: object) -> bool:
    with transaction.atomic():
        locks.lock_rider(rider_id)
        if not RiderSpot.objects.filter(pk=rider_id, seen_at__lt=silent_since).exists():
            return False  # spoke up meanwhile
        set_online(rider_id, False, None, by=Cause("clock", "no position"))
        return True
