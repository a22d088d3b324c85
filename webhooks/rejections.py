"""The log of what was refused (SPEC W2): who asked, why it was not let in, and never a byte of what it brought.

A storm must fill neither the table nor the database's time: within a second the first refusal of a kind is written, the
others are counted in this process and written as one row when the second is over and anything else arrives.
"""

import atexit
import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import psycopg
import structlog
from django.db import DatabaseError

from webhooks import storage

log = structlog.get_logger(__name__)
WINDOW_S = 1.0
_INSERT = """
    INSERT INTO webhooks_webhookattempt
        (provider, status, reason, detail, remote_addr, body_bytes, body_sha256, count)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True)
class Rejection:
    """`count` refusals of one kind; the other facts are those of the first."""

    provider: str
    status: int
    reason: str
    detail: str = ""
    remote_addr: str = ""
    body_bytes: int = 0
    body_sha256: str = ""
    count: int = 1

    @classmethod
    def build(cls, provider: str, status: int, reason: str, detail: str, remote_addr: str, raw: bytes) -> "Rejection":
        digest = hashlib.sha256(raw).hexdigest() if raw else ""
        return cls(provider, status, reason, detail[:200], remote_addr[:60], len(raw), digest)


def write_rejection(rejection: Rejection) -> None:
    """Never lets the answer fail: a refusal is answered whether it could be written or not."""
    facts = (rejection.provider, rejection.status, rejection.reason, rejection.detail, rejection.remote_addr)
    try:
        storage.execute_rows(_INSERT, [(*facts, rejection.body_bytes, rejection.body_sha256, rejection.count)])
    except (psycopg.Error, DatabaseError) as error:
        log.warning("attempt_not_written", provider=rejection.provider, reason=rejection.reason, error=repr(error))


class RejectionCounter:
    """Writes the first attempt of a kind at once, and one row for all that follow within the window."""

    def __init__(self, write: Callable[[Rejection], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, int, str], tuple[float, Rejection | None]] = {}

    def add_rejection(self, rejection: Rejection) -> None:
        kind = (rejection.provider, rejection.status, rejection.reason)
        self.flush_counts()
        with self._lock:
            if kind in self._windows:
                ends, folded = self._windows[kind]
                self._windows[kind] = ends, replace(folded, count=folded.count + 1) if folded else rejection
                return
            self._windows[kind] = self._clock() + WINDOW_S, None
        self._write(rejection)

    def flush_counts(self, *, everything: bool = False) -> None:
        """Write what was counted in windows that are over. Cheap while there is nothing: each request may ask."""
        if not self._windows:
            return
        with self._lock:
            now = self._clock()
            over = [kind for kind, (ends, _) in self._windows.items() if everything or ends <= now]
            folded = [self._windows.pop(kind)[1] for kind in over]
        for rejection in filter(None, folded):
            self._write(rejection)

    def reset_counts(self) -> None:
        """As after a start."""
        with self._lock:
            self._windows.clear()


COUNTER = RejectionCounter(write_rejection)
atexit.register(COUNTER.flush_counts, everything=True)
