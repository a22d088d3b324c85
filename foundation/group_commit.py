"""Group commit: what many threads of a process want written at the same moment shares one transaction.

No thread and no timer of its own. Who comes while nobody is at work does all that is waiting, its own included; who
comes meanwhile waits, and the first of these is next. So somebody alone is never held up, and under load the groups
grow by themselves.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class _QueuedItem(Generic[Item, Outcome]):
    """One thread in the line. It is called when its item is done, or when it is its turn to work."""

    __slots__ = ("done", "item", "outcome", "woken")

    def __init__(self, item: Item) -> None:
        self.item, self.woken, self.done = item, threading.Event(), False
        self.outcome: Outcome | None = None


class GroupCommit(Generic[Item, Outcome]):
    """`commit_all(items)` does up to `max_items` items in one transaction and returns an outcome for each, in their
    order; None for one that it leaves undone."""

    def __init__(
        self, commit_all: Callable[[Sequence[Item]], Sequence[Outcome | None]], *, max_items: int, timeout_s: float
    ) -> None:
        self._commit_all, self._max_items, self._timeout_s = commit_all, max_items, timeout_s
        self._lock = threading.Lock()
        self._queue: deque[_QueuedItem[Item, Outcome]] = deque()
        self._is_working = False

    def submit_item(self, item: Item) -> Outcome | None:
        """The item's outcome, once it is committed. None: it was left undone, the group failed, or it took longer than
        `timeout_s`; the caller does it alone then, so that nobody suffers from another's trouble."""
        queued = _QueuedItem[Item, Outcome](item)
        with self._lock:
            is_first = not self._is_working
            self._is_working = True
            self._queue.append(queued)
        if is_first or self._wait_for_turn(queued):
            self._commit_group()
        return queued.outcome

    def _wait_for_turn(self, queued: _QueuedItem[Item, Outcome]) -> bool:
        """False: somebody else did it meanwhile, or the patience is over."""
        if not queued.woken.wait(self._timeout_s):
            with self._lock:
                if not queued.woken.is_set() and queued in self._queue:
                    self._queue.remove(queued)
        return queued.woken.is_set() and not queued.done

    def _commit_group(self) -> None:
        with self._lock:
            group = [self._queue.popleft() for _ in range(min(self._max_items, len(self._queue)))]
        outcomes: Sequence[Outcome | None] = [None] * len(group)
        try:
            outcomes = self._commit_all([queued.item for queued in group])
        except Exception as error:  # noqa: BLE001 - each does its own alone, and whosever trouble it is hears of it then
            log.warning("group_undone", size=len(group), error=repr(error))
        finally:
            self._wake_next()
            for queued, outcome in zip(group, outcomes, strict=True):
                queued.outcome, queued.done = outcome, True
                queued.woken.set()

    def _wake_next(self) -> None:
        with self._lock:
            self._is_working = bool(self._queue)
            if self._queue:
                self._queue[0].woken.set()
