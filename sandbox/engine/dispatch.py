"""What leaves by itself: webhooks with their retries, and actions that fall due. One clock thread, several senders.

The rows in the store are the truth; the heap in memory only says when to look. After a crash everything unfinished is
on the heap again, so a webhook may arrive twice and never not at all: at least once, as the real providers promise.
"""

from __future__ import annotations

import heapq
import itertools
import json
import logging
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from sandbox.engine.faults import Fault, Faults
from sandbox.engine.provider import Provider
from sandbox.engine.store import Store, Transaction

log = logging.getLogger("sandbox.dispatch")

SENDERS = 12
TIMEOUT_S = (3.0, 10.0)  # connect, read: as impatient as the real senders
USER_AGENT = "HandoffSandbox/1.0"


@dataclass(frozen=True, order=True)
class DueWork:
    """Something to do at `at`. `excused` webhooks have met their fault already and leave without another."""

    at: float
    order: int
    kind: str
    id: int
    excused: bool = False


class Dispatcher:
    """`send_webhook` and `schedule_action` write rows inside the caller's transaction; the threads act on them when
    due."""

    def __init__(self, store: Store, faults: Faults, providers: Mapping[str, Provider]) -> None:
        self._store = store
        self._faults = faults
        self._providers = providers
        self._actions = {
            (p.name, name): action for p in providers.values() for name, action in p.list_actions().items()
        }
        self._heap: list[DueWork] = []
        self._changed = threading.Condition()
        self._order = itertools.count()
        self._work: queue.SimpleQueue[DueWork | None] = queue.SimpleQueue()
        self._held: dict[str, list[int]] = {}  # provider -> webhooks waiting to be overtaken
        self._handed_out = 0  # given to the senders and not yet done
        self._threads: list[threading.Thread] = []
        self._stopping = False

    # --- called by providers, inside their transaction ---

    def send_webhook(
        self,
        tx: Transaction,
        provider: str,
        *,
        topic: str,
        url: str,
        body: str,
        reference: str = "",
        signer: str = "",
        headers: dict[str, str] | None = None,
        due_at: float | None = None,
        lost: bool = False,
    ) -> None:
        """A webhook to `url`. `topic` is what faults match and people read, `reference` its id at the provider.

        A `lost` one is written down and never leaves.
        """
        at = tx.now if due_at is None else due_at
        state = "dropped" if lost else "pending"
        cursor = tx.sql.execute(
            "INSERT INTO webhooks (created, provider, topic, reference, url, headers, body, signer, state, due_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (tx.now, provider, topic, reference, url, json.dumps(headers or {}), body, signer, state, at),
        )
        webhook_id = int(cursor.lastrowid or 0)
        if not lost:
            tx.after_commit(lambda: self._put("webhook", webhook_id, at))

    def schedule_action(
        self, tx: Transaction, provider: str, name: str, *, subject: str, payload: dict[str, Any], due_at: float
    ) -> None:
        """Run the provider's action `name` at `due_at`; `subject` is the handle to cancel it by."""
        cursor = tx.sql.execute(
            "INSERT INTO actions (provider, name, subject, payload, due_at) VALUES (?, ?, ?, ?, ?)",
            (provider, name, subject, json.dumps(payload), due_at),
        )
        action_id = int(cursor.lastrowid or 0)
        tx.after_commit(lambda: self._put("action", action_id, due_at))

    def cancel_actions(self, tx: Transaction, provider: str, subject: str) -> None:
        tx.sql.execute("DELETE FROM actions WHERE provider = ? AND subject = ?", (provider, subject))

    # --- life ---

    def start_threads(self) -> None:
        with self._store.transaction() as tx:
            rows = tx.sql.execute(
                "SELECT 'webhook' AS kind, id, due_at FROM webhooks WHERE state = 'pending'"
                " UNION ALL SELECT 'action', id, due_at FROM actions"
            ).fetchall()
        for row in rows:
            self._put(row["kind"], row["id"], row["due_at"])
        self._spawn_thread("clock", self._run_clock)
        for number in range(SENDERS):
            self._spawn_thread(f"sender-{number}", self._run_sender)

    def stop_threads(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for _ in range(SENDERS):
            self._work.put(None)
        for thread in self._threads:
            thread.join(timeout=TIMEOUT_S[1])

    def forget_due(self) -> None:
        """After the store was emptied: nothing is due any more. Waits for what is on its way at this moment."""
        with self._changed:
            self._heap.clear()
            self._held.clear()
            self._changed.wait_for(lambda: self._handed_out == 0, timeout=sum(TIMEOUT_S))

    def _spawn_thread(self, name: str, target: Any) -> None:
        thread = threading.Thread(target=target, name=f"sandbox-{name}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _put(self, kind: str, row_id: int, at: float, *, excused: bool = False) -> None:
        with self._changed:
            heapq.heappush(self._heap, DueWork(at, next(self._order), kind, row_id, excused))
            if self._heap[0].id == row_id:
                self._changed.notify_all()

    def _run_clock(self) -> None:
        with self._changed:
            while not self._stopping:
                wait_s = self._heap[0].at - time.time() if self._heap else None
                if wait_s is not None and wait_s <= 0:
                    self._handed_out += 1
                    self._work.put(heapq.heappop(self._heap))
                else:
                    self._changed.wait(wait_s)

    def _run_sender(self) -> None:
        with requests.Session() as session:
            session.trust_env = False  # no proxies, no netrc: those look-ups cost more than the request
            session.headers["User-Agent"] = USER_AGENT
            while (due := self._work.get()) is not None and not self._stopping:
                try:
                    if due.kind == "action":
                        self._run_action(due.id)
                    else:
                        self._attempt_send(session, due)
                except Exception:
                    # The thread must live on; the row is still due and returns with the next start.
                    log.exception("%s %s failed", due.kind, due.id)
                with self._changed:
                    self._handed_out -= 1
                    self._changed.notify_all()

    # --- actions ---

    def _run_action(self, action_id: int) -> None:
        with self._store.transaction() as tx:
            row = tx.sql.execute("DELETE FROM actions WHERE id = ? RETURNING *", (action_id,)).fetchone()
            if row is not None:
                self._actions[row["provider"], row["name"]](tx, json.loads(row["payload"]))

    # --- webhooks ---

    def _attempt_send(self, session: requests.Session, due: DueWork) -> None:
        with self._store.transaction() as tx:
            row = tx.sql.execute("SELECT * FROM webhooks WHERE id = ? AND state = 'pending'", (due.id,)).fetchone()
        if row is None:
            return
        provider = self._providers[row["provider"]]
        fault = None if due.excused else self._faults.choose_fault(provider.name, "webhook", row["topic"])
        kind = fault.kind if fault else ""
        if fault and kind in ("delay", "reorder", "drop"):
            self._put_off(row, fault)
            return
        status, answer = self._post(session, provider, row, wrong=kind == "wrong_signature")
        if kind == "duplicate":
            self._post(session, provider, row, wrong=False)
        if kind == "lost_answer":
            status, answer = None, "the answer was lost"
        self._finish_send(provider, row, status, answer, kind)
        self._release_overtaken(provider.name)

    def _post(self, session: requests.Session, provider: Provider, row: Any, *, wrong: bool) -> tuple[int | None, str]:
        headers = {"Content-Type": "application/json; charset=utf-8", **json.loads(row["headers"])}
        headers.update(provider.sign_webhook(row["signer"], row["body"], time.time(), wrong=wrong))
        try:
            response = session.post(
                row["url"], data=row["body"].encode(), headers=headers, timeout=TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException as error:
            return None, f"{type(error).__name__}: {error}"[:500]
        return response.status_code, response.text[:500]

    def _put_off(self, row: Any, fault: Fault) -> None:
        """Meet a fault that keeps the webhook here: for a while, until it is overtaken, or for ever."""
        with self._store.transaction() as tx:
            if fault.kind == "drop":
                tx.sql.execute(
                    "UPDATE webhooks SET state = 'dropped', finished_at = ?, faults = faults || 'drop ' WHERE id = ?",
                    (tx.now, row["id"]),
                )
                return
            until = tx.now + fault.seconds
            tx.sql.execute(
                "UPDATE webhooks SET due_at = ?, faults = faults || ? WHERE id = ?",
                (until, f"{fault.kind} ", row["id"]),
            )
        if fault.kind == "reorder":
            with self._changed:
                self._held.setdefault(row["provider"], []).append(row["id"])
        self._put("webhook", row["id"], until, excused=True)

    def _release_overtaken(self, provider: str) -> None:
        with self._changed:
            held = self._held.pop(provider, [])
        for webhook_id in held:
            self._put("webhook", webhook_id, 0.0, excused=True)

    def _finish_send(self, provider: Provider, row: Any, status: int | None, answer: str, fault: str) -> None:
        """Note how the try went; a try that was not answered 2xx is repeated after the provider's delay."""
        tries = row["tries"] + 1
        delay_s = None if status is not None and 200 <= status < 300 else provider.retry_delay_s(tries)
        delivered = status is not None and 200 <= status < 300
        state = "delivered" if delivered else "failed" if delay_s is None else "pending"
        with self._store.transaction() as tx:
            due_at = tx.now + (delay_s or 0.0)
            # A webhook held for reordering may be released and time out at once: the first try to end it wins.
            changed = tx.sql.execute(
                "UPDATE webhooks SET state = ?, tries = ?, due_at = ?, last_status = ?, last_answer = ?,"
                " finished_at = ?, faults = faults || ? WHERE id = ? AND state = 'pending' AND tries = ?",
                (
                    state,
                    tries,
                    due_at,
                    status,
                    answer,
                    None if state == "pending" else tx.now,
                    f"{fault} " if fault else "",
                    row["id"],
                    row["tries"],
                ),
            ).rowcount
        if state == "pending" and changed:
            self._put("webhook", row["id"], due_at)
