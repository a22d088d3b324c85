"""The hub of one sockets process: one subscription, handed out to its own watchers by topic."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import structlog
from django.conf import settings
from redis import asyncio as redis
from redis.exceptions import RedisError

from deliveries import announcing, socket_access

log = structlog.get_logger(__name__)
COMPARE_EVERY_S = 10.0
AGAIN_AFTER_S = 1.0
MISSED = "order:status"


class Watcher:
    """One socket. Of hints that it has not taken yet only the newest of each name is kept."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.version = 0
        self._pending: dict[str, announcing.Hint] = {}
        self._wake = asyncio.Event()

    def offer(self, hint: announcing.Hint) -> None:
        version = hint["version"]
        if version is not None and version <= self.version:
            return  # it is in the snapshot, or was said before
        self.version = max(self.version, version or 0)
        self._pending.pop(hint["name"], None)
        self._pending[hint["name"]] = hint
        self._wake.set()

    async def news(self) -> list[announcing.Hint]:
        """Everything that is pending, as soon as there is anything."""
        await self._wake.wait()
        self._wake.clear()
        pending, self._pending = self._pending, {}
        return list(pending.values())


class Hub:
    def __init__(self) -> None:
        self.hears = False
        self._watchers: dict[str, set[Watcher]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def size(self) -> int:
        return sum(len(watchers) for watchers in self._watchers.values())

    def add(self, watcher: Watcher) -> None:
        self._watchers.setdefault(watcher.topic, set()).add(watcher)

    def remove(self, watcher: Watcher) -> None:
        watchers = self._watchers.get(watcher.topic, set())
        watchers.discard(watcher)
        if not watchers:
            self._watchers.pop(watcher.topic, None)

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._compare())]
        if settings.LIVE_URL:
            self._tasks.append(asyncio.create_task(self._listen(settings.LIVE_URL)))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hand_out(self, hints: Iterable[announcing.Hint]) -> None:
        for hint in hints:
            for watcher in self._watchers.get(hint["topic"], ()):
                watcher.offer(hint)

    # ── hearing ──────────────────────────────────────────────────────────────────────────────────────────────
    async def _listen(self, url: str) -> None:
        """For ever: what was said while nobody listened is found by comparing, right after listening again."""
        while True:
            try:
                await self._subscribe(url)
            except (RedisError, OSError) as error:
                log.warning("live_subscription_lost", error=repr(error))
            self.hears = False
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _subscribe(self, url: str) -> None:
        async with redis.Redis.from_url(url, health_check_interval=10) as client, client.pubsub() as subscription:
            await subscription.subscribe(announcing.channel(url))
            self.hears = True
            await self.compare()
            async for message in subscription.listen():
                if message["type"] == "message":
                    self.hand_out(_read(message["data"]))

    # ── comparing ────────────────────────────────────────────────────────────────────────────────────────────
    async def _compare(self) -> None:
        while True:
            await asyncio.sleep(COMPARE_EVERY_S)
            try:
                await self.compare()
            except Exception:  # a database that is away now is asked again; sockets stay open meanwhile
                log.exception("versions_not_compared")

    async def compare(self) -> None:
        """Watchers whose order has moved on without their hearing of it are told now."""
        topics = list(self._watchers)
        if not topics:
            return
        versions = await socket_access.in_thread(lambda: socket_access.versions(topics))
        self.hand_out({"topic": topic, "version": version, "name": MISSED} for topic, version in versions.items())


def _read(data: bytes) -> list[announcing.Hint]:
    hints: Any = json.loads(data)
    return hints if isinstance(hints, list) else []


HUB = Hub()
