"""Watchers for the sockets benchmark: a process of its own that holds thousands of WebSockets and publishes hints.

`python -m tests.benchmarks.socket_load PLAN` connects, prints what it saw as a line of JSON, and then plays each scene
that it reads as a line of JSON from stdin: hints are published as the outbox work queue does it, and how long each took
to each watcher is measured (one clock: it is the same machine). Hand-written frames: a library would be what is
measured.
"""

import asyncio
import base64
import json
import os
import random
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import redis
import uvloop

EVERY_S = 0.05  # as the work queue polls
PATIENCE_S = 30.0
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA


@dataclass(frozen=True)
class Plan:
    """`watchers` sockets, spread over the topics in turn; `ahead` handshakes are under way at once."""

    port: int
    watchers: int
    refs: list[str]
    token: str
    url: str
    channel: str
    ahead: int = 32


@dataclass(frozen=True)
class Scene:
    """`hints` over `seconds` (0: as fast as they can be published, `batch` at a time) to topics by chance. `versioned`
    ones make the server look at rights. `first`: the number of the first hint."""

    hints: int
    seconds: float
    versioned: bool
    first: int
    batch: int = 100


class Watcher(asyncio.Protocol):
    """One socket: shakes hands, answers pings, notes when hints come."""

    def __init__(self, crowd: "Crowd", ref: str) -> None:
        self.crowd, self.ref = crowd, ref
        self.held, self.open = b"", False
        self.ready: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        head = [f"GET /ws/orders/{self.ref} HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade"]
        head += [
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            f"Authorization: Bearer {self.crowd.plan.token}",
        ]
        head += ["Sec-WebSocket-Extensions: permessage-deflate"]  # as browsers offer it
        transport.write("\r\n".join([*head, "", ""]).encode())

    def data_received(self, data: bytes) -> None:
        self.held += data
        if not self.open:
            head, end, rest = self.held.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head[:20]:
                self.transport.close()
                return
            self.open, self.held = True, rest
        while (frame := self._frame()) is not None:
            self._heard(*frame)

    def _frame(self) -> tuple[int, bytes] | None:
        held = self.held
        if len(held) < 2:
            return None
        length, start = held[1] & 0x7F, 2
        if length >= 126:
            size = 2 if length == 126 else 8
            length, start = int.from_bytes(held[2 : 2 + size], "big"), 2 + size
        if len(held) < start + length or start > len(held):
            return None
        self.held = held[start + length :]
        return held[0] & 0x0F, held[start : start + length]

    def _heard(self, kind: int, content: bytes) -> None:
        if kind == CLOSE:
            self.transport.close()
        elif kind == PING:
            self.transport.write(bytes([0x80 | PONG, 0x80 | len(content), 0, 0, 0, 0]) + content)
        elif kind == TEXT and not self.ready.done():
            self.ready.set_result(True)  # the snapshot
        elif kind == TEXT:
            self.crowd.heard(json.loads(content))

    def connection_lost(self, _error: Exception | None) -> None:
        self.crowd.lost += 1
        if not self.ready.done():
            self.ready.set_result(False)


class Crowd:
    def __init__(self, plan: Plan) -> None:
        self.plan, self.lost = plan, 0
        self.took_s: list[float] = []
        self.expected, self.enough = 0, asyncio.Event()
        self.watching = Counter(plan.refs[number % len(plan.refs)] for number in range(plan.watchers))
        self.publisher = redis.Redis.from_url(plan.url)

    async def connect(self) -> dict[str, Any]:
        gate, begun = asyncio.Semaphore(self.plan.ahead), time.monotonic()

        async def one(number: int) -> bool:
            ref = self.plan.refs[number % len(self.plan.refs)]
            async with gate:
                loop = asyncio.get_running_loop()
                _, watcher = await loop.create_connection(lambda: Watcher(self, ref), "127.0.0.1", self.plan.port)
                return await asyncio.wait_for(watcher.ready, PATIENCE_S)

        opened = sum(await asyncio.gather(*(one(number) for number in range(self.plan.watchers))))
        return {"opened": opened, "per_s": opened / (time.monotonic() - begun)}

    def heard(self, message: dict[str, Any]) -> None:
        self.took_s.append(time.monotonic() - message["data"]["at"])
        if len(self.took_s) >= self.expected > 0:
            self.enough.set()

    async def play(self, scene: Scene) -> dict[str, Any]:
        """Publishes, then waits until everybody has heard or nobody hears any more."""
        dice, begun, expected, published = random.Random(scene.first), time.monotonic(), 0, 0
        self.took_s.clear()
        self.expected = 0
        while published < scene.hints:
            due = (
                scene.hints if not scene.seconds else int(scene.hints * (time.monotonic() - begun) / scene.seconds) + 1
            )
            refs = [
                dice.choice(self.plan.refs) for _ in range(min(scene.batch, due - published, scene.hints - published))
            ]
            hints = [self._hint(ref, scene, published + number) for number, ref in enumerate(refs)]
            if hints:
                self.publisher.publish(self.plan.channel, json.dumps(hints))
            expected += sum(self.watching[ref] for ref in refs)
            published += len(hints)
            await asyncio.sleep(EVERY_S if scene.seconds else 0)
        self.expected = expected
        with suppress(TimeoutError):
            if len(self.took_s) < expected:
                self.enough.clear()
                await asyncio.wait_for(self.enough.wait(), PATIENCE_S)
        return self._figures(expected, time.monotonic() - begun)

    def _hint(self, ref: str, scene: Scene, number: int) -> dict[str, Any]:
        """A name of its own: none of them is dropped for a newer one."""
        count = scene.first + number
        said = {"topic": f"order:{ref}", "version": count if scene.versioned else None, "name": f"bench:{count}"}
        return {**said, "data": {"at": time.monotonic()}}

    def _figures(self, expected: int, seconds: float) -> dict[str, Any]:
        ordered = sorted(self.took_s) or [0.0]
        found = {f"p{share}_ms": ordered[int(share / 100 * (len(ordered) - 1))] * 1000 for share in (50, 99)}
        known = {"delivered": len(self.took_s), "share": len(self.took_s) / expected, "lost": self.lost}
        return {**known, "per_s": len(self.took_s) / seconds, **found}


async def main() -> None:
    crowd = Crowd(Plan(**json.loads(sys.argv[1])))
    print(json.dumps(await crowd.connect()), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await crowd.play(Scene(**json.loads(line)))), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
