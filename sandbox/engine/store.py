"""Everything the sandbox remembers: one SQLite file, one connection, one lock.

All threads share the connection; whoever holds the transaction holds the lock. At a few hundred short transactions a
second that costs less than letting SQLite arbitrate between writers (which answers "database is locked"), and it makes
every provider operation atomic: the object, its events, its webhooks and its idempotency key appear together or not at
all. `synchronous=NORMAL` keeps commits cheap: a crash of the process loses nothing, only a power cut could.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Document = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL, created REAL NOT NULL,
    body TEXT NOT NULL, UNIQUE (kind, id));
CREATE INDEX IF NOT EXISTS documents_by_kind ON documents (kind, seq);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, provider TEXT NOT NULL, method TEXT NOT NULL,
    path TEXT NOT NULL, headers TEXT NOT NULL, body TEXT NOT NULL, status INTEGER, answer TEXT NOT NULL,
    fault TEXT, duration_ms REAL NOT NULL);
CREATE INDEX IF NOT EXISTS calls_by_provider ON calls (provider, id);
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, channel TEXT NOT NULL, recipient TEXT NOT NULL,
    title TEXT NOT NULL, body TEXT NOT NULL, data TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS messages_by_channel ON messages (channel, id);
CREATE INDEX IF NOT EXISTS messages_by_recipient ON messages (recipient, id);
CREATE TABLE IF NOT EXISTS steps (
    id INTEGER PRIMARY KEY AUTOINCREMENT, message INTEGER NOT NULL, at REAL NOT NULL, word TEXT NOT NULL,
    detail TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS steps_by_message ON steps (message, id);
CREATE TABLE IF NOT EXISTS webhooks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, created REAL NOT NULL, provider TEXT NOT NULL, topic TEXT NOT NULL,
    reference TEXT NOT NULL, url TEXT NOT NULL, headers TEXT NOT NULL, body TEXT NOT NULL, signer TEXT NOT NULL,
    state TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, due_at REAL NOT NULL, finished_at REAL,
    last_status INTEGER, last_answer TEXT NOT NULL DEFAULT '', faults TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS webhooks_by_state ON webhooks (provider, state);
CREATE INDEX IF NOT EXISTS webhooks_by_reference ON webhooks (reference);
CREATE TABLE IF NOT EXISTS actions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, provider TEXT NOT NULL, name TEXT NOT NULL, subject TEXT NOT NULL,
    payload TEXT NOT NULL, due_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS actions_by_subject ON actions (provider, subject);
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT, created REAL NOT NULL, body TEXT NOT NULL, fired INTEGER NOT NULL DEFAULT 0,
    active INTEGER NOT NULL DEFAULT 1);
"""

# What a file from an earlier day lacks: (table, column) -> its type.
LATER_COLUMNS = {("messages", "kind"): "TEXT NOT NULL DEFAULT 'arrived'"}

TABLES = ("documents", "counters", "calls", "messages", "steps", "webhooks", "actions", "faults")


@dataclass(frozen=True)
class Index:
    """A field of one kind of document that is searched: becomes a partial index on the JSON expression."""

    kind: str
    field: str


@dataclass
class Transaction:
    """Reads and writes of one atomic step. `after_commit` callbacks run once the lock is free again."""

    sql: sqlite3.Connection
    now: float
    callbacks: list[Callable[[], None]] = field(default_factory=list)

    def after_commit(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)

    def get(self, kind: str, name: str) -> Document | None:
        row = self.sql.execute("SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, name)).fetchone()
        return json.loads(row["body"]) if row else None

    def put(self, kind: str, name: str, body: Document) -> None:
        """Insert or replace; the place in the order of creation stays."""
        self.sql.execute(
            "INSERT INTO documents (kind, id, created, body) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
            (kind, name, self.now, json.dumps(body)),
        )

    def delete(self, kind: str, name: str) -> None:
        self.sql.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, name))

    def find_documents(
        self,
        kind: str,
        where: dict[str, Any] | None = None,
        *,
        clauses: Iterable[tuple[str, Any]] = (),
        newest_first: bool = True,
        limit: int = 100,
    ) -> list[Document]:
        """Documents of a kind whose fields equal `where`, plus raw SQL `clauses` such as ("seq < ?", 9)."""
        parts = [f"kind = '{kind}'"]  # a literal, so that SQLite can use the partial indexes
        values: list[Any] = []
        for name, value in (where or {}).items():
            parts.append(f"{json_field(name)} = ?")
            values.append(value)
        for clause, value in clauses:
            parts.append(clause)
            values.append(value)
        order = "DESC" if newest_first else "ASC"
        query = f"SELECT body FROM documents WHERE {' AND '.join(parts)} ORDER BY seq {order} LIMIT ?"  # noqa: S608
        rows = self.sql.execute(query, (*values, limit))
        return [json.loads(row["body"]) for row in rows]

    def sequence_of(self, kind: str, name: str) -> int | None:
        row = self.sql.execute("SELECT seq FROM documents WHERE kind = ? AND id = ?", (kind, name)).fetchone()
        return int(row["seq"]) if row else None

    def count_up(self, name: str, amount: int) -> None:
        self.sql.execute(
            "INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + ?",
            (name, amount, amount),
        )

    def list_counters(self, prefix: str) -> dict[str, int]:
        """Counters whose name starts with `prefix`, keyed by the rest of the name."""
        rows = self.sql.execute(
            "SELECT name, value FROM counters WHERE name >= ? AND name < ?", (prefix, prefix + "\uffff")
        )
        return {row["name"][len(prefix) :]: row["value"] for row in rows}


def json_field(name: str) -> str:
    """The SQL expression of a document's top-level field; index and query must spell it alike."""
    return f"json_extract(body, '$.{name}')"


class Store:
    """The file and its lock. Open one per process; `close()` at the end."""

    def __init__(self, path: Path, indexes: Iterable[Index] = ()) -> None:
        self._lock = threading.RLock()
        self._open: Transaction | None = None
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(SCHEMA)
        self._add_later_columns()
        for index in indexes:
            name = f"{index.kind}_by_{index.field}".replace(".", "_")
            self._connection.execute(
                f"CREATE INDEX IF NOT EXISTS {name} ON documents ({json_field(index.field)}, seq)"
                f" WHERE kind = '{index.kind}'"
            )

    def _add_later_columns(self) -> None:
        for (table, column), kind in LATER_COLUMNS.items():
            known = {row["name"] for row in self._connection.execute(f"PRAGMA table_info({table})")}
            if column not in known:
                self._connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One atomic step. Inside another one on the same thread it joins that one."""
        with self._lock:
            if self._open is not None:
                yield self._open
                return
            step = self._open = Transaction(self._connection, time.time())
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield step
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._open = None
        for callback in step.callbacks:
            callback()

    def forget_everything(self) -> None:
        """Empty all tables. Ids go on counting, so that a reader's `after=` stays meaningful."""
        with self.transaction() as tx:
            for table in TABLES:
                tx.sql.execute(f"DELETE FROM {table}")  # noqa: S608

    def close(self) -> None:
        """At the end of the process. The lock stays taken: whoever comes late waits for the end instead of failing."""
        self._lock.acquire()
        self._connection.close()
