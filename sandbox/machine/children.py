"""Start and stop a child process that never outlives this one."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

LAUNCHER = Path(__file__).with_name("launch.py")


class MachineError(RuntimeError):
    """The machine cannot give what was asked; the message says what to do about it."""


def launch_command(command: Sequence[str | Path], *options: str) -> list[str]:
    """COMMAND wrapped by the launcher, for a child of this process."""
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), "--parent", str(os.getpid())]
    return [*launcher, *options, "--", *map(str, command)]


def start_child(
    command: Sequence[str | Path],
    *options: str,
    log: IO[bytes],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start COMMAND in a session of its own, output to `log`.

    A session of its own keeps the terminal's Ctrl-C from reaching all children at once: they are stopped in order.
    Call it from the main thread: Linux counts the end of the starting *thread* as the parent's death.
    """
    return subprocess.Popen(
        launch_command(command, *options),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=None if env is None else dict(env),
        cwd=cwd,
        start_new_session=True,
    )


def stop_child(process: subprocess.Popen[bytes], first: signal.Signals = signal.SIGTERM, grace_s: float = 15.0) -> int:
    """Ask with `first`, kill the whole group after `grace_s`; the exit code."""
    if process.poll() is None:
        process.send_signal(first)
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            kill_group(process)
    return process.wait()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the child and what it started (its pid is also the id of its group)."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def read_tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    if not log.exists():
        return "(no log)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
