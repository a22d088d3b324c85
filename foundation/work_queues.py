"""Work queues: how the rows of one table are worked off, with a concurrency and a schedule of their own.

`WorkQueue` is for work that is only SQL: the handler and the finishing of the row share one transaction, a whole chunk
of rows one commit (that is where the speed is). `CallQueue` is for work that speaks to a provider: the call is made
outside any transaction, then its outcome is recorded and the row finished in one.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils.module_loading import import_string

from foundation.errors import CallFailed, Permanent
from foundation.work import OPEN, Backoff, LostLease, Release, Schedule, WorkItem, WorkState

log = structlog.get_logger(__name__)

GIVE_UP_AGAIN_S = 60.0


@dataclass(frozen=True, kw_only=True)
class WorkQueue:
    """`apply(item)` does the work by SQL alone and may return the row's final state (default: done).

    `apply_all(items)` does a chunk in fewer statements than one each and returns a state for each, in their order; a
    chunk that fails is still done one by one, by `apply`. `only` are the columns, with their values, of the rows that
    are this queue's, where work queues share a table.
    """

    name: str
    model: type[WorkItem]
    apply: Callable[..., str | None]
    apply_all: Callable[[Sequence[Any]], Sequence[str]] | None = None
    only: Mapping[str, Any] = field(default_factory=dict)
    batch: int = 100
    chunk: int = 1
    lease_s: float = 60.0
    poll_s: float = 0.05
    schedule: Schedule = field(default_factory=Backoff)

    def drain_once(self) -> int:
        """Claim one batch and work it off. Returns how many rows were claimed (0: nothing was due)."""
        items = self.model.claim_batch(limit=self.batch, lease_s=self.lease_s, only=self.only)
        self.process_batch(items)
        return len(items)

    def count_dead(self, at_most: int) -> int:
        return self._own_rows().filter(state=WorkState.DEAD)[:at_most].count()

    def count_failing(self, attempts: int, at_most: int) -> int:
        """Rows that are not finished after so many attempts, those of workers that died over them among them."""
        return self._own_rows().filter(state__in=OPEN, retry_count__gte=attempts)[:at_most].count()

    def count_due(self, before: datetime, at_most: int) -> int:
        """Rows that were due before then and are not finished."""
        return self._own_rows().filter(state__in=OPEN, due_at__lte=before)[:at_most].count()

    def _own_rows(self) -> QuerySet[Any]:
        return self.model._base_manager.filter(**self.only)

    def process_batch(self, items: Sequence[WorkItem]) -> None:
        """Work a claimed batch off: what is fresh at full speed, then what came back from a worker that died."""
        self._process_at_speed([item for item in items if not item.came_back])
        self._process_carefully([item for item in items if item.came_back])

    def _process_at_speed(self, items: Sequence[WorkItem]) -> None:
        for start in range(0, len(items), self.chunk):
            chunk = items[start : start + self.chunk]
            if len(chunk) > 1 and self._process_together(chunk):
                continue
            for item in chunk:
                self._process_alone(item)

    def _process_carefully(self, items: Sequence[WorkItem]) -> None:
        """One by one, each noted before it begins, those last over which a worker died before.

        So a row that kills its worker is found out: its tries run out and it ends dead. The rows that only shared its
        batch are never taken for it, however often that happens, and are worked off meanwhile.
        """
        for item in sorted(items, key=lambda item: item.death_count):
            if item.death_count >= self.schedule.tries:
                self.record_failure(item, Permanent(f"a worker died over it, {item.death_count} times"))
            elif item.begin_alone():
                self._process_alone(item)

    def _process_together(self, items: Sequence[WorkItem]) -> bool:
        """All rows in one transaction. False: something went wrong, all was rolled back, do them one by one."""
        try:
            with transaction.atomic():
                self.model.finish_rows(list(zip(items, self._final_states(items), strict=True)))
        except Exception as error:  # noqa: BLE001 - whichever row it was will say so when it is done alone
            log.debug("chunk_rolled_back", queue=self.name, rows=len(items), error=repr(error))
            return False
        return True

    def _final_states(self, items: Sequence[WorkItem]) -> Sequence[str]:
        if self.apply_all is not None:
            return self.apply_all(items)
        return [self.apply(item) or WorkState.DONE for item in items]

    def _process_alone(self, item: WorkItem) -> None:
        try:
            with transaction.atomic():
                self.model.finish_rows([(item, self.apply(item) or WorkState.DONE)])
        except Exception as error:  # noqa: BLE001 - every failure ends as a retry or a dead letter, never in silence
            self.record_failure(item, error)

    def record_failure(self, item: WorkItem, error: Exception) -> None:
        """Write down what a failure means for the row: release, retry, or dead."""
        facts = {"queue": self.name, "item": str(item.pk), "attempt": item.retry_count, "error": repr(error)}
        if isinstance(error, LostLease):
            log.warning("lease_lost", **facts)
            return
        if isinstance(error, Release):
            item.release_lease(error.wait_s, str(error))
            log.info("work_released", **facts)
            return
        delay_s = None if isinstance(error, Permanent) else self.schedule.delay_s(item.retry_count)
        if delay_s is None:
            self.give_up(item, error)
            log.error("work_dead", **facts)
            return
        item.retry_in(delay_s, repr(error))
        log.warning("work_retried", delay_s=round(delay_s, 2), **facts, exc_info=not isinstance(error, CallFailed))

    def give_up(self, item: WorkItem, error: Exception) -> None:
        item.mark_dead(repr(error))


@dataclass(frozen=True, kw_only=True)
class CallQueue(WorkQueue):
    """`call(item)` speaks to the provider (no transaction is open; it may commit a note of its own before it sends);
    `apply(item, answer)` records the answer in the finishing transaction.

    `on_give_up(item, error)` records in one transaction what it means that the provider refused (Permanent) or that the
    tries ran out; it returns the row's final state (default: dead). `threads` calls are under way at once.
    """

    call: Callable[[Any], Any]
    on_give_up: Callable[[Any, Exception], str | None] | None = None
    batch: int = 16
    threads: int = 8

    def _process_at_speed(self, items: Sequence[WorkItem]) -> None:
        if len(items) <= 1 or self.threads == 1:
            for item in items:
                self._process_alone(item)
        else:
            queue = deque(items)
            hands = min(self.threads, len(items))
            list(_get_pool(self.name, self.threads).map(self._drain_in_thread, [queue] * hands))

    def _drain_in_thread(self, queue: deque[WorkItem]) -> None:
        """Work off what is left of the batch. The thread lives on and keeps its HTTP sessions, not its database
        connection: work queues times threads times processes would be more than a server has."""
        try:
            while item := _pop_next(queue):
                self._process_alone(item)
        except OperationalError:  # the connection is broken: the leases of these rows will run out
            log.exception("thread_lost_database", queue=self.name)
        finally:
            connection.close()

    def _process_alone(self, item: WorkItem) -> None:
        try:
            answer = self.call(item)
            with transaction.atomic():
                self.model.finish_rows([(item, self.apply(item, answer) or WorkState.DONE)])
        except Exception as error:  # noqa: BLE001 - as in WorkQueue
            self.record_failure(item, error)

    def give_up(self, item: WorkItem, error: Exception) -> None:
        if self.on_give_up is None:
            item.mark_dead(repr(error))
            return
        try:
            with transaction.atomic():
                state = self.on_give_up(item, error) or WorkState.DEAD
                if state == WorkState.DEAD:
                    if not item.mark_dead(repr(error)):
                        raise LostLease(str(item.pk))
                else:
                    self.model.finish_rows([(item, state)])
        except LostLease as lost:
            self.record_failure(item, lost)
        except Exception as mistake:  # giving up has consequences (a refund, a message): not dead without them
            log.exception("giving_up_failed", queue=self.name, item=str(item.pk))
            item.retry_in(GIVE_UP_AGAIN_S, f"{mistake!r} while giving up after {error!r}")


def _pop_next(queue: deque[WorkItem]) -> WorkItem | None:
    try:
        return queue.popleft()
    except IndexError:
        return None


@cache
def _get_pool(name: str, threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=threads, thread_name_prefix=f"queue-{name}")


def all_queues() -> dict[str, WorkQueue]:
    """Every work queue of the house by name, as ops and config lists them (settings.WORK_QUEUES)."""
    queues: Iterable[WorkQueue] = import_string(settings.WORK_QUEUES)
    return {queue.name: queue for queue in queues}


def drain_queue(queue: WorkQueue, *, seconds: float) -> int:
    """Work a work queue off for `seconds`, polling while it is empty. Returns how many rows were claimed.

    A database that restarts costs the rest of this drain, nothing else: the next one finds the rows (SPEC W5).
    """
    ends, claimed = time.monotonic() + seconds, 0
    while True:
        try:
            count = queue.drain_once()
        except DatabaseError:
            log.exception("drain_lost_database", queue=queue.name)
            connection.close()
            return claimed
        claimed += count
        left = ends - time.monotonic()
        if left <= 0:
            return claimed
        if count == 0:
            time.sleep(min(queue.poll_s, left))
