"""From a webhook's receipt to its effect: our work queue and its worker beside one Celery task per event.

The effect is one UPDATE of one of 10,000 orders, a tenth of the events come twice. The clock of "processed" stops when
nothing is left to do; a variant that loses an event, or does one twice, has no figure. The peer is the usual way:
get_or_create in the view, a task on commit, two prefork processes, the same web server, PostgreSQL and Valkey.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from sandbox.machine import children
from sandbox.machine.valkey import Valkey
from tests.benchmarks import harness, load, servers
from tests.benchmarks.harness import Report
from tests.benchmarks.load import Plan
from tests.benchmarks.servers import Server

SECRET = "the-secret-of-the-benchmark"
ORDERS = 10_000
DUPLICATES = 0.1
IDLE_S = 30.0
PATIENCE_S = 240.0
OURS, EACH, KILLED = "lane + worker", "lane + worker, a statement per event", "lane + worker, killed at 2 s"
USUAL = "get_or_create + Celery task"
DRAIN, BEAT, NUDGED = "drain (shipped)", "one drain a second, by hand", "coalesced wake-up"
FRESH, IDLE, TRAPPED = "fresh worker", "after idle polling", "after idle polling, prepared statements"
WORKER = [sys.executable, "-m", "tests.benchmarks.peers.inbox"]


@dataclass(frozen=True)
class Way:
    """What is served, and the program that works it off."""

    application: str
    worker: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)


CELERY = [sys.executable, "-m", "celery", "-A", "tests.benchmarks.peers.one_task_each", "worker", "-c", "2"]
USUAL_SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.benchmarks.peers.settings_of_one_task_each"}
WAYS = {
    OURS: Way("config.wsgi:application", [*WORKER, "drain"]),
    EACH: Way("config.wsgi:application", [*WORKER, "drain"], {"PIPELINE_EACH": "1"}),
    USUAL: Way("tests.benchmarks.peers.one_task_each:application", [*CELERY, "-l", "error"], USUAL_SETTINGS),
}
WAKE_UPS = {
    DRAIN: Way("config.wsgi:application", [*WORKER, "drain"]),
    BEAT: Way("config.wsgi:application", [*WORKER, "beat"]),
    NUDGED: Way("tests.benchmarks.peers.nudging_lane:application", [*WORKER, "nudged"]),
}


def run(*, quick: bool) -> Report:
    with harness.database("pipeline"), TemporaryDirectory() as folder, broker(Path(folder)):
        bench = Bench(Report("Accepted and processed", quick, harness.machine()), Path(folder), quick)
        bench.prepare()
        bench.throughput()
        bench.latency()
        bench.backlog()
        return bench.report


@contextmanager
def broker(folder: Path) -> Iterator[None]:
    if os.environ.get("BROKER_URL"):
        yield
        return
    valkey = Valkey(folder)
    valkey.start()
    os.environ["BROKER_URL"] = valkey.url
    try:
        yield
    finally:
        valkey.destroy()


class Bench:
    def __init__(self, report: Report, folder: Path, quick: bool) -> None:
        self.report, self.folder, self.quick = report, folder, quick
        self.environment = {**os.environ, "STRIPE_WEBHOOK_SECRET": SECRET, "HANDOFF_PROCESS": "web"}
        self.link = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)

    def prepare(self) -> None:
        self.link.execute("CREATE TABLE bench_order (id int PRIMARY KEY, effects int NOT NULL DEFAULT 0)")
        self.link.execute(f"INSERT INTO bench_order SELECT generate_series(0, {ORDERS - 1})")

    # ── how many ─────────────────────────────────────────────────────────────────────────────────────────────
    def throughput(self) -> None:
        runs: dict[str, Callable[[], dict[str, float]]] = {
            **{name: partial(self.processed, name, way) for name, way in WAYS.items()},
            KILLED: partial(self.processed, KILLED, WAYS[OURS], kill_after_s=2.0),
        }
        found = harness.interleaved(runs, rounds=1 if self.quick else 3)
        self.report.rounds["throughput"] = found
        columns = ["processed", "rate", "p50_ms", "p99_ms", "lag_s", "cpu_us"]
        rows = [[name, *(harness.median(figures, column) for column in columns)] for name, figures in found.items()]
        head = ["", "processed/s", "accepted/s", "accept p50 ms", "accept p99 ms", "drain lag s", "CPU µs, Python"]
        self.report.table(f"At full speed, {DUPLICATES:.0%} sent twice", head, rows)
        ours, usual = (harness.median(found[name], "processed") for name in (OURS, USUAL))
        self.report.ratio(f"processed: {OURS} ÷ {USUAL}", ours / usual, at_least=10)
        self.report.ratio(f"processed: {EACH} ÷ {USUAL}", harness.median(found[EACH], "processed") / usual, at_least=10)
        self.report.ratio(f"drain lag of {OURS}, s", harness.median(found[OURS], "lag_s"), at_most=0.2)

    def processed(self, name: str, way: Way, kill_after_s: float = 0.0) -> dict[str, float]:
        seconds = 3.0 if self.quick else 4.0
        plan = Plan(0, "/webhooks/stripe", SECRET, seconds, int(seconds * 9_000), DUPLICATES, orders=ORDERS)
        with self.serving(way) as server, self.working(way) as worker:
            self.warm_up(server)
            before_s, begin = server.cpu_s() + worker.cpu_s(), time.monotonic()
            running = load.start(Plan(**{**plan.__dict__, "port": server.port}))
            if kill_after_s:
                self.kill_and_replace(worker, way, begin + kill_after_s)
            accepted = load.finish(running)
            ended = time.monotonic()
            self.until_done(name)
            lag_s = time.monotonic() - ended
            cpu_s = server.cpu_s() + worker.cpu_s() - before_s  # a killed worker's share is missing
        self.check(name, accepted)
        took_s = accepted["sent"] / accepted["rate"] + lag_s
        figures = {"processed": accepted["distinct"] / took_s, "lag_s": lag_s}
        return {**accepted, **figures, "cpu_us": cpu_s / accepted["distinct"] * 1e6}

    # ── how soon ─────────────────────────────────────────────────────────────────────────────────────────────
    def latency(self) -> None:
        """300 events a second, and how long each waited: to poll without pause, or to be woken."""
        runs = {name: partial(self.waited, name, way) for name, way in WAKE_UPS.items()}
        found = harness.interleaved(runs, rounds=1 if self.quick else 3)
        self.report.rounds["latency"] = found
        columns = ["p50", "p99", "worst", "idle_cpu", "accept_p99_ms"]
        rows = [[name, *(harness.median(figures, column) for column in columns)] for name, figures in found.items()]
        head = ["", "p50 ms", "p99 ms", "worst ms", "idle worker, % of a core", "accept p99 ms"]
        self.report.table("Receipt to effect at 300 events/s", head, rows)
        self.report.ratio("receipt to effect p99, ms", harness.median(found[DRAIN], "p99"), at_most=200)

    def waited(self, name: str, way: Way) -> dict[str, float]:
        seconds = 4.0 if self.quick else 10.0
        plan = Plan(0, "/webhooks/stripe", SECRET, seconds, int(seconds * 320), per_second=300, orders=ORDERS)
        with self.serving(way) as server, self.working(way) as worker:
            self.warm_up(server)
            before_s = worker.cpu_s()
            time.sleep(2.0)
            idle = (worker.cpu_s() - before_s) / 2.0 * 100
            accepted = load.run(Plan(**{**plan.__dict__, "port": server.port}))
            self.until_done(name)
        self.check(name, accepted)
        waits = [
            float(milliseconds)
            for [milliseconds] in self.link.execute(
                "SELECT extract(epoch FROM processed_at - created_at) * 1000 FROM webhook_events ORDER BY 1"
            )
        ]
        at = partial(harness.percentile, waits)
        figures = {"p50": at(0.5), "p99": at(0.99), "worst": waits[-1], "idle_cpu": idle}
        return {**figures, "accept_p99_ms": accepted["p99_ms"]}

    # ── a backlog ────────────────────────────────────────────────────────────────────────────────────────────
    def backlog(self) -> None:
        """50,000 events at once, for a worker that just started and for one that polled an empty table before.

        The third worker lets the server prepare its statements: it keeps the plan for the empty table. It shows that
        this benchmark would see the trap.
        """
        prepared = {"PIPELINE_PREPARE": "5"}
        runs: dict[str, Callable[[], dict[str, float]]] = {
            FRESH: partial(self.drained, idle_s=1.0),
            IDLE: partial(self.drained, idle_s=IDLE_S if not self.quick else 5.0),
            TRAPPED: partial(self.drained, idle_s=IDLE_S if not self.quick else 5.0, environment=prepared),
        }
        found = harness.interleaved(runs, rounds=1 if self.quick else 3)
        self.report.rounds["backlog"] = found
        rates = {name: harness.median(figures, "rate") for name, figures in found.items()}
        self.report.table("A backlog of 50,000", ["", "events/s"], [[name, rate] for name, rate in rates.items()])
        self.report.ratio(f"backlog: {IDLE} ÷ {FRESH}", rates[IDLE] / rates[FRESH], at_least=0.8)

    def drained(self, *, idle_s: float, environment: Mapping[str, str] | None = None) -> dict[str, float]:
        events = 10_000 if self.quick else 50_000
        self.empty()
        self.link.execute("VACUUM ANALYZE webhook_events")
        with self.working(Way("", [*WORKER, "drain"], environment or {})):
            time.sleep(idle_s)
            self.link.execute(
                "INSERT INTO webhook_events (provider, event_type, event_id, payload) "
                "SELECT 'stripe', 'balance.available', 'evt_' || n, "
                "jsonb_build_object('data', jsonb_build_object('object', jsonb_build_object('order', n %% %s))) "
                "FROM generate_series(1, %s) n",
                [ORDERS, events],
            )
            begin = time.monotonic()
            self.until_done("a backlog")
            took_s = time.monotonic() - begin
        [effects] = self.one("SELECT sum(effects) FROM bench_order")
        self.report.check(effects == events, f"a backlog of {events}: {effects} effects")
        return {"rate": events / took_s}

    # ── parts ────────────────────────────────────────────────────────────────────────────────────────────────
    @contextmanager
    def serving(self, way: Way) -> Iterator[Server]:
        environment = {**self.environment, **way.environment}
        with servers.granian(way.application, environment, self.folder / "server.log") as server:
            yield server

    @contextmanager
    def working(self, way: Way) -> Iterator[Server]:
        """The worker, once it is ready: it has done a first event."""
        worker = Server(self.begin(way), 0)
        try:
            if way.worker[:3] == WORKER:
                self.await_worker()
            else:
                time.sleep(8.0)  # Celery takes messages when its processes are up; none is waiting yet
            yield worker
        finally:
            children.stop_child(worker.process, grace_s=5)
            children.kill_group(worker.process)

    def begin(self, way: Way) -> "subprocess.Popen[bytes]":
        environment = {**self.environment, "HANDOFF_PROCESS": "worker", **way.environment}
        with (self.folder / "worker.log").open("ab") as log:
            return children.start_child(way.worker, log=log, env=environment)

    def await_worker(self) -> None:
        self.empty()
        self.link.execute(
            "INSERT INTO webhook_events (provider, event_type, event_id, payload) VALUES "
            """('stripe', 'balance.available', 'evt_first', '{"data": {"object": {"order": 0}}}')"""
        )
        self.until_done("the worker")
        self.empty()

    def warm_up(self, server: Server) -> None:
        load.run(Plan(server.port, "/webhooks/stripe", SECRET, 1.0, 1_000, per_second=300, first=10_000_000))
        self.until_done("the warm-up")
        self.empty()

    def kill_and_replace(self, worker: Server, way: Way, at: float) -> None:
        time.sleep(max(0.0, at - time.monotonic()))
        children.kill_group(worker.process)
        worker.process.wait()
        worker.process = self.begin(way)

    def empty(self) -> None:
        self.link.execute("TRUNCATE webhook_events CASCADE")
        self.link.execute("UPDATE bench_order SET effects = 0 WHERE effects <> 0")

    def until_done(self, what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.one("SELECT count(*) FROM webhook_events WHERE state IN ('pending', 'leased')") != (0,):
            if time.monotonic() > deadline:
                tail = children.read_tail(self.folder / "worker.log", 20)
                raise RuntimeError(f"{what}: not done in {PATIENCE_S:.0f} s:\n{tail}")
            time.sleep(0.02)

    def check(self, name: str, accepted: Mapping[str, float]) -> None:
        found = self.one("SELECT count(*), count(*) FILTER (WHERE state = 'done') FROM webhook_events")
        [effects] = self.one("SELECT sum(effects) FROM bench_order")
        distinct = accepted["distinct"]
        right = found == (distinct, distinct) and effects == distinct and not accepted["refused"]
        self.report.check(right, f"{name}: {accepted}; {found} stored and done, {effects} effects")

    def one(self, query: str) -> tuple[Any, ...]:
        return self.link.execute(query).fetchone() or ()
