"""The sandbox as a real process, and a small server that stands where Handoff would and keeps what it is sent."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from sandbox import keys

PATIENCE_S = 10.0


def until(condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """The first true answer of `condition`, asked every 10 ms."""
    deadline = time.monotonic() + patience_s
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience_s} s in vain for {what}")
        time.sleep(0.01)
    return answer


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass
class Receiver:
    """Stands at Handoff's address. `answers` are the statuses of the next requests, 200 when it is empty."""

    server: ThreadingHTTPServer
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def at(self, path: str, count: int = 1) -> list[Received]:
        """Everything that came to `path`, as soon as it is at least `count`."""

        def enough() -> list[Received]:
            found = [one for one in list(self.received) if one.path == path]
            return found if len(found) >= count else []

        return until(enough, f"{count} requests at {path}, got {[one.path for one in self.received]}")


@contextmanager
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = place.answers.pop(0) if place.answers else 200
            place.received.append(Received(self.path, dict(self.headers), body, time.time()))
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    place = Receiver(server)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield place
    server.shutdown()
    server.server_close()


@dataclass(frozen=True)
class Sandbox:
    """A running one. `env` is what Handoff would be started with."""

    url: str
    home: Path
    env: dict[str, str]
    process: subprocess.Popen[str]

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of the control API as Python; an error status raises."""
        response = requests.request(method, f"{self.url}/_control/{path}", json=body, timeout=PATIENCE_S)
        response.raise_for_status()
        return response.json()

    def fault(self, provider: str, direction: str, kind: str, **more: Any) -> int:
        rule = {"provider": provider, "direction": direction, "kind": kind, **more}
        return self.control("POST", "faults", rule)["id"]

    def messages(self, channel: str, count: int = 1) -> list[dict[str, Any]]:
        path = f"messages?channel={channel}&limit=100"
        return until(lambda: _at_least(self.control("GET", path)["messages"], count), f"{count} {channel} messages")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_S)


def _at_least(items: list[Any], count: int) -> list[Any]:
    return items if len(items) >= count else []


def start(home: Path, handoff_url: str) -> Sandbox:
    command = [sys.executable, "-m", "sandbox.serve", "--port", "0", "--home", str(home), "--handoff-url", handoff_url]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("sandbox at "), f"the sandbox did not start: {line!r}"
    url = line.removeprefix("sandbox at ").strip()
    return Sandbox(url, home, keys.ensure_keys(home, url), process)
