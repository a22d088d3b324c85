"""What every benchmark shares: a database of its own, interleaved rounds, medians, ratios with their goals.

Absolute rates depend on the machine, ratios hardly do: only ratios have goals. Subject and peers run in the same rounds
on the same server, in an order that turns round every time; a variant whose outcome is wrong has no figure.
"""

import json
import os
import platform
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from sandbox.machine.postgres import Postgres


@contextmanager
def database(name: str) -> Iterator[str]:
    """A fresh, migrated database and Django set up for it: on DATABASE_URL's server, or on an embedded one that syncs
    to disk as a production server does."""
    given = os.environ.get("DATABASE_URL")
    own = None if given else Postgres(Path(tempfile.mkdtemp(prefix="handoff-bench-")))
    server = own.start() if own is not None else str(given)
    mine = f"bench_{name}_{os.getpid()}"
    try:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {mine}")
        _set_up(urlunsplit(urlsplit(server)._replace(path=f"/{mine}")))
        yield mine
    finally:
        _forget(server, mine)
        if own is not None:
            own.destroy()


def _set_up(url: str) -> None:
    os.environ.update(DATABASE_URL=url, DJANGO_SETTINGS_MODULE="config.settings", LOG_LEVEL="ERROR")
    os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(48))
    os.environ.setdefault("STATEMENT_TIMEOUT_MS", "600000")  # filling tables is no request
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _forget(server: str, name: str) -> None:
    from django.db import connections

    connections.close_all()
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


# ── measuring ────────────────────────────────────────────────────────────────────────────────────────────────────
def timed(calls: Sequence[Callable[[], Any]]) -> list[float]:
    """Milliseconds of each call."""
    took = []
    for call in calls:
        start = time.perf_counter()
        call()
        took.append((time.perf_counter() - start) * 1000)
    return took


def interleaved(
    variants: Mapping[str, Callable[[], dict[str, float]]], *, rounds: int
) -> dict[str, list[dict[str, float]]]:
    """Run every variant once a round, in turning order; each returns the figures of one round."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
    names = list(variants)
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            found[name].append(variants[name]())
    return found


def median(rounds: Sequence[Mapping[str, float]], figure: str) -> float:
    return statistics.median(one[figure] for one in rounds)


def best(rounds: Sequence[Mapping[str, float]], figure: str) -> float:
    """The round that other programs disturbed least: for ratios between figures that cannot run side by side."""
    return min(one[figure] for one in rounds)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


# ── reporting ────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Ratio:
    """A figure with a goal: at least `at_least`, or at most `at_most`."""

    what: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def reached(self) -> bool:
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    @property
    def goal(self) -> str:
        return f">= {self.at_least:g}" if self.at_least is not None else f"<= {self.at_most:g}"


@dataclass
class Report:
    """The figures of one area, as tables of Markdown and as JSON."""

    area: str
    quick: bool
    machine: str
    tables: list[tuple[str, list[str], list[list[str]]]] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    rounds: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def table(self, title: str, head: list[str], rows: list[list[Any]]) -> None:
        self.tables.append((title, head, [[shown(cell) for cell in row] for row in rows]))

    def ratio(self, what: str, value: float, *, at_least: float | None = None, at_most: float | None = None) -> None:
        self.ratios.append(Ratio(what, value, at_least, at_most))

    def check(self, right: bool, what: str) -> None:
        """A variant that does not do its work right has no figure."""
        if not right:
            self.wrong.append(what)

    @property
    def passed(self) -> bool:
        return not self.wrong and all(ratio.reached for ratio in self.ratios)

    def as_markdown(self) -> str:
        lines = [f"## {self.area}", "", self.machine, ""]
        for title, head, rows in self.tables:
            lines += [f"**{title}**", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
            lines += [f"| {' | '.join(row)} |" for row in rows] + [""]
        lines += ["| ratio | value | goal | |", "|---|---|---|---|"]
        lines += [f"| {r.what} | {shown(r.value)} | {r.goal} | {'✓' if r.reached else '✗'} |" for r in self.ratios]
        lines += [f"WRONG: {what}" for what in self.wrong]
        return "\n".join(lines)

    def as_json(self) -> str:
        ratios = [{**asdict(ratio), "reached": ratio.reached} for ratio in self.ratios]
        known = {"area": self.area, "quick": self.quick, "machine": self.machine, "passed": self.passed}
        return json.dumps({**known, "ratios": ratios, "wrong": self.wrong, "rounds": self.rounds}, indent=1)


def shown(value: Any) -> str:
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def machine() -> str:
    load = os.getloadavg()[0]
    return f"Python {platform.python_version()}, PostgreSQL {_server()}, {os.cpu_count()} cores, load {load:.1f}"


def _server() -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        version = str(cursor.fetchone()[0])
        cursor.execute("SELECT current_setting('fsync'), current_setting('synchronous_commit')")
        fsync, commit = cursor.fetchone()
        return f"{version} (fsync {fsync}, synchronous_commit {commit})"
