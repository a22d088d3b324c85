"""Quiet hours: when a person is not to be disturbed by what can wait (SPEC N2). Pure: `now` comes in.

They are QUIET_HOURS of the person's own day; their end is found on their wall clock, also in the night in which that
is put forward or back.
"""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from notifications.models import Recipient


def quiet_until(recipient: Recipient, now: datetime) -> datetime | None:
    """When they end for this person; None: it is not quiet now."""
    hours: tuple[time, time] | None = settings.QUIET_HOURS
    return None if hours is None else ends_at(*hours, zone_of(recipient), now)


def zone_of(recipient: Recipient) -> ZoneInfo:
    return ZoneInfo(recipient.time_zone or settings.DEFAULT_TIME_ZONE)


def ends_at(begin: time, end: time, zone: ZoneInfo, now: datetime) -> datetime | None:
    """The end of the hours that `now` lies in. Hours that begin after their end run past midnight; equal: there are
    none."""
    local = now.astimezone(zone)
    clock = local.time()
    if begin <= end:
        quiet, days = begin <= clock < end, 0
    else:
        quiet, days = clock >= begin or clock < end, int(clock >= begin)
    if not quiet:
        return None
    wall = datetime.combine(local.date() + timedelta(days=days), end, tzinfo=zone)
    if not days:
        wall = wall.replace(fold=local.fold)  # of an hour that comes twice, the one that it is now
    return wall.astimezone(UTC)
