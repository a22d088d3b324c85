"""A real sockets process on this run's database and broker, and how tests speak with it."""

import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from deliveries.realtime import publisher
from foundation.models import User
from orders.models import Order, Store
from sandbox.machine import ports
from sandbox.machine.processes import Processes, answers_get
from tests.phone_calls import token_of
from tests.queues import drain_queues

PATIENCE_S = 20


class Sockets:
    """A running sockets process."""

    def __init__(self, processes: Processes, port: int) -> None:
        self.processes, self.port = processes, port

    @property
    def log(self) -> str:
        return self.processes.running["sockets"].log.read_text(errors="replace")

    def health(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
            return json.load(answer)

    def open(self, path: str, token: str | None = None, **options: Any) -> ClientConnection:
        query = f"?token={token}" if token is not None else ""
        return connect(f"ws://127.0.0.1:{self.port}{path}{query}", open_timeout=PATIENCE_S, **options)

    def watch(self, somebody: User, placed: Order, **options: Any) -> ClientConnection:
        return self.open(f"/ws/orders/{placed.public_id}", token_of(somebody), **options)

    def watch_store(self, somebody: User, store: Store, **options: Any) -> ClientConnection:
        return self.open(f"/ws/stores/{store.slug}", token_of(somebody), **options)

    def at(self, url: str) -> ClientConnection:
        """By a ticket's address, wherever that says the sockets are."""
        address = urlsplit(url)
        return connect(f"ws://127.0.0.1:{self.port}{address.path}?{address.query}", open_timeout=PATIENCE_S)


def run(folder: Path, environment: dict[str, str]) -> Iterator[Sockets]:
    port = ports.choose_port(22_000 + os.getpid() % 5_000)
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--host", "127.0.0.1", "--port", str(port)]
    with Processes(folder) as processes:
        processes.start_process("sockets", command, env={**environment, "HANDOFF_PROCESS": "sockets"})
        url = f"http://127.0.0.1:{port}/health"
        processes.wait_until(lambda: answers_get(url), what="the sockets process", within_s=60)
        yield Sockets(processes, port)


@pytest.fixture(scope="session")
def sockets(django_db_setup, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sockets]:
    from django.db import connection

    address = urlsplit(os.environ["DATABASE_URL"])
    url = urlunsplit(address._replace(path=f"/{connection.settings_dict['NAME']}"))
    yield from run(tmp_path_factory.mktemp("sockets"), {**os.environ, "DATABASE_URL": url})


@pytest.fixture
def hearing(sockets: Sockets) -> Sockets:
    wait_for(lambda: sockets.health()["live"])
    return sockets


def wait_for(condition: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
    ends = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends, "it did not come about in time"
        time.sleep(0.05)


def read(socket: ClientConnection, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
    return json.loads(socket.recv(timeout=timeout_s))


def read_until(socket: ClientConnection, name: str) -> list[dict[str, Any]]:
    """What comes, up to the first message of that name."""
    messages = [read(socket)]
    while messages[-1]["name"] != name:
        messages.append(read(socket))
    return messages


def said(socket: ClientConnection, many: int) -> list[dict[str, Any]]:
    return [read(socket) for _ in range(many)]


def announce() -> None:
    """All that has happened is said, to whoever listens."""
    drain_queues(publisher.QUEUE)


def closed_with(socket: ClientConnection) -> tuple[int, str]:
    """Read what still comes, up to the end: its code and reason."""
    try:
        while True:
            socket.recv(timeout=PATIENCE_S)
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
