"""Real processes of Handoff for tests: the web process on a port of its own, workers and beat.

All end with the test, however it ends (sandbox/machine/children.py).
"""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sandbox.machine import children, ports

START_S = 60.0
Environment = Mapping[str, str]


def until(condition: Callable[[], Any], what: str, *, patience_s: float = 30.0, every_s: float = 0.05) -> Any:
    """The first true answer of `condition`."""
    deadline = time.monotonic() + patience_s
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited {patience_s:.0f} s in vain for {what}"
        time.sleep(every_s)
    return answer


def manage(environment: Environment, *command: str) -> None:
    """Run `manage.py …` to its end."""
    done = subprocess.run(
        [sys.executable, "manage.py", *command], env=dict(environment), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


class Web:
    """The web process; `post` and `get` say (status, body)."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.port, self.process, self.log = port, process, log

    def connect(self, timeout_s: float = 30.0) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)

    def get(self, path: str) -> tuple[int, bytes]:
        link = self.connect()
        try:
            link.request("GET", path)
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()

    def post(
        self, path: str, body: Any, headers: Mapping[str, str], *, link: http.client.HTTPConnection | None = None
    ) -> tuple[int, bytes]:
        """`body` may be an iterable: it is sent in chunks. `link` is used again, otherwise one is opened and closed."""
        used = link or self.connect()
        try:
            with suppress(BrokenPipeError):  # an answer may come, and the line be closed, before all was sent
                used.request("POST", path, body, {"Content-Type": "application/json", **headers})
            answer = used.getresponse()
            return answer.status, answer.read()
        finally:
            if link is None:
                used.close()


@contextmanager
def web(environment: Environment, folder: Path, *, workers: int = 1, threads: int = 4) -> Iterator[Web]:
    """granian on config.wsgi, as in production."""
    port = ports.choose_port(20_000 + os.getpid() % 10_000)
    options = ["--interface", "wsgi", "--port", str(port), "--workers", str(workers)]
    command = [sys.executable, "-m", "granian", *options, "--blocking-threads", str(threads), "config.wsgi:application"]
    with _running("web", command, environment, folder) as (process, log):
        made = Web(port, process, log)
        until(lambda: _healthy(made), "the web process", patience_s=START_S)
        yield made


def _healthy(made: Web) -> bool:
    if made.process.poll() is not None:
        raise AssertionError(f"the web process ended:\n{children.read_tail(made.log, 40)}")
    try:
        return made.get("/health")[0] == 200
    except OSError:
        return False


@contextmanager
def worker(
    environment: Environment, folder: Path, *, app: str = "config", processes: int = 4
) -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker; it is ready a few seconds later."""
    command = [sys.executable, "-m", "celery", "-A", app, "worker", "--concurrency", str(processes)]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    with _running("worker", command, environment, folder) as (process, _):
        yield process


@contextmanager
def beat(environment: Environment, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "celery", "-A", "config", "beat", "--pidfile", ""]
    with _running("beat", command, environment, folder) as (process, _):
        yield process


@contextmanager
def _running(
    name: str, command: list[str], environment: Environment, folder: Path
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    log = folder / f"{name}.log"
    with log.open("ab") as file:
        process = children.start_child([*command], log=file, env={**environment, "HANDOFF_PROCESS": name})
    try:
        yield process, log
    finally:
        children.stop_child(process, grace_s=5)
        children.kill_group(process)
