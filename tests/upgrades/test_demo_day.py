"""A finished demo day of the first tag comes through every migration unchanged: balances, open work, timelines."""

import os
import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from payouts import audit
from tests import databases
from tests.upgrades import kept_day

# Words that would show a kept credential.
GIVE_AWAYS = ("sk_test_", "whsec_", "_secret_", "md5$", "scrypt$", "pbkdf2", "Bearer ", "eyJ", "v1=")


@pytest.fixture
def own_database(django_db_blocker) -> Iterator[str]:
    """A database of its own, empty, which Django's connection points at."""
    name = f"{databases.base_name()}_upgrade_{secrets.token_hex(3)}"
    own = connection.settings_dict["NAME"]
    with databases.server() as server:
        server.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
        try:
            with django_db_blocker.unblock():
                databases.point_at(name)
                yield urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))
                databases.point_at(own)
        finally:
            databases.drop(server, name)


def test_the_kept_day_holds_no_credentials():
    day = kept_day.read_day()
    text = "".join(kept["rows"] for kept in day["tables"].values())
    assert len(text) > 50_000
    assert [word for word in GIVE_AWAYS if word in text] == []


# spec: M1, M4, O2
def test_a_day_of_the_first_tag_is_unchanged_after_all_migrations(own_database: str):
    day = kept_day.read_day()
    executor = MigrationExecutor(connection)
    targets = [(app, name) for app, name in day["migrations"]]
    gone = [target for target in targets if target not in executor.loader.graph.nodes]
    assert not gone, f"{gone}: the day has to be kept anew (kept_day.py), or nobody can upgrade from the first tag"
    executor.migrate(targets)
    with psycopg.connect(own_database) as link:
        kept_day.load_day(link, day)
    call_command("migrate", verbosity=0)
    with psycopg.connect(own_database) as link:
        state = kept_day.describe_state(link)
    assert len(state["timelines"]) >= 20
    # a queue that a later migration adds is empty, and was not there to be written down
    state["work"] = {name: rows for name, rows in state["work"].items() if rows or name in day["state"]["work"]}
    assert state == day["state"]
    report = audit.prove_ledger()
    assert report.is_proved, report.failures
