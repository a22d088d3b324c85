"""Time: aware UTC inside, ISO 8601 with `Z` on the wire (SPEC 1)."""

from datetime import UTC, datetime

from django.db import connection


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


def from_unix(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
