"""Fixtures that every test may use. The servers themselves are started by tests/services.py."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis

from sandbox.machine.postgres import Postgres
from sandbox.machine.valkey import Valkey
from tests import databases
from tests.services import fastest_folder


@pytest.fixture(autouse=True)
def fast_passwords(settings) -> None:
    """Hashing a password slowly is right in production and a waste here."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def broad_daylight(settings) -> None:
    """Tests run at any hour; those about quiet hours say when it is quiet."""
    settings.QUIET_HOURS = None


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker, django_db_modify_db_settings) -> Iterator[None]:
    """In place of pytest-django's: a copy of the run's template database (tests/databases.py)."""
    from django.db import connection

    databases.use_fast_emptying()
    name = connection.settings_dict["TEST"]["NAME"] or f"test_{databases.base_name()}"
    with ExitStack() as copy:
        with django_db_blocker.unblock():
            copy.enter_context(databases.copied_database(name))
        yield
        with django_db_blocker.unblock():
            copy.close()


@pytest.fixture
def process_environment(transactional_db) -> dict[str, str]:
    """The environment for a real process of Handoff (worker, web ...) that works on this test's database and broker."""
    return environment_of_processes()


def environment_of_processes() -> dict[str, str]:
    from django.db import connection

    address = urlsplit(os.environ["DATABASE_URL"])
    url = urlunsplit(address._replace(path=f"/{connection.settings_dict['NAME']}"))
    return {**os.environ, "DATABASE_URL": url}


@pytest.fixture
def broker() -> Iterator[redis.Redis]:
    """A client of this run's broker, emptied before and after the test."""
    url = os.environ.get("LIVE_URL") or os.environ["BROKER_URL"]
    if not url.startswith(("redis://", "rediss://", "unix://")):
        pytest.skip("the broker named by BROKER_URL is not Redis or Valkey")
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder for a server's data: in memory where the machine has enough of it."""
    with TemporaryDirectory(prefix="handoff-home-", dir=fastest_folder() or tmp_path) as folder:
        yield Path(folder)


@pytest.fixture
def own_postgres(home: Path) -> Iterator[Callable[[], Postgres]]:
    """Start a PostgreSQL that only this test uses, and may crash: `own_postgres()`."""
    server = Postgres(home, max_connections=50)

    def start() -> Postgres:
        server.start()
        return server

    yield start
    server.destroy()


@pytest.fixture
def own_valkey(home: Path) -> Iterator[Callable[[], Valkey]]:
    """Start a broker that only this test uses, and may stop or freeze: `own_valkey()`."""
    server = Valkey(home)

    def start() -> Valkey:
        server.start()
        return server

    yield start
    server.destroy()
