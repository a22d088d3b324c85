"""Webhook intake: verified, stored, answered; our fast lane and our plain view, a bare WSGI application, dj-stripe.

All on the same server (granian, 2 workers of 8 threads) and PostgreSQL, 16 requests under way, the same bodies. The
bare application (peers/bare.py) is the limit: the same row by psycopg and nothing else. dj-stripe
(peers/djstripe_site.py) runs in a virtual environment of its own, made if the package index can be reached.
"""

import os
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.benchmarks import harness, load, servers
from tests.benchmarks.harness import Report
from tests.benchmarks.servers import PEERS

SECRET = "the-secret-of-the-benchmark"
OUR_PATH = "/webhooks/stripe"
ENDPOINT = "/stripe/webhook/5b1cf2f6-1a37-4a4c-9d5a-6a7c1e0a4a11"
PEER_HOME = Path(__file__).resolve().parents[2] / ".venv" / "benchmark-peers"
LANE, VIEW, BARE_VIEW, BARE = "lane", "Django view, all middleware", "Django view, no middleware", "bare WSGI + psycopg"
STORE_ONLY, DEFAULT = "dj-stripe, store only", "dj-stripe, default"

WITHOUT_MIDDLEWARE = {"DJANGO_SETTINGS_MODULE": "tests.benchmarks.peers.settings_without_middleware"}


@dataclass(frozen=True)
class Variant:
    """What is served; `count` is the SQL for the number of events it has stored."""

    application: str
    environment: Mapping[str, str] = field(default_factory=dict)
    path: str = OUR_PATH
    table: str = "webhook_events"
    python: str = sys.executable
    folder: Path | None = None


VARIANTS = {
    LANE: Variant("config.wsgi:application"),
    VIEW: Variant("tests.benchmarks.peers.plain_view:application"),
    BARE_VIEW: Variant("tests.benchmarks.peers.plain_view:application", WITHOUT_MIDDLEWARE),
    BARE: Variant("tests.benchmarks.peers.bare:application"),
}


def run(*, quick: bool) -> Report:
    with harness.database("intake"), TemporaryDirectory() as folder:
        report = Report("Webhook intake", quick, harness.machine())
        variants = {**VARIANTS, **dj_stripe()}
        seconds, rounds = (1.5, 3) if quick else (4.0, 5)
        runs: dict[str, Callable[[], dict[str, float]]] = {
            name: partial(measured, report, name, variant, seconds, Path(folder)) for name, variant in variants.items()
        }
        found = harness.interleaved(runs, rounds=rounds)
        report.rounds["intake"] = found
        columns = ["rate", "p50_ms", "p99_ms", "cpu_us"]
        rows = [[name, *(harness.median(figures, column) for column in columns)] for name, figures in found.items()]
        report.table("Accepted", ["", "per second", "p50 ms", "p99 ms", "CPU µs of the server"], rows)
        goals(report, found)
        return report


def goals(report: Report, found: Mapping[str, list[dict[str, float]]]) -> None:
    rate = {name: harness.median(figures, "rate") for name, figures in found.items()}
    p99 = {name: harness.median(figures, "p99_ms") for name, figures in found.items()}
    report.ratio(f"{LANE} ÷ {BARE}", rate[LANE] / rate[BARE], at_least=0.9)
    report.ratio(f"{BARE_VIEW} ÷ {BARE}", rate[BARE_VIEW] / rate[BARE], at_least=0.65)
    if STORE_ONLY in rate:
        report.ratio(f"{LANE} ÷ {STORE_ONLY}", rate[LANE] / rate[STORE_ONLY], at_least=7)
        report.ratio(f"{LANE} ÷ {DEFAULT}", rate[LANE] / rate[DEFAULT], at_least=13.5)
        report.ratio(f"p99: {LANE} ÷ {STORE_ONLY}", p99[LANE] / p99[STORE_ONLY], at_most=1 / 5)


def measured(report: Report, name: str, variant: Variant, seconds: float, folder: Path) -> dict[str, float]:
    environment = {**os.environ, "STRIPE_WEBHOOK_SECRET": SECRET, "HANDOFF_PROCESS": "web", **variant.environment}
    plan = load.Plan(port=0, path=variant.path, secret=SECRET, seconds=seconds, events=int(seconds * 12_000))
    log = folder / "server.log"
    with (
        psycopg.connect(environment["DATABASE_URL"], autocommit=True) as link,
        servers.granian(variant.application, environment, log, python=variant.python, folder=variant.folder) as server,
    ):
        warm = load.run(with_port(plan, server.port, seconds=1.0, events=2_000, first=10_000_000))
        link.execute(f"TRUNCATE {variant.table} CASCADE")
        before_s = server.cpu_s()
        figures = load.run(with_port(plan, server.port))
        cpu_s = server.cpu_s() - before_s
        [stored] = link.execute(f"SELECT count(*) FROM {variant.table}").fetchone() or [0]
    right = warm["refused"] == figures["refused"] == 0 and stored == figures["distinct"]
    report.check(right, f"{name}: {figures}, but {stored} stored; {log.read_text()[-300:]}")
    return {**figures, "cpu_us": cpu_s / figures["sent"] * 1e6}


def with_port(plan: load.Plan, port: int, **changes: float) -> load.Plan:
    return load.Plan(**{**plan.__dict__, "port": port, **changes})  # type: ignore[arg-type]


# ── the peer ─────────────────────────────────────────────────────────────────────────────────────────────────────
def dj_stripe() -> dict[str, Variant]:
    """dj-stripe's two variants, on a database of its own; none, said clearly, where it cannot be installed."""
    python = PEER_HOME / "bin" / "python"
    address = {"DATABASE_URL": own_database()}
    try:
        if not python.exists():
            venv.create(PEER_HOME, with_pip=True)
        requirements = Path(__file__).with_name("requirements.txt")
        _run([str(python), "-m", "pip", "install", "-q", "-r", str(requirements)])
        _run(
            [str(python), "djstripe_site.py"], cwd=PEERS, env={**os.environ, **address, "STRIPE_WEBHOOK_SECRET": SECRET}
        )
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        print(f"dj-stripe is left out, it cannot be installed here: {said.strip()[-500:]}", file=sys.stderr)
        return {}
    served = partial(
        Variant,
        "djstripe_site:application",
        path=ENDPOINT,
        table="djstripe_webhookeventtrigger",
        python=str(python),
        folder=PEERS,
    )
    return {STORE_ONLY: served({**address, "PEER_STORE": "only"}), DEFAULT: served(address)}


def own_database() -> str:
    """A second database beside ours, dropped with the first connection of the next run: its address."""
    ours = urlsplit(os.environ["DATABASE_URL"])
    name = "bench_intake_peer"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as link:
        link.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        link.execute(f"CREATE DATABASE {name}")
    return urlunsplit(ours._replace(path=f"/{name}"))


def _run(command: list[str], **more: object) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, **more)  # type: ignore[call-overload]
