"""Sockets: how many one process holds, what memory each takes, and how hints reach them.

The server is what runs (config.asgi in uvicorn), beside a bare ASGI application that hands hints out to its sockets and
does nothing else: no snapshot, no rights, no versions. Each has every round's watchers to itself.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sandbox.machine.valkey import Valkey
from tests.benchmarks import harness, servers
from tests.benchmarks.harness import Report
from tests.benchmarks.servers import Server
from tests.benchmarks.socket_load import Plan, Scene

PLAIN = ("--ws-per-message-deflate", "false")
OURS, BARE, DEFLATED = "config.asgi (what runs)", "bare fan-out", "config.asgi, compressing"
VARIANTS = {
    OURS: ("config.asgi:application", PLAIN),
    BARE: ("tests.benchmarks.peers.bare_sockets:application", PLAIN),
    DEFLATED: ("config.asgi:application", ()),
}
PER_ORDER = 5
STEADY_PER_S = 600  # deliveries
WARM_UP = 50
HEAD_ROOM = 500  # descriptors besides the sockets


@dataclass(frozen=True)
class City:
    refs: list[str]
    token: str
    environment: dict[str, str]
    channel: str
    logs: Path


def run(*, quick: bool) -> Report:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - HEAD_ROOM
    sizes = [size for size in ((100, 500) if quick else (1_000, 5_000, 10_000)) if size <= most]
    home = Path(tempfile.mkdtemp(prefix="handoff-bench-live-"))
    broker = Valkey(home)
    broker.start()
    try:
        os.environ.update(LIVE_URL=broker.live_url, BROKER_URL=broker.url)
        with harness.database("sockets"):
            report = Report("Sockets", quick, harness.machine())
            city = settle(sizes[-1] // PER_ORDER, home)
            holding(report, city, sizes)
            telling(report, city, sizes[-1], rounds=2 if quick else 5)
            return report
    finally:
        broker.destroy()


def settle(orders: int, logs: Path) -> City:
    """Orders to watch, and somebody who may watch them all."""
    from django.conf import settings
    from rest_framework_simplejwt.tokens import AccessToken

    from deliveries.realtime import publisher
    from foundation.models import Role
    from tests import builders, copies

    refs = copies.of_order(builders.paid_order(), orders)
    token = AccessToken.for_user(builders.user(Role.READ_ONLY))
    token.set_exp(lifetime=timedelta(days=1))
    channel = publisher.channel_name(settings.LIVE_URL)
    environment = {**os.environ, "HANDOFF_PROCESS": "sockets", "BARE_CHANNEL": channel}
    return City(refs, str(token), environment, channel, logs)


# ── holding ──────────────────────────────────────────────────────────────────────────────────────────────────────
def holding(report: Report, city: City, sizes: list[int]) -> None:
    """Each size on a fresh server: what it weighs before and after everybody has come."""
    found = {(name, size): held(report, city, name, size) for size in sizes for name in VARIANTS}
    rows = [[name, size, *found[name, size].values()] for name, size in found]
    report.table("Sockets held by one process", ["", "sockets", "KB each", "connected/s", "CPU µs to connect"], rows)
    report.rounds["holding"] = {f"{name}, {size}": figures for (name, size), figures in found.items()}
    each = {name: found[name, sizes[-1]]["kb_each"] for name in VARIANTS}
    report.ratio(f"memory for each: {OURS} ÷ {BARE}, {sizes[-1]:,} sockets", each[OURS] / each[BARE], at_most=2)
    report.ratio(
        f"memory for each: {DEFLATED} ÷ {OURS}, {sizes[-1]:,} sockets", each[DEFLATED] / each[OURS], at_least=1
    )


def held(report: Report, city: City, name: str, size: int) -> dict[str, float]:
    with server(city, name) as running:
        with crowd(city, running, WARM_UP):
            pass  # what is loaded and opened once belongs to the process
        before, cpu_s = running.resident_bytes(), running.cpu_s()
        with crowd(city, running, size) as (told, _):
            report.check(told["opened"] == size, f"{name}: {told['opened']} of {size} sockets were opened")
            each = (running.resident_bytes() - before) / size / 1024
            cpu_us = (running.cpu_s() - cpu_s) / size * 1e6
            return {"kb_each": each, "connected_per_s": told["per_s"], "cpu_us": cpu_us}


# ── telling ──────────────────────────────────────────────────────────────────────────────────────────────────────
def telling(report: Report, city: City, size: int, *, rounds: int) -> None:
    """Hints at a steady rate, with and without a look at rights; as fast as they can be published; one to everybody."""
    hints = 4_000 if not report.quick else 400
    scenes = {
        "steady": Scene(hints // 5, hints / STEADY_PER_S, versioned=False, first=0),
        "steady, rights looked at": Scene(hints // 5, hints / STEADY_PER_S, versioned=True, first=1_000),
        "at full speed": Scene(hints, 0, versioned=False, first=10_000),
        "at full speed, rights looked at": Scene(hints, 0, versioned=True, first=20_000),
    }
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for name in (OURS, BARE):
        with server(city, name) as running, crowd(city, running, size) as (_, play):
            for number in range(rounds):
                for title, scene in scenes.items():
                    again = Scene(**{**asdict(scene), "first": scene.first + 100_000 * (number + 1)})
                    before_s, told = running.cpu_s(), play(again)
                    told["cpu_us"] = (running.cpu_s() - before_s) / max(1, told["delivered"]) * 1e6
                    report.check(told["share"] == 1.0, f"{name}, {title}: {told['share']:.4f} of the hints came")
                    report.check(told["lost"] == 0, f"{name}, {title}: {told['lost']} sockets were closed")
                    found.setdefault((name, title), []).append(told)
    columns = ["per_s", "p50_ms", "p99_ms", "cpu_us", "share"]
    rows = [
        [name, title, *(harness.median(runs, column) for column in columns)] for (name, title), runs in found.items()
    ]
    head = ["", "hints", "deliveries/s", "p50 ms", "p99 ms", "CPU µs each", "delivered"]
    report.table(f"Hints to {size:,} sockets, {PER_ORDER} an order", head, rows)
    report.rounds["telling"] = {f"{name}, {title}": runs for (name, title), runs in found.items()}
    fast = "at full speed"
    rate = {name: harness.median(found[name, fast], "per_s") for name in (OURS, BARE)}
    report.ratio(f"deliveries/s {fast}: ours ÷ {BARE}", rate[OURS] / rate[BARE], at_least=0.4)
    p99 = {name: harness.median(found[name, "steady, rights looked at"], "p99_ms") for name in (OURS, BARE)}
    report.ratio(f"p99 at {STEADY_PER_S} deliveries/s, rights looked at, ms", p99[OURS], at_most=50)


# ── server and watchers ──────────────────────────────────────────────────────────────────────────────────────────
@contextmanager
def server(city: City, name: str) -> Iterator[Server]:
    application, options = VARIANTS[name]
    with servers.uvicorn(application, city.environment, city.logs / "uvicorn.log", *options) as running:
        yield running


@contextmanager
def crowd(city: City, running: Server, size: int) -> Iterator[tuple[dict[str, Any], Any]]:
    """What connecting was like, and a function that plays a scene."""
    plan = Plan(
        running.port, size, city.refs[: max(1, size // PER_ORDER)], city.token, os.environ["LIVE_URL"], city.channel
    )
    command = [sys.executable, "-m", "tests.benchmarks.socket_load", json.dumps(asdict(plan))]
    load = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert load.stdin is not None
    assert load.stdout is not None
    answers, questions = load.stdout, load.stdin

    def play(scene: Scene) -> dict[str, Any]:
        print(json.dumps(asdict(scene)), file=questions, flush=True)
        return dict(json.loads(answers.readline()))

    try:
        yield dict(json.loads(answers.readline())), play
    finally:
        questions.close()
        load.wait(60)
