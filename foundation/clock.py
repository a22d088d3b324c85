"""Time: aware UTC inside, ISO 8601 with `Z` on the wire (SPEC 1)."""

from datetime import UTC, datetime, timedelta

from django.db import connection

EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)  # nothing that we are told of was before
PLANNED_AHEAD = timedelta(days=400)  # nor is anything planned for later
CLOCK_ERROR = timedelta(days=1)  # by so much the clock may be wrong of somebody who tells what has happened


def now() -> datetime:
    return datetime.now(UTC)


def database_now() -> datetime:
    """The clock deadlines are compared on: the database's, read after the lock was taken."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def format_wire(moment: datetime | None) -> str | None:
    """Three decimals and `Z`, as the riders' contract shows: `2026-02-22T10:30:00.000Z`."""
    if moment is None:
        return None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def is_plausible(moment: datetime, *, ahead: timedelta = PLANNED_AHEAD) -> bool:
    """Whether a time that came from outside can be meant: programs send the year 1 or 9999 for "unknown".

    `ahead`: how far it may lie in the future. Every time from outside passes here before it is kept: later it would be
    compared, formatted and added to by code that no caller can see fail.
    """
    return EARLIEST <= moment <= now() + ahead


def from_unix(seconds: float | None, *, ahead: timedelta = CLOCK_ERROR) -> datetime | None:
    """None: not told, or not to be meant (see is_plausible)."""
    if seconds is None or not EARLIEST.timestamp() <= seconds <= (now() + ahead).timestamp():
        return None
    return datetime.fromtimestamp(seconds, UTC)
