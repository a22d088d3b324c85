"""What the house watches about itself: dead letters, lanes that fall behind, books that do not agree (SPEC W6, N5).

The ground cannot raise alerts, so the roof sweeps: each watch is level-triggered, opens one incident while something
is wrong and resolves it when it is right again.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import connection

from foundation import clock
from foundation.lanes import Lane, all_lanes
from notifications import incidents
from notifications.models import Incident, IncidentStatus, Severity

if TYPE_CHECKING:
    from payouts.books import Report

BEHIND_AFTER = timedelta(minutes=2)
COUNTED_TO = 1000


def watch_lanes() -> None:
    for lane in all_lanes().values():
        buried, late = dead(lane), _late(lane)
        _hold(
            bool(buried),
            f"dead_letters:{lane.name}",
            "dead_letters",
            Severity.WARNING,
            f"{_shown(buried)} dead in lane {lane.name}: replay or discard them",
            {"lane": lane.name, "dead": buried},
        )
        _hold(
            bool(late),
            f"lane_behind:{lane.name}",
            "lane_behind",
            Severity.CRITICAL,
            f"Lane {lane.name} is more than {BEHIND_AFTER.seconds // 60} minutes behind: are worker and beat running?",
            {"lane": lane.name, "late": late},
        )


def report_books(report: "Report") -> None:
    _hold(
        not report.proved,
        "books",
        "books_disagree",
        Severity.CRITICAL,
        "The books do not agree",
        {"failures": report.failures},
    )


def backlog() -> dict[str, int]:
    """Rows due now per lane, counted up to 1,000."""
    return {lane.name: _due(lane, clock.now()) for lane in all_lanes().values()}


def dead(lane: Lane) -> int:
    return lane.count_dead(COUNTED_TO)


def _late(lane: Lane) -> int:
    return _due(lane, clock.now() - BEHIND_AFTER)


def _due(lane: Lane, before: datetime) -> int:
    return lane.count_due(before, COUNTED_TO)


def _shown(count: int) -> str:
    return f"{count}+ rows" if count == COUNTED_TO else f"{count} row{'s' if count > 1 else ''}"


def _hold(wrong: bool, key: str, kind: str, severity: Severity, title: str, detail: dict[str, object]) -> None:
    """Keep one open incident exactly while something is wrong."""
    standing = Incident.objects.filter(dedupe_key=key).exclude(status=IncidentStatus.RESOLVED).exists()
    if wrong and not standing:
        incidents.open(kind, severity=severity, title=title, dedupe=key, detail=detail)
    elif standing and not wrong:
        incidents.resolve_key(key, "right again")


def database_answers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone())
