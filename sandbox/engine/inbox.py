"""Messages as the person would receive them: push, SMS, e-mail, one row per recipient."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime
from typing import Any

from sandbox.engine.store import Store, Transaction

LONGEST_WAIT_S = 60.0


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Inbox:
    """Rows in the store plus a bell that wakes the long polls."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._bell = threading.Condition()

    def deliver(
        self, tx: Transaction, channel: str, to: str, *, title: str = "", body: str = "", data: dict[str, Any]
    ) -> int:
        cursor = tx.sql.execute(
            "INSERT INTO messages (at, channel, recipient, title, body, data) VALUES (?, ?, ?, ?, ?, ?)",
            (tx.now, channel, to, title, body, json.dumps(data)),
        )
        tx.after_commit(self._ring)
        return int(cursor.lastrowid or 0)

    def _ring(self) -> None:
        with self._bell:
            self._bell.notify_all()

    def read(self, *, channel: str | None, after: int, limit: int, wait_s: float = 0.0) -> list[dict[str, Any]]:
        """Messages with an id above `after`, oldest first; waits up to `wait_s` for the first one."""
        until = time.monotonic() + min(wait_s, LONGEST_WAIT_S)
        with self._bell:  # held between looking and waiting, so that no ring is missed
            while True:
                found = self._select(channel, after, limit)
                remaining = until - time.monotonic()
                if found or remaining <= 0:
                    return found
                self._bell.wait(remaining)

    def newest(self, channel: str, limit: int) -> list[dict[str, Any]]:
        with self._store.transaction() as tx:
            rows = tx.sql.execute(
                "SELECT * FROM messages WHERE channel = ? ORDER BY id DESC LIMIT ?", (channel, limit)
            ).fetchall()
        return [_public(row) for row in rows]

    def _select(self, channel: str | None, after: int, limit: int) -> list[dict[str, Any]]:
        wanted, values = ("channel = ? AND", (channel,)) if channel else ("", ())
        with self._store.transaction() as tx:
            query = f"SELECT * FROM messages WHERE {wanted} id > ? ORDER BY id LIMIT ?"  # noqa: S608
            rows = tx.sql.execute(query, (*values, after, limit)).fetchall()
        return [_public(row) for row in rows]


def _public(row: Any) -> dict[str, Any]:
    return {
        "id": row["id"],
        "channel": row["channel"],
        "to": row["recipient"],
        "title": row["title"],
        "body": row["body"],
        "data": json.loads(row["data"]),
        "at": iso(row["at"]),
    }
