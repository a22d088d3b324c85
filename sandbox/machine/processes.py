"""Named child processes with logs: started in order, stopped in reverse, missed when they die."""

import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from sandbox.machine import children
from sandbox.machine.children import MachineError


class ProcessEnded(MachineError):
    """A process that should run has ended by itself."""

    def __init__(self, name: str, code: int, log: Path) -> None:
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        super().__init__(f"{name} ended by itself ({how}); the end of {log}:\n{children.read_tail(log)}")
        self.name, self.code, self.log = name, code, log


@dataclass(frozen=True)
class RunningProcess:
    """One started process; `log` holds what it wrote."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None


class Processes:
    """`with Processes(folder) as processes: processes.start("web", [...])`.

    Start them from the main thread (see children.start_child). With `show`, every new line of every log is handed to it
    as `web      | text`.
    """

    def __init__(self, logs: Path, *, show: Callable[[str], None] | None = None) -> None:
        self.logs = logs
        self.running: dict[str, RunningProcess] = {}
        self._show = show
        self._stopping = threading.Event()
        self._followers: list[threading.Thread] = []

    def start_process(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> RunningProcess:
        """Start a process that ends with us. Its log is begun afresh; `env` is its whole environment (None: ours)."""
        if name in self.running and not self.running[name].has_ended:
            raise ValueError(f"{name} runs already")
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{name}.log"
        with log.open("wb") as file:
            process = children.start_child(command, log=file, env=env, cwd=cwd)
        self.running[name] = started = RunningProcess(name, process, log)
        if self._show is not None:
            self._follow_log(started, self._show)
        return started

    def check_running(self) -> None:
        """Raise ProcessEnded for the first process that is gone."""
        for child in self.running.values():
            if (code := child.process.poll()) is not None:
                raise ProcessEnded(child.name, code, child.log)

    def wait_until(self, ready: Callable[[], bool], *, what: str, within_s: float = 60.0) -> None:
        """Poll `ready` while all processes live; MachineError when it takes too long."""
        deadline = time.monotonic() + within_s
        while not ready():
            self.check_running()
            if time.monotonic() > deadline:
                raise MachineError(f"{what} was not ready after {within_s:.0f} s; logs are in {self.logs}")
            time.sleep(0.05)

    def stop_process(self, name: str, *, grace_s: float = 15.0) -> int:
        """Stop one process, and what it started and left behind; its exit code."""
        process = self.running.pop(name).process
        code = children.stop_child(process, grace_s=grace_s)
        children.kill_group(process)
        return code

    def stop_all(self, *, grace_s: float = 15.0) -> None:
        """Stop all, the last started first."""
        for name in reversed(list(self.running)):
            self.stop_process(name, grace_s=grace_s)
        self._stopping.set()
        for follower in self._followers:
            follower.join(timeout=2)

    def _follow_log(self, child: RunningProcess, show: Callable[[str], None]) -> None:
        def print_lines() -> None:
            with child.log.open(encoding="utf-8", errors="replace") as file:
                while not self._stopping.is_set():
                    if not (line := whole_line(file)):
                        self._stopping.wait(0.2)
                        continue
                    show(f"{child.name:<8} | {line.rstrip()}")

        follower = threading.Thread(target=print_lines, name=f"follow-{child.name}", daemon=True)
        self._followers.append(follower)
        follower.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_all()


def whole_line(file: IO[str]) -> str:
    """The next complete line, or nothing: a half-written one is read again later."""
    start = file.tell()
    line = file.readline()
    if line.endswith("\n"):
        return line
    file.seek(start)
    return ""


def answers_get(url: str, timeout_s: float = 2.0) -> bool:
    """Does this address answer a GET with 2xx?"""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as response:  # noqa: S310 - our own http address
            return 200 <= int(response.status) < 300
    except (OSError, urllib.error.URLError):
        return False
