"""What a rider's phone reports every ten seconds (SPEC R7): the rider's spot, tracks of what is carried, suspicions.

Also what follows from being somewhere: a rider who has left the store with the food is out for delivery, whether the
button was pressed or not. Reports are taken one by one, or many riders' in one transaction (`take_together`): the rules
are the same, and no order is written either way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import transaction

from deliveries.fraud import flags
from deliveries.fulfilment import transitions
from deliveries.lifecycle import CARRIED, DeliveryStatus
from deliveries.models import Delivery
from deliveries.positions import tracks
from deliveries.positions.tracks import FetchedDelivery
from foundation import clock
from foundation.api.authentication import TokenSubject
from foundation.events import Cause
from foundation.geo import haversine_m
from orders import locks
from riders import positions
from riders.models import Rider
from riders.positions import FixOutcome, FixResult, PositionFix, Reporter

BY = Cause("system", "left the store")
LEFT_AT_GEOFENCES = 2  # twice as far from the store as a pickup may be confirmed: the rider has left


@dataclass(frozen=True)
class LocationReport:
    """What a phone sent. `user` is who is signed in there, by their token."""

    user: TokenSubject
    points: Sequence[PositionFix]


@dataclass(frozen=True)
class StoredReport:
    """A report that is written down: a result per point, in their order, and what the rider may have left a store
    with."""

    rider_id: int
    results: list[FixResult]
    fetched: Sequence[FetchedDelivery] = ()

    @property
    def accepted_fixes(self) -> list[PositionFix]:
        return [result.fix for result in self.results if result.outcome == FixOutcome.ACCEPTED]


def take_report(rider: Rider, points: Sequence[PositionFix]) -> list[FixResult]:
    """Take what a phone reports, in any order; a result per point, in the order given. Writes tracks only while the
    rider carries something."""
    results = positions.record_fixes(rider.pk, points, now=clock.now())
    taken = StoredReport(rider.pk, results)
    fetched, _ = tracks.keep_positions({rider.pk: taken.accepted_fixes})
    follow_up(replace(taken, fetched=fetched))
    return results


def take_together(reports: Sequence[LocationReport]) -> list[StoredReport | None]:
    """Write down the reports of many phones in one transaction, in a number of statements that does not grow with them.

    It waits for nobody: a rider is left out (None) one of whose rows somebody else has locked at this moment, and so is
    who may not report at all. They take the plain way. What follows from a report is left to the caller (`follow_up`).
    """
    with transaction.atomic():
        known = positions.load_reporters({one.user for one in reports})
        found, believed = _judge_reports(reports, known)
        fetched, left_out = tracks.keep_positions(_group_accepted(found), wait=False)
        left_out |= _write_spots([one for one in known.values() if one.rider_id not in left_out], believed)
    return [
        replace(taken, fetched=[one for one in fetched if one.rider_id == taken.rider_id])
        if taken is not None and taken.rider_id not in left_out
        else None
        for taken in found
    ]


def _judge_reports(
    reports: Sequence[LocationReport], known: Mapping[TokenSubject, Reporter]
) -> tuple[list[StoredReport | None], dict[int, PositionFix | None]]:
    """What becomes of each report, and which position of each rider we believe then. Two of one rider count as if one
    had come after the other."""
    now, taken = clock.now(), list[StoredReport | None]()
    believed = {one.rider_id: one.spot for one in known.values()}
    for one in reports:
        reporter = known.get(one.user)
        if reporter is None:
            taken.append(None)
            continue
        results, last = positions.judge_fixes(one.points, believed[reporter.rider_id], now=now)
        believed[reporter.rider_id] = last
        taken.append(StoredReport(reporter.rider_id, results))
    return taken, believed


def _group_accepted(found: Sequence[StoredReport | None]) -> dict[int, list[PositionFix]]:
    points: dict[int, list[PositionFix]] = {}
    for taken in found:
        if taken is not None and taken.accepted_fixes:
            points.setdefault(taken.rider_id, []).extend(taken.accepted_fixes)
    return points


def _write_spots(riders: Sequence[Reporter], believed: Mapping[int, PositionFix | None]) -> set[int]:
    """Write the spots of those who are online. Returns the riders whose spot was not ours to write."""
    news = [(one, last) for one in riders if (last := believed[one.rider_id]) is not None and last is not one.spot]
    moved = {one.rider_id: last for one, last in news if one.spot is not None}
    appeared = {one.rider_id: last for one, last in news if one.spot is None and one.is_online}
    written = positions.move_spots(moved, wait=False) | positions.create_spots(appeared, wait=False)
    return {*moved, *appeared} - written


# ── what follows ─────────────────────────────────────────────────────────────────────────────────────────────────
def follow_up(taken: StoredReport) -> None:
    """Raise a flag for what is impossible, and see who has left a store; each in a transaction of its own."""
    impossible = [result for result in taken.results if result.outcome == FixOutcome.IMPOSSIBLE]
    if impossible:
        _flag_jump(Rider.objects.get(pk=taken.rider_id), impossible[-1])
    if taken.fetched:
        newest = max(taken.accepted_fixes, key=lambda fix: fix.recorded_at)
        for fetched in taken.fetched:
            if _has_left(fetched, newest):
                _start_transit(fetched)


def _flag_jump(rider: Rider, result: FixResult) -> None:
    """The delivery that was carried longest is what the jump is about; without one it is about the rider."""
    carried = Delivery.objects.filter(rider=rider, status__in=CARRIED).order_by("assigned_at").only("order_id").first()
    if carried is None:
        flags.flag_jump(rider, result, order_id=None, delivery_id=None)
    else:
        flags.flag_jump(rider, result, order_id=carried.order_id, delivery_id=carried.pk)


def _has_left(fetched: FetchedDelivery, fix: PositionFix) -> bool:
    """SPEC R4: OUT_FOR_DELIVERY may be set by the system when the rider leaves the store."""
    far = haversine_m(fetched.store, fix.point) > LEFT_AT_GEOFENCES * settings.GEOFENCE_M
    return far and fetched.picked_up_at < fix.recorded_at


def _start_transit(fetched: FetchedDelivery) -> None:
    with transaction.atomic():
        order = locks.lock_order(fetched.order_id)
        delivery = transitions.lock_live(order)
        if delivery is None or delivery.pk != fetched.delivery_id:
            return
        if delivery.status == DeliveryStatus.PICKED_UP:
            transitions.start_transit(order, delivery, by=BY)
