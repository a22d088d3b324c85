"""Courier companies: many jobs on bad lines, the way from the five-minute rule to our own rider, drivers' positions.

Jobs run through the real work queues, with companies in this process that lose answers and drop webhooks: nothing may
be carried twice, and nothing forgotten. Positions come by Uber's signed webhooks, beside the same reader without its
shared statement.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from sandbox.machine import children
from tests.benchmarks import courier_load, harness, load, servers
from tests.benchmarks.bench_pipeline import broker
from tests.benchmarks.harness import Report
from tests.benchmarks.load import Plan
from tests.benchmarks.servers import Server

LOST, DROPPED = 0.1, 0.3
SILENT_S, POLL_EVERY_S = 4.0, 1.0  # two minutes of the real clock, when a whole delivery takes a few seconds
MOVE_EVERY_S = 1.5
LANES = ("couriers", "dispatch", "jobs", "webhooks")
KEY = "the-signing-key-of-the-benchmark"
LIVE_JOBS, PER_MINUTE = 1_000, 20
TOGETHER, EACH = "updates of a chunk share a statement (what runs)", "each update by itself"
WORKER = [sys.executable, "-m", "tests.benchmarks.peers.courier_reader"]


def run(*, quick: bool) -> Report:
    with harness.database("couriers"), TemporaryDirectory() as folder, broker(Path(folder)):
        report = Report("Couriers", quick, harness.machine())
        Positions(report, Path(folder), quick).run()
        bad_lines(report, 1_000 if quick else 10_000)
        five_minutes(report, 40 if quick else 200)
        return report


# ── jobs on bad lines ────────────────────────────────────────────────────────────────────────────────────────────
def bad_lines(report: Report, many: int) -> None:
    from tests.benchmarks import courier_city

    companies = {name: courier_city.Forgetful(name, lost=LOST, dropped=DROPPED) for name in ("alpha", "beta")}
    with known(companies):
        for name in companies:
            requestable(many // 2, name)
        begin = time.monotonic()
        with courier_city.working(LANES):
            live_through(companies, many)
            took_s = time.monotonic() - begin
        counts: Counter[str] = sum((company.counts for company in companies.values()), Counter())
        doubles, orphans = wrong_jobs(companies)
    report.check((doubles, orphans) == (0, 0), f"{doubles} doubles, {orphans} orphans")
    report.check(delivered() == many, f"{delivered()} of {many} delivered")
    head = ["jobs", "jobs/s", "answers lost", "webhooks sent", "dropped", "polls", "doubles", "orphans"]
    told = [counts[name] for name in ("answers lost", "webhooks sent", "webhooks dropped", "polls")]
    report.table("From the request to the door", head, [[many, many / took_s, *told, doubles, orphans]])
    report.rounds["bad lines"] = {"took_s": took_s, "jobs": many, **counts}
    report.ratio("doubles and orphans", doubles + orphans, at_most=0)


@contextmanager
def known(companies: Mapping[str, Any]) -> Iterator[None]:
    """These are the companies, and only they are read."""
    from deliveries.couriers import providers
    from deliveries.couriers.webhooks import CourierWebhooks
    from webhooks import registry

    real = providers.courier_providers, registry.event_readers
    providers.courier_providers = lambda: companies  # type: ignore[assignment]
    doors = {name: CourierWebhooks(company) for name, company in companies.items()}
    registry.event_readers = lambda: doors  # type: ignore[assignment]
    try:
        yield
    finally:
        providers.courier_providers, registry.event_readers = real


def requestable(many: int, courier: str) -> None:
    """So many ready orders of one store, whose deliveries dispatch gives to this company at its first look."""
    from datetime import timedelta

    from django.utils import timezone

    from deliveries.models import CourierQuote
    from orders.models import Store
    from tests.races import crowd

    made = crowd.deliveries(many)
    policy = {"carried_by": Store.Carriers.PREFERRED, "preferred_carriers": [courier]}
    Store.objects.filter(pk=made[0].order.store_id).update(**policy)
    quoted = {"outcome": "ok", "fee_minor": 5_000, "currency": "INR", "expires_at": timezone.now() + timedelta(days=1)}
    CourierQuote.objects.bulk_create(CourierQuote(delivery=one, courier=courier, **quoted) for one in made)


def live_through(companies: Mapping[str, Any], many: int) -> None:
    """The jobs go on stage by stage, their webhooks arrive as rows, silent ones are polled, until all are delivered."""
    from deliveries.couriers import calls
    from webhooks.models import WebhookEvent

    moved = polled = time.monotonic()
    deadline = moved + 120 + many * 0.5
    while delivered() < many:
        now = time.monotonic()
        if now > deadline:
            return
        if now - moved >= MOVE_EVERY_S:
            moved = now
            for name, company in companies.items():
                WebhookEvent.objects.bulk_create(
                    WebhookEvent(provider=name, event_type=one["stage"], event_id=one["id"], payload=one)
                    for one in company.move_all()
                )
        if now - polled >= POLL_EVERY_S:
            polled = now
            calls.poll_silent(silent_s=SILENT_S, limit=500)
        time.sleep(0.1)


def delivered() -> int:
    from deliveries.models import Delivery

    return Delivery.objects.filter(status="delivered").count()


def wrong_jobs(companies: Mapping[str, Any]) -> tuple[int, int]:
    """Orders that more than one job was made for; jobs that live, or that no delivery stands for."""
    from deliveries.models import Delivery

    ours = set(Delivery.objects.values_list("external_id", flat=True))
    jobs = [job for company in companies.values() for job in company.jobs.values()]
    by_order = Counter(job.external_id.rpartition("-")[0] for job in jobs)
    doubles = sum(number > 1 for number in by_order.values())
    orphans = sum(job.external_id not in ours for job in jobs)
    return doubles, orphans + sum(len(company.live) for company in companies.values())


# ── the five-minute rule ─────────────────────────────────────────────────────────────────────────────────────────
def five_minutes(report: Report, many: int) -> None:
    """A company that does not answer: from the end of the contract's five minutes to the offer to one of our riders."""
    from datetime import timedelta

    from django.db import connection

    from deliveries.couriers import circuit_breaker
    from deliveries.models import Offer
    from foundation import clock
    from riders.models import RiderSpot
    from tests import builders
    from tests.benchmarks import courier_city

    company = courier_city.Forgetful("gamma", lost=1.0, dropped=1.0)
    with known({"gamma": company}):
        circuit_breaker.override_breaker("gamma", "closed", "all of them are to wait for it")
        requestable(many, "gamma")
        with courier_city.working(["dispatch", "couriers"]):
            courier_city.until(lambda: first_tries() == many, patience_s=120)
        for _ in range(many // 2):
            builders.rider(at=builders.CENTRE)
        RiderSpot.objects.update(seen_at=clock.now() + timedelta(hours=1))  # they stay about for the whole run
        only_riders_from_now_on(many)
        with courier_city.working(["jobs", "dispatch", "couriers"]):
            courier_city.until(lambda: Offer.objects.count() >= many, patience_s=120)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM f.created_at - g.due_at) * 1000 FROM deliveries_offer f"
            " JOIN deliveries_delivery d ON d.id = f.delivery_id JOIN bench_give_up g ON g.delivery_id = d.previous_id"
        )
        waits = [float(row[0]) for row in cursor.fetchall()]
    report.check(len(waits) == many, f"{len(waits)} of {many} given-up deliveries were offered")
    p50, p99 = harness.percentile(waits, 0.5), harness.percentile(waits, 0.99)
    report.table("Five minutes are over → offered to a rider", ["deliveries", "p50 ms", "p99 ms"], [[many, p50, p99]])
    report.rounds["five minutes"] = {"p50_ms": p50, "p99_ms": p99}
    report.ratio("five-minute rule to offer p99, ms", p99, at_most=2_000)


