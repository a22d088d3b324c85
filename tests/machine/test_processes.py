"""Child processes: logged, missed when they die, stopped in order, never left behind; ports stepped over."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.machine import ports
from sandbox.machine.children import MachineError
from sandbox.machine.processes import ProcessEnded, Processes
from tests.sandbox.process import until

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]
NOTES_ITS_END = """
import os
import signal, sys, time
from pathlib import Path
def leave(*_):
    with Path(sys.argv[1]).open("a") as file:
        file.write(sys.argv[2])
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("up", flush=True)
time.sleep(600)
"""


def written(log: Path, text: str = "up"):
    return lambda: text in log.read_text()


def test_a_child_that_ends_by_itself_is_missed_with_its_last_words(tmp_path: Path):
    with Processes(tmp_path) as processes:
        processes.start_process("web", [sys.executable, "-c", "raise SystemExit('port taken')"])
        with pytest.raises(ProcessEnded, match="port taken") as missed:
            processes.wait_until(lambda: False, what="web", within_s=20)
    assert (missed.value.name, missed.value.code) == ("web", 1)


def test_waiting_has_an_end(tmp_path: Path):
    with Processes(tmp_path) as processes:
        processes.start_process("web", SLEEP)
        with pytest.raises(MachineError, match="web was not ready"):
            processes.wait_until(lambda: False, what="web", within_s=0.2)


def test_children_are_stopped_in_reverse_order(tmp_path: Path):
    note = tmp_path / "order"
    with Processes(tmp_path / "logs") as processes:
        for name in "abc":
            child = processes.start_process(name, [sys.executable, "-c", NOTES_ITS_END, note, name])
            processes.wait_until(written(child.log), what=name)
    assert note.read_text() == "cba"


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path):
    processes = Processes(tmp_path)
    child = processes.start_process("deaf", STUBBORN)
    processes.wait_until(written(child.log), what="deaf")
    assert processes.stop_process("deaf", grace_s=0.2) == -9


def test_what_a_child_left_behind_is_stopped_too(tmp_path: Path):
    forks = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(f'pid={child.pid}.', flush=True)\n"
        "time.sleep(600)\n"
    )
    with Processes(tmp_path) as processes:
        parent = processes.start_process("parent", [sys.executable, "-c", forks])
        processes.wait_until(written(parent.log, "."), what="parent")
        pid = int(parent.log.read_text().partition("pid=")[2].partition(".")[0])
    assert gone(pid)


def test_children_die_with_a_killed_parent(tmp_path: Path):
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from sandbox.machine.processes import Processes\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "child = Processes(Path(sys.argv[1])).start_process('web', sleep)\n"
        "print(child.process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    until(lambda: b"time.sleep(600)" in Path(f"/proc/{pid}/cmdline").read_bytes(), "the launcher to become the command")
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(pid)


def test_whole_lines_are_shown_with_the_name_of_the_process(tmp_path: Path):
    lines: list[str] = []
    with Processes(tmp_path, show=lines.append) as processes:
        processes.start_process("web", SLEEP)
        processes.wait_until(lambda: bool(lines), what="the first line")
    assert lines == ["web      | up"]


def bind_from(busy: socket.socket, port: int) -> int:
    """Listen at the first port from there on that is free at this very moment; returns it."""
    while True:
        try:
            busy.bind(("127.0.0.1", port))
        except OSError:  # other tests start servers beside this one
            port += 1
        else:
            busy.listen()
            return port


def test_taken_ports_are_stepped_over():
    with socket.socket() as busy:
        start = bind_from(busy, 21_000 + os.getpid() % 1000)
        chosen = ports.choose_all({"web": start, "sockets": start})
    assert chosen["web"] > start
    assert chosen["sockets"] > chosen["web"]


def gone(pid: int, within_s: float = 10.0) -> bool:
    """Ended, or waiting for an init that does not collect."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False
