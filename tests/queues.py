"""Work queues worked off in a test's own thread and transaction."""

from dataclasses import replace

from foundation.work_queues import WorkQueue, all_queues

ROUNDS = 1_000


def drain_queues(*queues: WorkQueue | str, one_by_one: bool = False) -> int:
    """Work the queues (themselves, or their names) off until nothing in them is due. Returns rows claimed.

    `one_by_one` claims a single row at a time, so that the queues take turns as those of a busy house do.
    Raises AssertionError when some work makes itself due again for ever.
    """
    chosen = [all_queues()[queue] if isinstance(queue, str) else queue for queue in queues]
    lanes = [replace(queue, batch=1) for queue in chosen] if one_by_one else chosen
    total = 0
    for _ in range(ROUNDS):
        claimed = sum(lane.drain_once() for lane in lanes)
        if claimed == 0:
            return total
        total += claimed
    raise AssertionError(f"{', '.join(lane.name for lane in lanes)}: never came to rest")
