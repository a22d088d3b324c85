"""From a rider's report to the screens of those who watch: real sockets, a real broker, the outbox drained beside it.

Each position that is sent must reach every socket that watches its order; how long that takes is measured from the
moment at which the phone sends it.
"""

import asyncio
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from sandbox.machine import ports
from sandbox.machine.processes import answers_get
from tests.benchmarks import harness, position_load, servers
from tests.benchmarks.harness import Report
from tests.benchmarks.servers import Server

WATCHERS = 200
PATIENCE_S = 10.0
OUTBOX = ["-m", "tests.benchmarks.peers.outbox"]


@dataclass(frozen=True)
class Order:
    """An order in transit, and who carries it."""

    public_id: str
    rider: int


@dataclass
class Screens:
    """All open sockets; `sent` and `heard` are times of each position by its mark (its latitude). `all_heard` is set
    once as many were heard as `expected`."""

    expected: int
    all_heard: asyncio.Event = field(default_factory=asyncio.Event)
    count: int = 0
    sockets: list[ClientConnection] = field(default_factory=list)
    sent: dict[float, float] = field(default_factory=dict)
    heard: dict[float, list[float]] = field(default_factory=dict)

    async def listen(self, socket: ClientConnection) -> None:
        async for text in socket:
            told = json.loads(text)
            if told["name"] == "delivery:location" and (mark := told["data"]["lat"]) in self.sent:
                self.heard.setdefault(mark, []).append(time.perf_counter())
                self.count += 1
                if self.count == self.expected:
                    self.all_heard.set()


def measure(report: Report, environment: Mapping[str, str], folder: Path, *, quick: bool) -> None:
    positions = 10 if quick else 40
    carried = _orders()
    scenes = {
        f"{WATCHERS} of one order, a position a second": (carried[:1], positions),
        f"{WATCHERS} of as many orders, a position each in ten seconds": (carried[:WATCHERS], positions * 20),
    }
    rows, shares, slowest = [], [], []
    with (
        servers.granian("config.wsgi:application", environment, folder / "server.log") as web,
        outbox(environment, folder),
        sockets(environment, folder) as port,
    ):
        for title, (orders, many) in scenes.items():
            screens = asyncio.run(_watch(port, web.port, orders, many))
            waits = [(at - screens.sent[mark]) * 1000 for mark, times in screens.heard.items() for at in times]
            p50, p99 = harness.percentile(waits, 0.5), harness.percentile(waits, 0.99)
            rows.append([title, many, len(waits), p50, p99, max(waits)])
            shares.append(len(waits) / screens.expected)
            slowest.append(p99)
            report.rounds[title] = {"p50_ms": p50, "p99_ms": p99, "worst_ms": max(waits), "share": shares[-1]}
    head = ["watchers", "positions", "deliveries", "p50 ms", "p99 ms", "worst ms"]
    report.table("From the phone to the watchers", head, rows)
    report.ratio("delivered ÷ expected", min(shares), at_least=1)
    report.ratio("phone to watcher p99, ms", max(slowest), at_most=1_000)


def _orders() -> list[Order]:
    from deliveries.models import Delivery

    carried = Delivery.objects.filter(status="in_transit").order_by("rider_id")
    return [Order(*row) for row in carried.values_list("order__public_id", "rider_id")[:WATCHERS]]


@contextmanager
def outbox(environment: Mapping[str, str], folder: Path) -> Iterator[Server]:
    command = [servers.sys.executable, *OUTBOX]
    with servers.process(command, {**environment, "HANDOFF_PROCESS": "worker"}, folder / "outbox.log") as running:
        yield Server(running, 0)


@contextmanager
def sockets(environment: Mapping[str, str], folder: Path) -> Iterator[int]:
    port = ports.choose_port(31_000 + os.getpid() % 1_000)
    command = [servers.sys.executable, "-m", "uvicorn", "config.asgi:application", "--port", str(port)]
    log = folder / "sockets.log"
    with servers.process(
        [*command, "--log-level", "error"], {**environment, "HANDOFF_PROCESS": "sockets"}, log
    ) as running:
        deadline = time.monotonic() + servers.START_S
        while running.poll() is None and not answers_get(f"http://127.0.0.1:{port}/health"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the sockets process did not start: {log.read_text()[-500:]}")
            time.sleep(0.1)
        yield port


# ── one scene ────────────────────────────────────────────────────────────────────────────────────────────────────
async def _watch(port: int, web: int, orders: Sequence[Order], many: int) -> Screens:
    """`many` positions, each rider's a second (or ten) apart, while every socket listens."""
    screens, token = Screens(many * WATCHERS // len(orders)), await asyncio.to_thread(_token)
    for number in range(WATCHERS):
        order = orders[number % len(orders)]
        socket = await connect(f"ws://127.0.0.1:{port}/ws/orders/{order.public_id}?token={token}", open_timeout=30)
        await socket.recv()  # the snapshot
        screens.sockets.append(socket)
    listening = [asyncio.create_task(screens.listen(socket)) for socket in screens.sockets]
    phone = await asyncio.open_connection("127.0.0.1", web)
    pause_s = 1.0 if len(orders) == 1 else 10.0 / len(orders)
    begin = time.perf_counter()
    for number in range(many):
        await asyncio.sleep(max(0.0, begin + number * pause_s - time.perf_counter()))
        await _report(phone, screens, orders[number % len(orders)], number)
    with suppress(TimeoutError):
        await asyncio.wait_for(screens.all_heard.wait(), PATIENCE_S)
    for task in listening:
        task.cancel()
    await asyncio.gather(*(socket.close() for socket in screens.sockets))
    phone[1].close()
    return screens


def _token() -> str:
    """Of somebody who may see every order."""
    from rest_framework_simplejwt.tokens import AccessToken

    from foundation.models import Role, User

    somebody, _ = User.objects.get_or_create(username="bench-ops", defaults={"role": Role.OPS_LEAD})
    return str(AccessToken.for_user(somebody))


async def _report(
    phone: tuple[asyncio.StreamReader, asyncio.StreamWriter], screens: Screens, order: Order, n: int
) -> None:
    reader, writer = phone
    lat = round(position_load.CENTRE_LAT + order.rider % 100 / 1_000 + (n % 1_000 + 1) * 1e-7, 7)
    body = json.dumps(
        {
            "lat": lat,
            "lng": position_load.CENTRE_LNG + order.rider / 100_000,
            "recordedAt": datetime.now(UTC).isoformat(timespec="microseconds"),
        }
    ).encode()
    token = position_load.token_of(order.rider, os.environ["SECRET_KEY"])
    head = (
        f"POST {position_load.PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    screens.sent[lat] = time.perf_counter()
    writer.write(head.encode() + body)
    await writer.drain()
    answer = await reader.readuntil(b"\r\n\r\n")
    length: Any = next(line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    told = json.loads(await reader.readexactly(int(length.partition(b":")[2])))
    if not told["data"][0]["accepted"]:
        raise RuntimeError(f"a position was not accepted: {told}")