def first_tries() -> int:
    from deliveries.models import CourierCall

    return CourierCall.objects.filter(courier="gamma", purpose="create", first_failed_at__isnull=False).count()


def only_riders_from_now_on(many: int) -> None:
    """The store takes riders too, and the five minutes of one delivery after the other are over from now on."""
    from django.db import connection

    from orders.models import Store

    Store.objects.filter(preferred_carriers=["gamma"]).update(preferred_carriers=["gamma", "in_house"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM foundation_job WHERE handler = 'deliveries.courier_time_is_up'")
        assert cursor.fetchone()[0] >= many
        cursor.execute(
            "WITH late AS (SELECT id, row_number() OVER () AS n FROM foundation_job"
            " WHERE handler = 'deliveries.courier_time_is_up' AND state = 'pending' AND subject IN ("
            "   SELECT 'delivery:' || id FROM deliveries_delivery WHERE courier = 'gamma'))"
            " UPDATE foundation_job j SET due_at = clock_timestamp() + make_interval(secs => 2 + n * 0.2)"
            " FROM late WHERE late.id = j.id"
        )
        cursor.execute(
            "CREATE TABLE bench_give_up AS SELECT split_part(subject, ':', 2)::bigint AS delivery_id, due_at"
            " FROM foundation_job WHERE handler = 'deliveries.courier_time_is_up' AND state = 'pending'"
        )


# ── positions ────────────────────────────────────────────────────────────────────────────────────────────────────
class Positions:
    """1,000 live jobs of Uber, whose drivers report their position 20 times a minute."""

    def __init__(self, report: Report, folder: Path, quick: bool) -> None:
        self.report, self.folder, self.quick = report, folder, quick
        self.environment = {**os.environ, "UBER_WEBHOOK_SIGNING_KEY": KEY, "HANDOFF_PROCESS": "web"}
        self.link = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)

    def run(self) -> None:
        self.prepare()
        variants = {TOGETHER: {}, EACH: {"COURIER_EACH": "1"}}
        rounds = 1 if self.quick else 3
        self.live({name: partial(self.reported, name, extra) for name, extra in variants.items()}, rounds)
        self.flood({name: partial(self.drained, name, extra) for name, extra in variants.items()}, rounds)

    def prepare(self) -> None:
        from deliveries.models import CourierJob, Delivery
        from foundation import clock
        from tests.races import crowd

        made = crowd.deliveries(LIVE_JOBS)
        for number, delivery in enumerate(made):
            delivery.courier, delivery.status, delivery.state = "uber", "in_transit", "done"
            delivery.external_id = f"bench-{number}"
        Delivery.objects.bulk_update(made, ["courier", "status", "state", "external_id"], batch_size=500)
        CourierJob.objects.bulk_create(
            CourierJob(delivery=one, reference=f"del_{number}", last_heard_at=clock.now())
            for number, one in enumerate(made)
        )
        self.link.execute("VACUUM ANALYZE deliveries_delivery")

    def live(self, runs: Mapping[str, Callable[[], dict[str, float]]], rounds: int) -> None:
        found = harness.interleaved(runs, rounds=rounds)
        self.report.rounds["positions"] = found
        columns = ["rate", "accept_p99_ms", "p50", "p99", "server_us", "worker_us"]
        rows = [[name, *(harness.median(figures, column) for column in columns)] for name, figures in found.items()]
        head = ["", "accepted/s", "accept p99 ms", "to effect p50 ms", "p99 ms", "CPU µs, server", "CPU µs, worker"]
        rate = LIVE_JOBS * PER_MINUTE / 60
        self.report.table(f"{LIVE_JOBS:,} live jobs, {PER_MINUTE} positions a minute each ({rate:.0f}/s)", head, rows)
        self.report.ratio("accepted ÷ sent rate", harness.median(found[TOGETHER], "rate") / rate, at_least=0.97)
        self.report.ratio("receipt to effect p99, ms", harness.median(found[TOGETHER], "p99"), at_most=200)

    def flood(self, runs: Mapping[str, Callable[[], dict[str, float]]], rounds: int) -> None:
        found = harness.interleaved(runs, rounds=rounds)
        self.report.rounds["backlog"] = found
        rate = {name: harness.median(figures, "rate") for name, figures in found.items()}
        self.report.table("A backlog of positions", ["", "positions/s"], [[name, one] for name, one in rate.items()])
        self.report.ratio("positions/s: shared statement ÷ each by itself", rate[TOGETHER] / rate[EACH], at_least=1.5)

    # ── one round ────────────────────────────────────────────────────────────────────────────────────────────────
    def reported(self, name: str, extra: Mapping[str, str]) -> dict[str, float]:
        per_second, seconds = LIVE_JOBS * PER_MINUTE / 60, 5.0 if self.quick else 15.0
        plan = Plan(0, "/webhooks/uber", KEY, seconds, int(seconds * per_second), per_second=per_second)
        with (
            servers.granian("config.wsgi:application", self.environment, self.folder / "server.log") as server,
            self.reading(extra) as worker,
        ):
            plan = Plan(**{**plan.__dict__, "port": server.port, "orders": LIVE_JOBS})
            load.finish(courier_load.start(Plan(**{**plan.__dict__, "events": 400, "first": 10_000_000})))
            self.until_done()
            self.empty()
            before, orders = (server.cpu_s(), worker.cpu_s()), self.orders()
            accepted = load.finish(courier_load.start(plan))
            self.until_done()
            server_s, worker_s = server.cpu_s() - before[0], worker.cpu_s() - before[1]
        self.check(name, accepted["distinct"], accepted["refused"] == 0 and orders == self.orders())
        waits = "SELECT extract(epoch FROM processed_at - created_at) * 1000 FROM webhook_events"
        at = partial(harness.percentile, [float(row[0]) for row in self.link.execute(waits)])
        cpu = {"server_us": server_s / accepted["sent"] * 1e6, "worker_us": worker_s / accepted["sent"] * 1e6}
        return {**accepted, "accept_p99_ms": accepted["p99_ms"], "p50": at(0.5), "p99": at(0.99), **cpu}

    def drained(self, name: str, extra: Mapping[str, str]) -> dict[str, float]:
        events = 2_000 if self.quick else 10_000
        with self.reading(extra):
            self.empty()
            orders = self.orders()
            self.store(events)
            begin = time.monotonic()
            self.until_done()
            took_s = time.monotonic() - begin
        self.check(name, events, orders == self.orders())
        return {"rate": events / took_s}

    # ── parts ────────────────────────────────────────────────────────────────────────────────────────────────────
    @contextmanager
    def reading(self, extra: Mapping[str, str]) -> Iterator[Server]:
        """The worker, once it has read a first event."""
        environment = {**self.environment, "HANDOFF_PROCESS": "worker", **extra}
        with servers.process(WORKER, environment, self.folder / "worker.log") as running:
            self.empty()
            self.store(1)
            self.until_done()
            self.empty()
            yield Server(running, 0)

    def store(self, events: int) -> None:
        import json

        with self.link.transaction(), self.link.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO webhook_events (provider, event_type, event_id, payload)"
                " VALUES ('uber', 'event.courier_update', %s, %s::jsonb)",
                [(f"stored-{n}", json.dumps(courier_load.update(n, LIVE_JOBS))) for n in range(events)],
            )

    def empty(self) -> None:
        self.link.execute("TRUNCATE webhook_events, deliveries_track CASCADE")

    def orders(self) -> str:
        """Changes with every write to any order."""
        [text] = self.one(
            "SELECT md5(string_agg(id || ':' || xmin::text || ':' || version, ',' ORDER BY id)) FROM orders_order"
        )
        return str(text)

    def until_done(self) -> None:
        deadline = time.monotonic() + 120
        while self.one("SELECT count(*) FROM webhook_events WHERE state IN ('pending', 'leased')") != (0,):
            if time.monotonic() > deadline:
                raise RuntimeError(f"not done in time:\n{children.read_tail(self.folder / 'worker.log', 20)}")
            time.sleep(0.02)

    def check(self, name: str, events: float, right: bool) -> None:
        done = self.one("SELECT count(*) FROM webhook_events WHERE state = 'done'")
        tracks = self.one("SELECT count(*) FROM deliveries_track")
        self.report.check(
            right and done == tracks == (events,),
            f"{name}: {events} sent, {done} done, {tracks} points, or orders written",
        )

    def one(self, query: str) -> tuple[Any, ...]:
        return self.link.execute(query).fetchone() or ()
