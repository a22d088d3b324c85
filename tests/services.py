"""pytest plugin (`-p tests.services`): a database and a broker, there before Django reads its settings.

Without DATABASE_URL or BROKER_URL an embedded server stands in, started once for a whole run (the processes of
pytest-xdist inherit it) in a folder that is removed afterwards. Every process takes a broker number of its own, from
HANDOFF_TEST_DB and its xdist name, as it takes a database of its own.
"""

import os
import secrets
import shutil
import tempfile
import zlib
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from sandbox.machine.services import Services
from sandbox.machine.valkey import DATABASES

SOCKET_SCHEME = "redis+socket://"


def broker_number() -> int:
    """1..: the same for one process of one named run, hardly ever the same for two. 0 is left to development."""
    who = f"{os.environ.get('HANDOFF_TEST_DB', '')}/{os.environ.get('PYTEST_XDIST_WORKER', '')}"
    return 1 + zlib.crc32(who.encode()) % (DATABASES - 1)


def fastest_folder() -> str | None:
    """Memory, where the machine offers enough: the servers sync as ever, and their many small files cost nothing."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 2 * 2**30 else None


def take_broker_number() -> None:
    """Only on our own kind of broker: a server that somebody named may have few numbers, or none."""
    url = os.environ["BROKER_URL"].partition("?")[0]
    if url.startswith(SOCKET_SCHEME):
        number = broker_number()
        os.environ["BROKER_URL"] = f"{url}?virtual_host={number}"
        os.environ["LIVE_URL"] = f"unix://{url.removeprefix(SOCKET_SCHEME)}?db={number}"


def take_database_name() -> None:
    """HANDOFF_TEST_DB keeps two runs on one server apart: each has a test database of its own."""
    if name := os.environ.get("HANDOFF_TEST_DB"):
        address = urlsplit(os.environ["DATABASE_URL"])
        os.environ["DATABASE_URL"] = urlunsplit(address._replace(path=f"/handoff_{name}"))


def forget_template() -> None:
    from tests.databases import drop_template  # Django may be imported by now

    with suppress(psycopg.OperationalError):  # a named server may have gone meanwhile
        drop_template()


@pytest.hookimpl(wrapper=True)  # a wrapper runs before pytest-django, which reads the settings in the same hook
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(48))
    if not (os.environ.get("DATABASE_URL") and os.environ.get("BROKER_URL")):
        home = Path(tempfile.mkdtemp(prefix="handoff-tests-", dir=fastest_folder()))
        services = Services(home)
        early_config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
        early_config.add_cleanup(services.destroy)
        os.environ.update(services.start())
    take_broker_number()
    take_database_name()
    if "PYTEST_XDIST_WORKER" not in os.environ:
        early_config.add_cleanup(forget_template)  # before the servers end: cleanups run in reverse
    return (yield)
