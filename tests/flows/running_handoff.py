"""Handoff as it runs: web, worker and beat as processes of their own, on a database and a broker that are only theirs,
and the outside world beside them. What a story does to it, it does over HTTP.
"""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.core.management import call_command
from django.db import connection
from django.test import override_settings

from config.environment import GROUPS
from sandbox.machine import ports
from sandbox.machine.processes import Processes, answers_get
from sandbox.machine.valkey import Valkey
from tests.sandbox import process
from tests.sandbox.process import Sandbox, until
from tests.sandbox_fixtures import LISTS
from tests.services import fastest_folder

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
START_S = 90.0
OPS_EMAIL = "ops@handoff.example"
COURIERS = ("COOCO (courier)", "Uber Direct (courier)", "DoorDash Drive (courier)")
PROVIDERS = {
    variable.name for group in ("Stripe", "PetPooja (POS)", "Messages", *COURIERS) for variable in GROUPS[group]
}


@dataclass(frozen=True)
class House:
    """A running one. `url` is its web process."""

    url: str
    sandbox: Sandbox
    environment: dict[str, str]
    processes: Processes

    def manage(self, *arguments: str) -> None:
        """Run a management command to its end."""
        self.processes.start_process(
            "command", [sys.executable, "manage.py", *arguments], env=self.environment, cwd=ROOT
        )
        until(lambda: self.processes.running["command"].has_ended, f"manage.py {arguments[0]}", START_S)
        log = self.processes.running["command"].log.read_text()
        assert self.processes.stop_process("command") == 0, log

    def start(self) -> None:
        server = ["--workers", "1", "--blocking-threads", "4", "--no-ws"]
        address = urlsplit(self.url)
        listen = ["--interface", "wsgi", "--host", str(address.hostname), "--port", str(address.port)]
        self._process("web", BIN / "granian", *listen, *server, "config.wsgi:application")
        celery = [BIN / "celery", "-A", "config"]
        self._process("worker", *celery, "worker", "--loglevel", "warning", "--without-gossip", "--without-mingle")
        self._process("beat", *celery, "beat", "--loglevel", "warning")
        self.processes.wait_until(lambda: answers_get(self.url + "/ready"), what="the web process", within_s=START_S)

    def _process(self, name: str, *command: str | Path) -> None:
        self.processes.start_process(name, command, env={**self.environment, "HANDOFF_PROCESS": name}, cwd=ROOT)


@contextmanager
def running() -> Iterator[House]:
    with TemporaryDirectory(prefix="handoff-flows-", dir=fastest_folder()) as folder:
        home = Path(folder)
        url = f"http://127.0.0.1:{ports.choose_all({'web': 8400})['web']}"
        broker, outside = Valkey(home), process.start(home / "outside", url)
        try:
            broker.start()
            outside.control("PUT", "stripe/onboarding", {"after_s": 0.1})
            with _own_database() as database_url, Processes(home / "logs") as processes:
                environment = _environment(url, outside, broker, database_url)
                house = House(url, outside, environment, processes)
                with _looking_in(environment, database_url):
                    call_command("migrate", verbosity=0)
                    call_command("install_schedule", stdout=StringIO())
                    house.start()
                    yield house
        finally:
            outside.stop()
            broker.destroy()


def _environment(url: str, outside: Sandbox, broker: Valkey, database_url: str) -> dict[str, str]:
    return {
        **os.environ,
        **outside.env,
        "DATABASE_URL": database_url,
        "BROKER_URL": broker.url,
        "LIVE_URL": broker.live_url,
        "PUBLIC_URL": url,
        "OPS_EMAIL": OPS_EMAIL,
        "QUIET_HOURS": "",  # stories are told at any hour
        "HANDOFF_PROCESS": "command",
        "DISPATCH_LEAD_SECONDS": "86400",  # the story's riders are looked for as soon as the store has said yes
        "PLAUSIBLE_SPEED_M_PER_S": "100000",  # and they may be anywhere in no time
        "LOG_FORMAT": "json",
    }


@contextmanager
def _own_database() -> Iterator[str]:
    """A database beside the tests' own, which other tests of this process empty while ours is worked on."""
    name = f"{connection.settings_dict['NAME']}_{secrets.token_hex(3)}"
    address = urlsplit(os.environ["DATABASE_URL"])
    with psycopg.connect(urlunsplit(address._replace(path="/postgres")), autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
        try:
            yield urlunsplit(address._replace(path=f"/{name}"))
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[arg-type]


@contextmanager
def _looking_in(environment: dict[str, str], database_url: str) -> Iterator[None]:
    """This process sees the house's database and has its settings: to set scenes, to move deadlines, to check."""
    own = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = urlsplit(database_url).path.lstrip("/")
    try:
        with override_settings(**_settings(environment)):
            yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = own


def _settings(environment: dict[str, str]) -> dict[str, Any]:
    """The house's settings that differ from the tests' own: its address and its providers."""
    found: dict[str, Any] = {"PUBLIC_URL": environment["PUBLIC_URL"], "OPS_EMAIL": environment["OPS_EMAIL"]}
    for name in PROVIDERS & environment.keys():
        found[LISTS.get(name, name)] = [environment[name]] if name in LISTS else environment[name]
    return found
