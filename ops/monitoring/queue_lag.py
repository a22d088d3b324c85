"""Work that is not done: dead letters, work queues that fall behind, rows that fail again and again (SPEC W4, W6)."""

from datetime import datetime, timedelta

from foundation import clock
from foundation.work_queues import WorkQueue, all_queues
from notifications.incidents import service
from notifications.incidents.service import Problem
from notifications.models import Severity

BEHIND_AFTER = timedelta(minutes=2)
OFTEN = 6  # attempts: some minutes of failing, by most schedules
COUNTED_TO = 1000


def watch_queues() -> None:
    buried, late, failing = list[Problem](), list[Problem](), list[Problem]()
    for queue in all_queues().values():
        if many := count_dead(queue):
            title = f"{_format_count(many)} dead in queue {queue.name}: replay or discard them"
            buried.append(Problem(f"dead_letters:{queue.name}", title, count=many, detail={"lane": queue.name}))
        if many := _count_late(queue):
            minutes = BEHIND_AFTER.seconds // 60
            title = f"Work queue {queue.name} is more than {minutes} minutes behind: are worker and beat running?"
            late.append(
                Problem(f"lane_behind:{queue.name}", title, Severity.CRITICAL, many, detail={"lane": queue.name})
            )
        elif many := queue.count_failing(OFTEN, COUNTED_TO):  # one that is behind has too many to look at
            title = f"{_format_count(many)} in queue {queue.name} failed {OFTEN} times or more, and will be tried again"
            failing.append(Problem(f"work_failing:{queue.name}", title, count=many, detail={"lane": queue.name}))
    service.sync_incidents("dead_letters", buried)
    service.sync_incidents("lane_behind", late)
    service.sync_incidents("work_failing", failing)


def count_backlog() -> dict[str, int]:
    """Rows due now per work queue, counted up to 1,000."""
    return {queue.name: queue.count_due(clock.now(), COUNTED_TO) for queue in all_queues().values()}


def count_dead(queue: WorkQueue) -> int:
    return queue.count_dead(COUNTED_TO)


def _count_late(queue: WorkQueue) -> int:
    before: datetime = clock.now() - BEHIND_AFTER
    return queue.count_due(before, COUNTED_TO)


def _format_count(count: int) -> str:
    return f"{count}+ rows" if count == COUNTED_TO else f"{count} row{'s' if count > 1 else ''}"
