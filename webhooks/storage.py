"""Writing down what was let in: one autocommit INSERT on a connection that this thread keeps (SPEC W3).

The connection is the thread's own, outside Django's pool: borrowing one for each request costs an eighth of the speed,
and one that a thread takes along when it ends would be missing from the pool for ever. A thread without one that is
inside a transaction of Django's (a test) writes within that.
"""

import json
import threading
from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import connection

from foundation.webhook import JSON_CONTENT_TYPES, IncomingEvent, WebhookProvider

SIGNATURE_LENGTH = 255
CONNECT_TIMEOUT_S = 3
_INSERT = """
    INSERT INTO webhook_events (provider, event_type, event_id, payload, body, signature, state)
    VALUES (%s, %s, %s, %s::jsonb, %b, %s, 'pending')
    ON CONFLICT (provider, event_id) DO NOTHING
"""


class _ThreadConnection(threading.local):
    cursor: "psycopg.Cursor[Any] | None" = None


_thread = _ThreadConnection()


def store_events(provider: WebhookProvider, events: Sequence[IncomingEvent], *, raw: bytes, signature: str) -> int:
    """Commit the events of one verified body; returns how many were new (a duplicate is none).

    Raises psycopg.DataError where PostgreSQL cannot hold the body, any other psycopg.Error when it cannot be reached.
    """
    kept = signature[:SIGNATURE_LENGTH]
    alone = len(events) == 1  # one of many keeps its own part of the body only
    verbatim = alone and provider.content_types == JSON_CONTENT_TYPES
    rows = [
        (
            provider.provider,
            event.event_type,
            event.event_id,
            raw.decode() if verbatim else json.dumps(event.payload),
            raw if alone else None,
            kept,
        )
        for event in events
    ]
    return execute_rows(_INSERT, rows)


def execute_rows(statement: str, rows: Sequence[Sequence[Any]]) -> int:
    """Run a statement for each row, in one commit; a connection that broke meanwhile is replaced once."""
    cursor = _thread.cursor
    if cursor is None:
        if connection.in_atomic_block:
            return _run(psycopg.Cursor(connection.connection), statement, rows)
        return _run(_open_cursor(), statement, rows)
    try:
        return _run(cursor, statement, rows)
    except psycopg.DataError:
        raise
    except psycopg.Error:
        close_connection()
    return _run(_open_cursor(), statement, rows)


def _run(cursor: "psycopg.Cursor[Any]", statement: str, rows: Sequence[Sequence[Any]]) -> int:
    if len(rows) == 1:
        cursor.execute(statement, rows[0])
    else:
        with cursor.connection.transaction():
            cursor.executemany(statement, rows)
    return cursor.rowcount


def _open_cursor() -> "psycopg.Cursor[Any]":
    params = connection.get_connection_params()
    for of_django in ("cursor_factory", "context"):
        params.pop(of_django, None)
    link = psycopg.connect(
        **{**params, "prepare_threshold": 0, "connect_timeout": CONNECT_TIMEOUT_S, "autocommit": True}
    )
    _thread.cursor = link.cursor()
    return _thread.cursor


def close_connection() -> None:
    """Give this thread's connection up (tests, before their database goes)."""
    cursor, _thread.cursor = _thread.cursor, None
    if cursor is not None:
        cursor.connection.close()
