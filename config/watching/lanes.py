"""Work that is not done: dead letters, lanes that fall behind, rows that fail again and again (SPEC W4, W6)."""

from datetime import datetime, timedelta

from foundation import clock
from foundation.lanes import Lane, all_lanes
from notifications import incidents
from notifications.incidents import Trouble
from notifications.models import Severity

BEHIND_AFTER = timedelta(minutes=2)
OFTEN = 6  # attempts: some minutes of failing, by most schedules
COUNTED_TO = 1000


def watch() -> None:
    buried, late, failing = list[Trouble](), list[Trouble](), list[Trouble]()
    for lane in all_lanes().values():
        if many := dead(lane):
            title = f"{_shown(many)} dead in lane {lane.name}: replay or discard them"
            buried.append(Trouble(f"dead_letters:{lane.name}", title, count=many, detail={"lane": lane.name}))
        if many := _late(lane):
            minutes = BEHIND_AFTER.seconds // 60
            title = f"Lane {lane.name} is more than {minutes} minutes behind: are worker and beat running?"
            late.append(Trouble(f"lane_behind:{lane.name}", title, Severity.CRITICAL, many, detail={"lane": lane.name}))
        elif many := lane.count_failing(OFTEN, COUNTED_TO):  # one that is behind has too many to look at
            title = f"{_shown(many)} in lane {lane.name} failed {OFTEN} times or more, and will be tried again"
            failing.append(Trouble(f"work_failing:{lane.name}", title, count=many, detail={"lane": lane.name}))
    incidents.hold("dead_letters", buried)
    incidents.hold("lane_behind", late)
    incidents.hold("work_failing", failing)


def backlog() -> dict[str, int]:
    """Rows due now per lane, counted up to 1,000."""
    return {lane.name: lane.count_due(clock.now(), COUNTED_TO) for lane in all_lanes().values()}


def dead(lane: Lane) -> int:
    return lane.count_dead(COUNTED_TO)


def _late(lane: Lane) -> int:
    before: datetime = clock.now() - BEHIND_AFTER
    return lane.count_due(before, COUNTED_TO)


def _shown(count: int) -> str:
    return f"{count}+ rows" if count == COUNTED_TO else f"{count} row{'s' if count > 1 else ''}"
