"""A load generator for webhooks: a process of its own, raw sockets, always so many requests under way.

`python -m tests.benchmarks.load '{"port": …, "path": …, "secret": …, "seconds": …}'` prints what it saw as JSON. All
requests are made and signed beforehand; a share of them repeats an earlier event.
"""

import hashlib
import hmac
import json
import random
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

CONNECTIONS = 16
BODY_BYTES = 773


@dataclass(frozen=True)
class Plan:
    """`events` different ones are prepared (the run ends early when all are sent), `duplicates` is the share that is
    sent twice. `per_second` 0: as fast as answers come. Each event names one of so many `orders`."""

    port: int
    path: str
    secret: str
    seconds: float
    events: int = 60_000
    duplicates: float = 0.0
    per_second: float = 0.0
    orders: int = 10_000
    first: int = 0


def run(plan: Plan) -> dict[str, float]:
    """Run the generator to its end: sent, refused, rate per second, p50_ms, p99_ms, distinct."""
    return finish(start(plan))


def start(plan: Plan) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.benchmarks.load", json.dumps(asdict(plan))]
    made = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert made.stdout is not None
    made.stdout.readline()  # "ready": everything is prepared
    return made


def finish(process: "subprocess.Popen[str]") -> dict[str, float]:
    assert process.stdout is not None
    told = process.stdout.read()
    process.wait()
    return dict(json.loads(told))


def body_of(number: int, orders: int) -> bytes:
    """A Stripe event of 773 bytes about one of the orders."""
    charge = {
        "id": f"ch_{number:012d}",
        "object": "charge",
        "amount": 2450,
        "currency": "usd",
        "order": number % orders,
    }
    event: dict[str, Any] = {
        "id": f"evt_{number:016d}",
        "object": "event",
        "api_version": "2026-06-24.dahlia",
        "created": int(time.time()),
        "data": {"object": {**charge, "description": ""}},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "balance.available",
    }
    event["data"]["object"]["description"] = "x" * (BODY_BYTES - len(json.dumps(event)))
    return json.dumps(event).encode()


def request(plan: Plan, number: int) -> bytes:
    body, timestamp = body_of(number, plan.orders), int(time.time())
    digest = hmac.new(plan.secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    head = (
        f"POST {plan.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Stripe-Signature: t={timestamp},v1={digest}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _whole(answer: bytes) -> bool:
    head, end, rest = answer.partition(b"\r\n\r\n")
    _, announced, length = head.lower().partition(b"content-length:")
    if announced:
        return len(rest) >= int(length.split(b"\r\n", 1)[0])
    return bool(end) and rest.endswith(b"0\r\n\r\n")  # in chunks


class Generator:
    """Keeps its connections busy until the time is over, then waits for what is under way."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        dice, numbers = random.Random(1), list(range(plan.first, plan.first + plan.events))
        repeated = dice.sample(numbers, int(plan.duplicates * plan.events))
        for number in repeated:  # some time after the first
            numbers.insert(min(len(numbers), number - plan.first + dice.randrange(1, 200)), number)
        cache: dict[int, bytes] = {}
        self.requests = [(number, cache.setdefault(number, request(plan, number))) for number in numbers]
        self.at, self.refused = 0, 0
        self.took_s: list[float] = []
        self.sent: set[int] = set()

    def run(self) -> dict[str, float]:
        with selectors.DefaultSelector() as selector:
            links = [socket.create_connection(("127.0.0.1", self.plan.port)) for _ in range(CONNECTIONS)]
            began: dict[socket.socket, float] = {}
            for link in links:
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(link, selectors.EVENT_READ)
            self.begin = time.perf_counter()
            idle = list(links)
            while True:
                while idle and self._may_send():
                    self._send(idle.pop(), began)
                if not began:
                    if self._over():
                        break
                    time.sleep(max(0.0, self._next_at() - time.perf_counter()))
                    continue
                wait_s = max(0.0, self._next_at() - time.perf_counter()) if self.plan.per_second and idle else 1.0
                for key, _ in selector.select(wait_s):
                    link = key.fileobj
                    assert isinstance(link, socket.socket)
                    self._receive(link, began)
                    idle.append(link)
            took_s = time.perf_counter() - self.begin
            for link in links:
                link.close()
        return self._figures(took_s)

    def _over(self) -> bool:
        return self.at >= len(self.requests) or time.perf_counter() - self.begin >= self.plan.seconds

    def _next_at(self) -> float:
        return self.begin + (self.at / self.plan.per_second if self.plan.per_second else 0.0)

    def _may_send(self) -> bool:
        return not self._over() and time.perf_counter() >= self._next_at()

    def _send(self, link: socket.socket, began: dict[socket.socket, float]) -> None:
        number, data = self.requests[self.at]
        self.at += 1
        self.sent.add(number)
        began[link] = time.perf_counter()
        link.sendall(data)

    def _receive(self, link: socket.socket, began: dict[socket.socket, float]) -> None:
        answer = link.recv(65_536)
        while not _whole(answer):
            answer += link.recv(65_536)
        self.took_s.append(time.perf_counter() - began.pop(link))
        if not answer.startswith(b"HTTP/1.1 200"):
            self.refused += 1

    def _figures(self, took_s: float) -> dict[str, float]:
        ordered = sorted(self.took_s)
        at: Callable[[float], float] = lambda share: ordered[int(share * (len(ordered) - 1))] * 1000  # noqa: E731
        figures = {"rate": len(ordered) / took_s, "p50_ms": at(0.5), "p99_ms": at(0.99)}
        return {**figures, "sent": len(ordered), "refused": self.refused, "distinct": len(self.sent)}


if __name__ == "__main__":
    generator = Generator(Plan(**json.loads(sys.argv[1])))
    print("ready", flush=True)
    print(json.dumps(generator.run()), flush=True)
