"""The embedded PostgreSQL: starts, survives crashes of its starter, leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from sandbox.machine import postgres
from sandbox.machine.children import MachineError
from sandbox.machine.postgres import Postgres

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to hand over")

STARTER = """
import sys, time
from pathlib import Path
from sandbox.machine.postgres import Postgres
server = Postgres(Path(sys.argv[1]))
print(server.start(), server.process.pid, flush=True)
time.sleep(600)
"""


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for_end(pid: int, within_s: float = 15.0) -> bool:
    deadline = time.monotonic() + within_s
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_running(pid)


def count_rows(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def server(home: Path) -> Iterator[Postgres]:
    server = Postgres(home)
    yield server
    server.destroy()


def test_data_survive_a_stop_and_a_second_start(server: Postgres):
    with psycopg.connect(server.start()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 3)")
    server.stop()
    assert count_rows(server.start()) == 3


def test_it_offers_no_tcp_port_and_speaks_unicode(server: Postgres):
    with psycopg.connect(server.start()) as connection:
        row = connection.execute("SELECT current_setting('listen_addresses'), lower('ÄÉ')").fetchone()
    assert row is not None
    addresses, lower = row
    assert addresses == ""
    assert postgres.major_version(postgres.find_binaries()) < 17 or lower == "äé"


def test_it_dies_with_a_killed_starter_and_the_next_start_finds_the_data(server: Postgres):
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(server.home)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert starter.stdout is not None
    url, pid = starter.stdout.readline().split()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1")
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    assert count_rows(server.start()) == 1  # while the old one may still be going down
    assert wait_for_end(int(pid))
    starter.stdout.close()


def test_a_server_killed_on_the_spot_recovers(server: Postgres):
    with psycopg.connect(server.start()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1")
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    assert count_rows(server.start()) == 1


def test_a_pid_file_whose_number_belongs_to_another_program_is_forgotten(server: Postgres):
    server.start()
    server.stop()
    pid_file = server.data / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{server.data}\n1\n5432\n")
    server.start()
    assert pid_file.read_text().partition("\n")[0] != str(os.getpid())


def test_a_second_start_on_a_home_in_use_is_refused(server: Postgres, monkeypatch: pytest.MonkeyPatch):
    server.start()
    monkeypatch.setattr(postgres, "STOP_S", 0.2)
    with pytest.raises(MachineError, match="in use by another start"):
        Postgres(server.home).start()
    with pytest.raises(MachineError, match="stop that first"):
        Postgres(server.home).destroy()
    assert server.data.exists()


def test_a_half_made_data_folder_is_made_anew(server: Postgres):
    server.data.mkdir(parents=True)
    (server.data / "global").mkdir()
    assert server.start() == server.url


def test_data_of_another_major_version_are_named_as_the_reason(server: Postgres):
    server.start()
    server.stop()
    (server.data / "PG_VERSION").write_text("12\n")
    with pytest.raises(MachineError, match="made by PostgreSQL 12"):
        server.start()


@as_root
@pytest.mark.parametrize("identity", ["--map-root", "--nobody"])
def test_root_hands_over_its_rights_either_way(home: Path, identity: str):
    server = Postgres(home, identity=identity)
    try:
        with psycopg.connect(server.start()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        place = server.data
    finally:
        server.destroy()
    assert not place.exists()


def test_a_folder_without_programs_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(postgres.BINARIES_VARIABLE, str(tmp_path))
    with pytest.raises(MachineError, match=postgres.BINARIES_VARIABLE):
        postgres.find_binaries()


def test_nothing_is_left_behind(own_postgres: Callable[[], Postgres]):
    server = own_postgres()
    assert server.process is not None
    pid = server.process.pid
    server.destroy()
    assert not server.data.exists()
    assert not server.sockets.exists()
    assert not is_running(pid)
