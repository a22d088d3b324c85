"""Messages as the person would receive them: push, WhatsApp, SMS, e-mail, one row per recipient.

A message is of one `kind`: it `arrived`, it was `lost` (a provider took or refused it, and the person never sees it),
or the person `said` it. What becomes of it is told in `steps`, one row each.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sandbox.engine.store import Store, Transaction

LONGEST_WAIT_S = 60.0
ARRIVED, LOST, SAID = "arrived", "lost", "said"


def format_iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Inbox:
    """Rows in the store plus a bell that wakes the long polls."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._bell = threading.Condition()

    def deliver_message(
        self,
        tx: Transaction,
        channel: str,
        to: str,
        *,
        title: str = "",
        body: str = "",
        data: dict[str, Any],
        kind: str = ARRIVED,
    ) -> int:
        cursor = tx.sql.execute(
            "INSERT INTO messages (at, channel, recipient, title, body, data, kind) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (tx.now, channel, to, title, body, json.dumps(data), kind),
        )
        tx.after_commit(self._wake_readers)
        return int(cursor.lastrowid or 0)

    def note_outcome(self, tx: Transaction, message: int, word: str, detail: str = "") -> None:
        """Write down what became of a message."""
        tx.sql.execute(
            "INSERT INTO steps (message, at, word, detail) VALUES (?, ?, ?, ?)", (message, tx.now, word, detail)
        )

    def _wake_readers(self) -> None:
        with self._bell:
            self._bell.notify_all()

    def read_messages(
        self, *, channel: str | None, after: int, limit: int, wait_s: float = 0.0
    ) -> list[dict[str, Any]]:
        """What arrived with an id above `after`, oldest first; waits up to `wait_s` for the first one."""
        until = time.monotonic() + min(wait_s, LONGEST_WAIT_S)
        with self._bell:  # held between looking and waiting, so that no ring is missed
            while True:
                found = self._select_messages(channel, after, limit)
                remaining = until - time.monotonic()
                if found or remaining <= 0:
                    return found
                self._bell.wait(remaining)

    def newest_messages(self, channel: str, limit: int) -> list[dict[str, Any]]:
        with self._store.transaction() as tx:
            rows = tx.sql.execute(
                "SELECT * FROM messages WHERE channel = ? AND kind = ? ORDER BY id DESC LIMIT ?",
                (channel, ARRIVED, limit),
            ).fetchall()
        return [_public_view(row) for row in rows]

    def _select_messages(self, channel: str | None, after: int, limit: int) -> list[dict[str, Any]]:
        wanted, values = ("channel = ? AND", (channel,)) if channel else ("", ())
        with self._store.transaction() as tx:
            query = f"SELECT * FROM messages WHERE {wanted} kind = ? AND id > ? ORDER BY id LIMIT ?"  # noqa: S608
            rows = tx.sql.execute(query, (*values, ARRIVED, after, limit)).fetchall()
        return [_public_view(row) for row in rows]


# ── whole, with what became of them: for the pages ───────────────────────────────────────────────────────────────
def find_message(tx: Transaction, message: int) -> dict[str, Any] | None:
    row = tx.sql.execute("SELECT * FROM messages WHERE id = ?", (message,)).fetchone()
    return _with_history(tx, [row])[0] if row else None


def messages_of(tx: Transaction, addresses: Sequence[str], limit: int) -> list[dict[str, Any]]:
    """Everything to and from these addresses, newest first."""
    marks = ", ".join("?" * len(addresses))
    query = f"SELECT * FROM messages WHERE recipient IN ({marks}) ORDER BY id DESC LIMIT ?"  # noqa: S608
    return _with_history(tx, tx.sql.execute(query, (*addresses, limit)).fetchall())


def list_addresses(tx: Transaction) -> list[dict[str, Any]]:
    """Each address with its last message, the most recent first: `{recipient, channel, count, at, title, body}`."""
    rows = tx.sql.execute(
        "SELECT last.recipient, last.channel, last.at, last.title, last.body, counted.count FROM messages last"
        " JOIN (SELECT MAX(id) AS id, COUNT(*) AS count FROM messages GROUP BY recipient) counted"
        " ON counted.id = last.id ORDER BY last.id DESC"
    )
    return [dict(row) for row in rows]


def _with_history(tx: Transaction, rows: Iterable[Any]) -> list[dict[str, Any]]:
    found = [{**_public_view(row), "kind": row["kind"], "steps": []} for row in rows]
    by_id = {message["id"]: message for message in found}
    marks = ", ".join("?" * len(by_id))
    query = f"SELECT * FROM steps WHERE message IN ({marks}) ORDER BY id"  # noqa: S608
    for step in tx.sql.execute(query, list(by_id)):
        told = {"word": step["word"], "detail": step["detail"], "at": format_iso(step["at"])}
        by_id[step["message"]]["steps"].append(told)
    return found


def _public_view(row: Any) -> dict[str, Any]:
    return {
        "id": row["id"],
        "channel": row["channel"],
        "to": row["recipient"],
        "title": row["title"],
        "body": row["body"],
        "data": json.loads(row["data"]),
        "at": format_iso(row["at"]),
    }
