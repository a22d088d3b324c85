"""The database and the broker together: those that the environment names, embedded ones for the rest."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.machine.children import MachineError
from sandbox.machine.postgres import Postgres
from sandbox.machine.valkey import Valkey


class Services:
    """`with Services(home) as services:` gives `services.environment`, with DATABASE_URL and BROKER_URL."""

    def __init__(self, home: Path, *, max_connections: int = 200) -> None:
        self.home = home.resolve()
        self.embedded: dict[str, Postgres | Valkey] = {}
        if not os.environ.get("DATABASE_URL"):
            self.embedded["DATABASE_URL"] = Postgres(self.home, max_connections=max_connections)
        if not os.environ.get("BROKER_URL"):
            self.embedded["BROKER_URL"] = Valkey(self.home)

    @property
    def environment(self) -> dict[str, str]:
        """What Handoff's processes need to find both; LIVE_URL is the broker in the words of the redis client."""
        names = ("DATABASE_URL", "BROKER_URL", "LIVE_URL")
        given = {name: os.environ[name] for name in names if os.environ.get(name)}
        embedded = {name: server.url for name, server in self.embedded.items()}
        broker = self.embedded.get("BROKER_URL")
        live = {"LIVE_URL": broker.live_url} if isinstance(broker, Valkey) else {}
        return live | given | embedded

    def start(self) -> dict[str, str]:
        try:
            for server in self.embedded.values():
                server.start()
        except BaseException:
            self.stop()
            raise
        return self.environment

    def check_running(self) -> None:
        """Raise when an embedded server has ended by itself."""
        for server in self.embedded.values():
            if server.process is not None and server.process.poll() is not None:
                raise MachineError(f"{type(server).__name__} ended with {server.process.returncode}; see {server.log}")

    def stop(self) -> None:
        for server in reversed(self.embedded.values()):
            server.stop()

    def destroy(self) -> None:
        """Stop, and forget all data of the home."""
        for server in reversed(self.embedded.values()):
            server.destroy()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
