"""Riders' positions: accepted by HTTP, a steady stream of them, and how soon watchers see them.

5,000 riders, a fifth of them with an order in transit. The peer is the usual way (peers/position_views.py: a DRF view
that saves, and judges nothing), the limits are a view that does nothing, and rows written in batches without any HTTP.
All on granian with 2 workers of 8 threads, 16 requests under way.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from tests.benchmarks import harness, load, position_load, position_watchers, riders_reporting, servers
from tests.benchmarks.bench_pipeline import broker
from tests.benchmarks.harness import Report
from tests.benchmarks.load import Plan

RIDERS, CARRYING = 5_000, 1_000
PER_SECOND = 500.0
BATCH = 500
LANE, VIEW = "lane, those that arrive together share a transaction", "the same rules in the Django view, one by one"
USUAL, EMPTY = "DRF view with save()", "empty WSGI function"
UPSERTS = f"rows alone: UNNEST upserts of {BATCH}, no HTTP"
PLAIN = {"DJANGO_SETTINGS_MODULE": "tests.benchmarks.peers.settings_of_position_views"}


@dataclass(frozen=True)
class Variant:
    """What is served; `writes`: it leaves spots and tracks behind."""

    application: str
    environment: Mapping[str, str] = field(default_factory=dict)
    writes: bool = True


VARIANTS = {
    LANE: Variant("config.wsgi:application"),
    VIEW: Variant("tests.benchmarks.peers.plain_view:application"),
    USUAL: Variant("tests.benchmarks.peers.position_views:application", PLAIN),
    EMPTY: Variant("tests.benchmarks.peers.position_views:empty", PLAIN, writes=False),
}


def run(*, quick: bool) -> Report:
    with harness.database("positions"), TemporaryDirectory() as folder, broker(Path(folder)):
        report = Report("Positions", quick, harness.machine())
        bench = Positions(report, Path(folder), quick)
        bench.prepare()
        bench.throughput()
        bench.steady()
        position_watchers.measure(report, bench.environment, Path(folder), quick=quick)
        return report


class Positions:
    def __init__(self, report: Report, folder: Path, quick: bool) -> None:
        self.report, self.folder, self.quick = report, folder, quick
        self.environment = {**os.environ, "HANDOFF_PROCESS": "web"}
        self.link = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
        self.plan = Plan(0, position_load.PATH, os.environ["SECRET_KEY"], 0.0, orders=RIDERS)

    def prepare(self) -> None:
        riders_reporting.fill(self.link, riders=RIDERS, carrying=CARRYING)

    # ── how many ─────────────────────────────────────────────────────────────────────────────────────────────
    def throughput(self) -> None:
        runs: dict[str, Callable[[], dict[str, float]]] = {
            **{name: partial(self.accepted, name, variant) for name, variant in VARIANTS.items()},
            UPSERTS: self.upserted,
        }
        found = harness.interleaved(runs, rounds=3 if self.quick else 5)
        self.report.rounds["accepted"] = found
        rate = {name: harness.median(figures, "rate") for name, figures in found.items()}
        columns = ["p50_ms", "p99_ms", "server_us", "postgres_us"]
        rows = [
            [
                name,
                rate[name],
                rate[LANE] / rate[name],
                *(harness.median(figures, column) if column in figures[0] else "–" for column in columns),
            ]
            for name, figures in found.items()
        ]
        head = ["", "positions/s", "lane ÷ this", "p50 ms", "p99 ms", "CPU µs, server", "CPU µs, PostgreSQL"]
        self.report.table("Accepted, at full speed", head, rows)
        self.report.ratio(f"the lane ÷ {USUAL}", rate[LANE] / rate[USUAL], at_least=3)
        self.report.ratio(f"the lane ÷ the target of {PER_SECOND:.0f}/s", rate[LANE] / PER_SECOND, at_least=2)

    def accepted(self, name: str, variant: Variant) -> dict[str, float]:
        seconds = 2.0 if self.quick else 5.0
        with servers.granian(
            variant.application, {**self.environment, **variant.environment}, self.folder / "server.log"
        ) as server:
            warm = self.report_positions(server.port, seconds=1.0, events=3_000)
            riders_reporting.forget(self.link)
            before = (server.cpu_s(), riders_reporting.postgres_cpu_s(self.link), riders_reporting.orders(self.link))
            figures = self.report_positions(server.port, seconds=seconds, events=int(seconds * 8_000))
            server_s = server.cpu_s() - before[0]
            postgres_s = riders_reporting.postgres_cpu_s(self.link) - before[1]
        if variant.writes:
            self.check(name, figures, warm["refused"] == 0 and before[2] == riders_reporting.orders(self.link))
        cpu = {"server_us": server_s / figures["sent"] * 1e6, "postgres_us": postgres_s / figures["sent"] * 1e6}
        return {**figures, **cpu}

    def report_positions(self, port: int, **changes: float) -> dict[str, float]:
        plan = Plan(**{**self.plan.__dict__, "port": port, **changes})  # type: ignore[arg-type]
        return load.finish(position_load.start(plan))

    def check(self, name: str, figures: Mapping[str, float], right: bool) -> None:
        """Every rider is where they said last, and every point of those who carry was kept."""
        sent = int(figures["sent"])
        turns, rest = divmod(sent, RIDERS)
        expected = sum(turns + (number < rest) for number in range(0, RIDERS, RIDERS // CARRYING))
        [moved] = self.link.execute(
            "SELECT count(*) FROM riders_riderspot WHERE seen_at > now() - interval '50 seconds'"
        ).fetchone() or [0]
        [tracks] = self.link.execute("SELECT count(*) FROM deliveries_track").fetchone() or [0]
        right = right and figures["refused"] == 0 and moved == min(sent, RIDERS) and tracks == expected
        told = f"{name}: {figures}, {moved} moved, {tracks} of {expected} track points, or orders written"
        self.report.check(right, f"{told}; {(self.folder / 'server.log').read_text()[-300:]}")

    def upserted(self) -> dict[str, float]:
        """The limit of the rows: the newest of each rider, one client, nothing read, nothing judged."""
        statement = """
            INSERT INTO riders_riderspot (rider_id, latitude, longitude, spot, accuracy_m, seen_at, load, free)
            SELECT n.id, n.lat, n.lng, point(n.lng, n.lat), 5, now(), 0, true
            FROM unnest(%b::bigint[], %b::float8[], %b::float8[]) AS n(id, lat, lng)
            ON CONFLICT (rider_id) DO UPDATE SET latitude = excluded.latitude, longitude = excluded.longitude,
                spot = excluded.spot, accuracy_m = excluded.accuracy_m, seen_at = excluded.seen_at
        """
        riders_reporting.forget(self.link)
        begin, ends, rows = time.perf_counter(), time.perf_counter() + (1.0 if self.quick else 3.0), 0
        before_s = riders_reporting.postgres_cpu_s(self.link)
        while time.perf_counter() < ends:
            ids = [1 + (rows + number) % RIDERS for number in range(BATCH)]
            lats = [position_load.CENTRE_LAT + one / 100_000 + rows % 7 / 20_000 for one in ids]
            self.link.execute(statement, [ids, lats, lats])
            rows += BATCH
        postgres_s = riders_reporting.postgres_cpu_s(self.link) - before_s
        return {"rate": rows / (time.perf_counter() - begin), "postgres_us": postgres_s / rows * 1e6}

    # ── a steady stream ──────────────────────────────────────────────────────────────────────────────────────
    def steady(self) -> None:
        """What 5,000 riders send who report every ten seconds, while the outbox is drained beside it."""
        seconds = 8.0 if self.quick else 30.0
        with (
            servers.granian("config.wsgi:application", self.environment, self.folder / "server.log") as server,
            position_watchers.outbox(self.environment, self.folder) as worker,
        ):
            self.report_positions(server.port, seconds=1.0, events=1_000)
            riders_reporting.forget(self.link)
            updates = riders_reporting.updated(self.link)
            before = (server.cpu_s(), riders_reporting.postgres_cpu_s(self.link), worker.cpu_s())
            events = int(seconds * PER_SECOND)
            figures = self.report_positions(server.port, seconds=seconds + 5, events=events, per_second=PER_SECOND)
            after = (server.cpu_s(), riders_reporting.postgres_cpu_s(self.link), worker.cpu_s())
        self.check("a steady stream", figures, figures["sent"] == events)
        time.sleep(1.5)  # statistics are written a little later
        hot = riders_reporting.hot_share(self.link, updates)
        busy = [(then - now) / seconds * 100 for now, then in zip(before, after, strict=True)]
        told = [figures["sent"] / events, figures["p50_ms"], figures["p99_ms"], *busy, hot]
        self.report.rounds["steady"] = {
            **figures,
            "server": busy[0],
            "postgres": busy[1],
            "outbox": busy[2],
            "hot": hot,
        }
        head = ["answered", "p50 ms", "p99 ms", "server, % of a core", "PostgreSQL, %", "outbox worker, %", "HOT share"]
        self.report.table(f"{RIDERS:,} riders every ten seconds: {PER_SECOND:.0f}/s", head, [told])
        self.report.ratio("answered ÷ sent", figures["sent"] / events, at_least=1)
        self.report.ratio("p99 at 500/s, ms", figures["p99_ms"], at_most=100)
