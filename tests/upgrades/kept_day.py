"""A finished demo day as it stood at a tag: kept, blanked, loaded, and what must stay true of it.

`python -m tests.upgrades.kept_day HOME` writes demo_day.json.gz from a demo's home (make demo ORDERS=25 SPEED=240
UNTIL=done DEMO_HOME=HOME). Credentials are not kept: they are blank in the file and made anew when it is loaded.
"""

import gzip
import hashlib
import io
import json
import secrets
import sys
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

FILE = Path(__file__).with_name("demo_day.json.gz")
# Made by migrations, by signing in, or kept only for a while; calls and answers hold what providers sent.
LEFT_OUT = {
    "django_migrations", "django_content_type", "auth_permission", "django_session", "django_admin_log",
    "foundation_idempotencykey", "foundation_outboundcall", "foundation_ratelimit",
}  # fmt: skip
LEFT_OUT_PREFIXES = ("token_blacklist_", "django_celery_beat_", "auth_")
# What stands in the file in place of a column. Unique ones are told apart by the row's key.
BLANKS = {
    ("foundation_user", "password"): "''",
    ("orders_order", "client_secret"): "''",
    ("orders_store", "pos_callback_token"): "''",
    ("notifications_pushtoken", "token"): "'blank-' || id",
    ("notifications_message", "params"): "'{}'::jsonb",
    ("notifications_message", "body"): "''",
    ("deliveries_trackinglink", "token_sha256"): "'blank-' || id",
    ("webhook_events", "payload"): "'{}'::jsonb",
    ("webhook_events", "body"): "NULL::bytea",
    ("webhook_events", "body_sha256"): "''",
    ("webhook_events", "signature"): "''",
}
BALANCES = (
    "SELECT payee_kind, payee_id, kind, currency, balance_minor, entries FROM payouts_ledgeraccount ORDER BY 1, 2, 3, 4"
)
TIMELINES = """
    SELECT order_ref, count(*), md5(string_agg(name || '/' || version || '/' || occurred_at, ',' ORDER BY id))
    FROM foundation_event WHERE order_ref <> '' GROUP BY order_ref ORDER BY order_ref
"""
ENTRIES = """
    SELECT count(*), md5(string_agg(reference || '/' || kind || '/' || amount_minor || '/' || balance_minor || '/' ||
        sequence || '/' || occurred_at, ',' ORDER BY id))
    FROM payouts_ledgerentry
"""
Link = psycopg.Connection[Any]


def list_tables(link: Link) -> list[str]:
    found = link.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
    return [name for (name,) in found if name not in LEFT_OUT and not name.startswith(LEFT_OUT_PREFIXES)]


def list_columns(link: Link, table: str) -> list[str]:
    """Those that can be written: generated ones follow by themselves."""
    query = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND attgenerated = ''"
    return [name for (name,) in link.execute(query + " ORDER BY attnum", [table]).fetchall()]


def describe_state(link: Link) -> dict[str, Any]:
    """Balances, ledger entries, timelines and open work: what no upgrade may change."""
    link.execute("SET TIME ZONE 'UTC'")
    queues = [name for name in list_tables(link) if {"state", "due_at", "lease_token"} <= set(list_columns(link, name))]
    work = {
        name: link.execute(
            sql.SQL("SELECT state, count(*) FROM {} GROUP BY 1 ORDER BY 1").format(sql.Identifier(name))
        ).fetchall()
        for name in queues
    }
    state = {
        "balances": link.execute(BALANCES).fetchall(),
        "entries": link.execute(ENTRIES).fetchall(),
        "timelines": link.execute(TIMELINES).fetchall(),
        "work": work,
    }
    return json.loads(json.dumps(state))  # tuples and lists compare alike


def keep_day(link: Link) -> dict[str, Any]:
    """The whole file as one object: migrations, rows per table as COPY text, and the state to compare with."""
    tables = {}
    for table in list_tables(link):
        columns = list_columns(link, table)
        shown = [BLANKS.get((table, name)) or f'"{name}"' for name in columns]
        query = f'SELECT {", ".join(shown)} FROM "{table}" ORDER BY 1'
        buffer = io.BytesIO()
        with link.cursor().copy(f"COPY ({query}) TO STDOUT") as copied:  # type: ignore[arg-type]
            for chunk in copied:
                buffer.write(chunk)
        if buffer.tell():
            tables[table] = {"columns": columns, "rows": buffer.getvalue().decode()}
    migrations = link.execute("SELECT app, max(name) FROM django_migrations GROUP BY app ORDER BY app").fetchall()
    return {"migrations": migrations, "state": describe_state(link), "tables": tables}


def read_day() -> dict[str, Any]:
    with gzip.open(FILE, "rt", encoding="utf-8") as file:
        return json.load(file)


def load_day(link: Link, day: dict[str, Any]) -> None:
    """Into tables that were migrated to the day's migrations; credentials are made anew."""
    with link.transaction():
        link.execute(
            "SET LOCAL session_replication_role = replica"
        )  # neither triggers nor foreign keys: rows as they stood
        for table, kept in day["tables"].items():
            names = sql.SQL(", ").join(map(sql.Identifier, kept["columns"]))
            statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
            with link.cursor().copy(statement) as copy:
                copy.write(kept["rows"])
            _move_sequence(link, table, kept["columns"])
        _make_credentials(link)


def _move_sequence(link: Link, table: str, columns: list[str]) -> None:
    if "id" in columns and link.execute("SELECT pg_get_serial_sequence(%s, 'id')", [table]).fetchone() != (None,):
        query = "SELECT setval(pg_get_serial_sequence({0}, 'id'), (SELECT max(id) FROM {1}))"
        link.execute(sql.SQL(query).format(sql.Literal(table), sql.Identifier(table)))


def _make_credentials(link: Link) -> None:
    """Nobody can sign in with what is made here; it only stands where a secret has to."""
    link.execute("UPDATE foundation_user SET password = '!' || %s || id", [secrets.token_hex(20)])
    link.execute("UPDATE orders_store SET pos_callback_token = md5(%s || id::text)", [secrets.token_hex(20)])
    link.execute("UPDATE notifications_pushtoken SET token = md5(%s || id::text)", [secrets.token_hex(20)])
    for (number,) in link.execute("SELECT id FROM deliveries_trackinglink").fetchall():
        digest = hashlib.sha256(secrets.token_bytes(20)).hexdigest()
        link.execute("UPDATE deliveries_trackinglink SET token_sha256 = %s WHERE id = %s", [digest, number])


def main() -> None:
    from sandbox.machine.postgres import Postgres

    server = Postgres(Path(sys.argv[1]))
    try:
        with psycopg.connect(server.start()) as link:
            day = keep_day(link)
    finally:
        server.stop()
    with gzip.GzipFile(FILE, "wb", mtime=0) as file:
        file.write(json.dumps(day, ensure_ascii=False).encode())
    print(f"{FILE.name}: {FILE.stat().st_size / 1000:.0f} kB, {len(day['tables'])} tables")


if __name__ == "__main__":
    main()
