"""Group commit: what waits is done together, once each, and nobody suffers from another's trouble or waits for ever."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from foundation.group_commit import GroupCommit


class Desk:
    """Doubles numbers, and remembers in which groups they came. Unless it is `open`, whom it serves has to wait."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.open = threading.Event()
        self.open.set()
        self.bad: set[int] = set()

    def serve(self, numbers: Sequence[int]) -> list[int | None]:
        self.groups.append(list(numbers))
        assert self.open.wait(30)
        if self.bad & set(numbers):
            raise ValueError("a bad number")
        return [None if number < 0 else 2 * number for number in numbers]


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.001)


def queued(
    group: GroupCommit[int, int], desk: Desk, pool: ThreadPoolExecutor, *numbers: int
) -> list[Future[int | None]]:
    """The first is being served (and kept waiting), the others stand in line in this order."""
    desk.open.clear()
    asked = [pool.submit(group.submit_item, numbers[0])]
    until(lambda: desk.groups == [[numbers[0]]])
    for place, number in enumerate(numbers[1:], start=1):
        asked.append(pool.submit(group.submit_item, number))
        until(lambda: len(group._queue) == place)  # noqa: B023 - asked at once
    return asked


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_who_comes_alone_is_served_at_once(desk: Desk):
    group = GroupCommit[int, int](desk.serve, max_items=10, timeout_s=30)
    assert [group.submit_item(number) for number in (1, 2, 3)] == [2, 4, 6]
    assert desk.groups == [[1], [2], [3]]


def test_who_comes_meanwhile_is_served_together(desk: Desk):
    group = GroupCommit[int, int](desk.serve, max_items=3, timeout_s=30)
    with ThreadPoolExecutor(6) as pool:
        asked = queued(group, desk, pool, 1, 2, 3, 4, 5)
        desk.open.set()
        assert [one.result(30) for one in asked] == [2, 4, 6, 8, 10]
    assert desk.groups == [[1], [2, 3, 4], [5]]


def test_what_is_left_undone_or_failed_is_handed_back_and_the_next_go_on(desk: Desk):
    group = GroupCommit[int, int](desk.serve, max_items=2, timeout_s=30)
    desk.bad = {4}
    with ThreadPoolExecutor(6) as pool:
        asked = queued(group, desk, pool, 1, -2, 3, 4, 5, 6)
        desk.open.set()
        assert [one.result(30) for one in asked] == [2, None, 6, None, None, 12]
    assert group.submit_item(7) == 14


def test_nobody_waits_for_ever(desk: Desk):
    group = GroupCommit[int, int](desk.serve, max_items=10, timeout_s=0.2)
    with ThreadPoolExecutor(2) as pool:
        asked = queued(group, desk, pool, 1, 2)
        assert asked[1].result(30) is None
        desk.open.set()
        assert asked[0].result(30) == 2
    assert group.submit_item(3) == 6
    assert desk.groups == [[1], [3]]  # what was taken back is not done after all


def test_many_threads_are_each_served_once(desk: Desk):
    group = GroupCommit[int, int](desk.serve, max_items=5, timeout_s=30)

    def ask(thread: int) -> bool:
        return all(group.submit_item(number) == 2 * number for number in range(thread * 1_000, thread * 1_000 + 200))

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(16)))
    served = Counter(number for numbers in desk.groups for number in numbers)
    assert len(served) == 16 * 200
    assert set(served.values()) == {1}
    assert max(map(len, desk.groups)) <= 5
