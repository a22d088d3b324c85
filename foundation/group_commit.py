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

    __slots__ = ("called", "done", "item", "outcome")

    def __init__(self, item: Item) -> None:
        self.item, self.called, self.done = item, threading.Event(), False
        self.outcome: Outcome | None = None


class GroupCommit(Generic[Item, Outcome]):
    """`together(items)` does up to `most` items in one transaction and returns an outcome for each, in their order;
    None for one that it leaves undone."""

    def __init__(
        self, together: Callable[[Sequence[Item]], Sequence[Outcome | None]], *, most: int, patience_s: float
    ) -> None:
        self._together, self._most, self._patience_s = together, most, patience_s
        self._lock = threading.Lock()
        self._line: deque[_QueuedItem[Item, Outcome]] = deque()
        self._at_work = False

    def submit_item(self, item: Item) -> Outcome | None:
        """The item's outcome, once it is committed. None: it was left undone, the group failed, or it took longer than
        `patience_s`; the caller does it alone then, so that nobody suffers from another's trouble."""
        place = _QueuedItem[Item, Outcome](item)
        with self._lock:
            works = not self._at_work
            self._at_work = True
            self._line.append(place)
        if works or self._waited_for_my_turn(place):
            self._work_group()
        return place.outcome

    def _waited_for_my_turn(self, place: _QueuedItem[Item, Outcome]) -> bool:
        """False: somebody else did it meanwhile, or the patience is over."""
        if not place.called.wait(self._patience_s):
            with self._lock:
                if not place.called.is_set() and place in self._line:
                    self._line.remove(place)
        return place.called.is_set() and not place.done

    def _work_group(self) -> None:
        with self._lock:
            group = [self._line.popleft() for _ in range(min(self._most, len(self._line)))]
        outcomes: Sequence[Outcome | None] = [None] * len(group)
        try:
            outcomes = self._together([place.item for place in group])
        except Exception as error:  # noqa: BLE001 - each does its own alone, and whosever trouble it is hears of it then
            log.warning("group_undone", size=len(group), error=repr(error))
        finally:
            self._call_next()
            for place, outcome in zip(group, outcomes, strict=True):
                place.outcome, place.done = outcome, True
                place.called.set()

    def _call_next(self) -> None:
        with self._lock:
            self._at_work = bool(self._line)
            if self._line:
                self._line[0].called.set()
