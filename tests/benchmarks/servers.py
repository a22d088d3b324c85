"""Servers under load: granian or uvicorn on an application, with the processor time that it and its workers took."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.machine import children, ports

WORKERS, THREADS = 2, 8
START_S = 90.0
TICKS = os.sysconf("SC_CLK_TCK")
PEERS = Path(__file__).parent / "peers"


@dataclass
class Server:
    process: "subprocess.Popen[bytes]"
    port: int

    def cpu_s(self) -> float:
        """Processor seconds of the process and its descendants so far."""
        return sum(cpu_s(pid) for pid in tree(self.process.pid))

    def resident_bytes(self) -> int:
        """Memory of the process and its descendants."""
        return sum(_resident_bytes(pid) for pid in tree(self.process.pid))


@contextmanager
def granian(
    application: str,
    environment: Mapping[str, str],
    log: Path,
    *,
    python: str = sys.executable,
    folder: Path | None = None,
) -> Iterator[Server]:
    port = ports.choose_port(21_000 + os.getpid() % 9_000)
    options = ["--interface", "wsgi", "--port", str(port), "--workers", str(WORKERS), "--no-ws", "--log-level", "error"]
    command = [python, "-m", "granian", *options, "--blocking-threads", str(THREADS), application]
    with process(command, environment, log, folder=folder) as running:
        _await_port(running, port, log)
        yield Server(running, port)


@contextmanager
def uvicorn(application: str, environment: Mapping[str, str], log: Path, *options: str) -> Iterator[Server]:
    port = ports.choose_port(21_000 + os.getpid() % 9_000)
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), "--log-level", "warning", *options, application]
    with process(command, environment, log) as running:
        _await_port(running, port, log)
        yield Server(running, port)


@contextmanager
def process(
    command: list[str], environment: Mapping[str, str], log: Path, *, folder: Path | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("ab") as file:
        running = children.start_child([*command], log=file, env=dict(environment), cwd=folder)
    try:
        yield running
    finally:
        children.stop_child(running, grace_s=5)
        children.kill_group(running)


def _await_port(running: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while running.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the server did not start:\n{children.read_tail(log, 30)}")


def tree(pid: int) -> list[int]:
    found = [pid]
    for child in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [one for text in child.read_text().split() for one in tree(int(text))]
    return found


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_s(pid: int) -> float:
    return _ticks(pid, 11, 12)


def ended_children_cpu_s(pid: int) -> float:
    return _ticks(pid, 13, 14)


def _ticks(pid: int, *places: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return sum(int(fields[place]) for place in places) / TICKS
