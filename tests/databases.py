"""The test databases: one template that is migrated once, a copy of it for each process, emptied quickly between tests.

Migrating takes seconds and every process of pytest-xdist needs a database, so the first process migrates a template
under an advisory lock and all of them copy it. The process that started the run drops the template at its end.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.core.management import call_command
from django.db import connection
from django.test import TransactionTestCase
from psycopg import sql

LOCK = 0x68616E64  # any number that every process of every run takes
# Made by migrations and never changed by a test. Django's own flush empties the last two and fills them anew each time,
# which takes longer than most tests.
KEPT = ("django_migrations", "django_content_type", "auth_permission")
EMPTY_BY_DELETE = """
DO $$
DECLARE name text; filled boolean;
BEGIN
    SET LOCAL session_replication_role = replica;  -- neither the ledger's triggers nor foreign keys
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL ({kept}) LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO filled;
        IF filled THEN
            EXECUTE format('DELETE FROM %I', name);
        END IF;
    END LOOP;
END $$
"""
EMPTY_BY_TRUNCATE = """
DO $$
DECLARE names text;
BEGIN
    SELECT string_agg(quote_ident(tablename), ', ') INTO names
    FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL ({kept});
    EXECUTE 'TRUNCATE ' || names;
END $$
"""


def server() -> psycopg.Connection:
    """A connection to the server's maintenance database."""
    address = urlsplit(os.environ["DATABASE_URL"])
    return psycopg.connect(urlunsplit(address._replace(path="/postgres")), autocommit=True)


def base_name() -> str:
    """The name in DATABASE_URL, which HANDOFF_TEST_DB changes: two runs on one server have different ones."""
    return urlsplit(os.environ["DATABASE_URL"]).path.lstrip("/")


def template_name() -> str:
    return f"template_{base_name()}"


def _identifier(text: str, *names: str) -> sql.Composed:
    return sql.SQL(text).format(*map(sql.Identifier, names))  # type: ignore[arg-type]


@contextmanager
def copied_database(name: str) -> Iterator[None]:
    """`name` is a fresh copy of the template, and Django's connection points at it; dropped afterwards."""
    with server() as link:
        link.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        _migrate_template(link)
        drop(link, name)
        link.execute(_identifier("CREATE DATABASE {} TEMPLATE {}", name, template_name()))
        # Any other database refuses to TRUNCATE its ledger (payouts/migrations).
        link.execute(_identifier("ALTER DATABASE {} SET payouts.ledger_may_be_emptied = 'on'", name))
    own = connection.settings_dict["NAME"]
    point_at(name)
    try:
        yield
    finally:
        point_at(own)
        with server() as link:
            drop(link, name)


def point_at(name: str) -> None:
    connection.close()
    connection.settings_dict["NAME"] = name


def drop(link: psycopg.Connection, name: str) -> None:
    link.execute(_identifier("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))


def _migrate_template(link: psycopg.Connection) -> None:
    """Made under another name and renamed when complete: a killed run leaves no half template."""
    made = template_name()
    if link.execute("SELECT 1 FROM pg_database WHERE datname = %s", [made]).fetchone():
        return
    fresh = f"{made}_fresh"
    drop(link, fresh)
    link.execute(_identifier("CREATE DATABASE {}", fresh))
    own = connection.settings_dict["NAME"]
    point_at(fresh)
    try:
        call_command("migrate", verbosity=0, interactive=False)
    finally:
        point_at(own)
    link.execute(_identifier("ALTER DATABASE {} RENAME TO {}", fresh, made))


def drop_template() -> None:
    with server() as link:
        drop(link, template_name())


def empty_tables() -> None:
    """Empty all tables but those in KEPT. By DELETE where the user may switch triggers off: a TRUNCATE of many small
    tables makes and unlinks hundreds of files, a DELETE of a few rows touches a page or two."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT usesuper FROM pg_user WHERE usename = current_user")
        statement = EMPTY_BY_DELETE if cursor.fetchone() == (True,) else EMPTY_BY_TRUNCATE
        cursor.execute(statement.format(kept=f"ARRAY[{', '.join(repr(name) for name in KEPT)}]"))


def use_fast_emptying() -> None:
    """Have Django's TransactionTestCase, on which pytest-django builds, empty the tables our way after each test."""

    def empty(self: TransactionTestCase) -> None:
        empty_tables()

    TransactionTestCase._fixture_teardown = empty
