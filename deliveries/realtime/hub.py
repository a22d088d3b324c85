"""The hub of one sockets process: one subscription, handed out to its own watchers by topic.

Every few seconds it looks at what has happened lately, so that a lost hint is only a late one, and at whether its
watchers still may watch: a statement or two for all of them. At the latter also whenever something has happened to what
they watch, and until it knows they are told nothing.
"""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from django.conf import settings
from redis import asyncio as redis
from redis.exceptions import RedisError

from deliveries.realtime import authentication, publisher, subscriptions
from deliveries.realtime.subscriptions import OWN, CloseReason, Subscription

log = structlog.get_logger(__name__)
COMPARE_EVERY_S = 10.0
OVERLAP_S = 60.0  # an event is seen when its transaction is over, which is later than its time
AGAIN_AFTER_S = 1.0


class Watcher:
    """One socket. Of hints that it has not taken yet only the newest of each name (and order, at a store) is kept.

    `subscription`: whose right to watch is looked at again; None: nobody's. `ended`: why it is over.
    """

    __slots__ = ("_in_doubt", "_pending", "_said", "_said_before", "_wake", "ended", "subscription", "topic")

    def __init__(self, topic: str, subscription: Subscription | None = None) -> None:
        self.topic, self.subscription = topic, subscription
        self.ended: CloseReason | None = None
        self._said: dict[str, int] = {}
        self._said_before: dict[str, int] = {}
        self._pending: dict[tuple[str, str], publisher.Hint] = {}
        self._in_doubt = False
        self._wake = asyncio.Event()

    def wants_hint(self, hint: publisher.Hint) -> bool:
        return self.subscription is None or self.subscription.wants_hint(hint)

    def level_with(self, versions: Mapping[str, int]) -> None:
        """So much is in the snapshot."""
        for about, version in versions.items():
            self._said[about] = max(version, self._said.get(about, 0))
        for (about, name), hint in list(self._pending.items()):
            if hint["version"] is not None and hint["version"] <= versions.get(about, 0):
                del self._pending[about, name]
        self._wake_if_ready()

    def offer_hint(self, hint: publisher.Hint) -> bool:
        """Take a hint, unless it is in the snapshot or was said before. Returns whether it casts doubt on the right to
        hear of it."""
        about, version = hint.get("order", OWN), hint["version"]
        if version is not None:
            known = self._said.get(about) or self._said_before.get(about, 0)
            self._said[about] = max(known, version)
            if version <= known:
                return False
        self._pending.pop((about, hint["name"]), None)
        self._pending[about, hint["name"]] = hint
        if version is not None and self.subscription is not None:
            self._in_doubt = True
        self._wake_if_ready()
        return self._in_doubt

    def forget_orders(self) -> None:
        """Of a store's orders only those that something happens to are remembered: called between two comparisons."""
        own = {OWN: self._said[OWN]} if OWN in self._said else {}
        self._said_before, self._said = self._said, own

    def settle_doubt(self, close_reason: CloseReason | None) -> None:
        """It was looked whether they still may watch."""
        self._in_doubt = False
        if close_reason is not None:
            self.end_watching(close_reason)
        self._wake_if_ready()

    def end_watching(self, why: CloseReason) -> None:
        self.ended = self.ended or why
        self._wake_if_ready()

    async def next_hints(self) -> list[publisher.Hint]:
        """Everything that is pending, as soon as there is anything and it may be told; nothing: it has ended."""
        await self._wake.wait()
        pending, self._pending = self._pending, {}
        self._wake_if_ready()
        return [] if self.ended else list(pending.values())

    def _wake_if_ready(self) -> None:
        if self.ended or (self._pending and not self._in_doubt):
            self._wake.set()
        else:
            self._wake.clear()


class Hub:
    def __init__(self) -> None:
        self.hears = False
        self._watchers: dict[str, set[Watcher]] = {}
        self._doubtful: set[Watcher] = set()
        self._doubt = asyncio.Event()
        self._level_at = time.monotonic()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def watcher_count(self) -> int:
        return sum(len(watchers) for watchers in self._watchers.values())

    def add_watcher(self, watcher: Watcher) -> None:
        self._watchers.setdefault(watcher.topic, set()).add(watcher)
        self.doubt_access([watcher])  # the right may have gone between its being looked at and now

    def remove_watcher(self, watcher: Watcher) -> None:
        watchers = self._watchers.get(watcher.topic, set())
        watchers.discard(watcher)
        self._doubtful.discard(watcher)
        if not watchers:
            self._watchers.pop(watcher.topic, None)

    def start_listening(self) -> None:
        self._tasks = [asyncio.create_task(self._look_around()), asyncio.create_task(self._look_after_rights())]
        if settings.LIVE_URL:
            self._tasks.append(asyncio.create_task(self._listen_forever(settings.LIVE_URL)))

    async def stop_listening(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hand_out(self, hints: Iterable[publisher.Hint]) -> None:
        for hint in hints:
            shown = {key: value for key, value in hint.items() if key != "storefront"}
            hearing = [watcher for watcher in self._watchers.get(hint["topic"], ()) if watcher.wants_hint(hint)]
            self.doubt_access([watcher for watcher in hearing if watcher.offer_hint(shown)])

    # ── hearing ──────────────────────────────────────────────────────────────────────────────────────────────
    async def _listen_forever(self, url: str) -> None:
        """For ever: what was said while nobody listened is found by comparing, right after listening again."""
        while True:
            try:
                await self._subscribe_once(url)
            except (RedisError, OSError) as error:
                log.warning("live_subscription_lost", error=repr(error))
            self.hears = False
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _subscribe_once(self, url: str) -> None:
        async with redis.Redis.from_url(url, health_check_interval=10) as client, client.pubsub() as subscription:
            await subscription.subscribe(publisher.channel_name(url))
            self.hears = True
            await self._catch_up()
            async for message in subscription.listen():
                if message["type"] == "message":
                    self.hand_out(_read_hints(message["data"]))

    # ── looking again ────────────────────────────────────────────────────────────────────────────────────────
    async def _look_around(self) -> None:
        while True:
            await asyncio.sleep(COMPARE_EVERY_S)
            self.doubt_access(watcher for watchers in self._watchers.values() for watcher in watchers)
            await self._catch_up()

    async def _catch_up(self) -> None:
        try:
            await self.compare_versions()
        except Exception:  # a database that is away now is asked again; sockets stay open meanwhile
            log.exception("versions_not_compared")

    async def compare_versions(self) -> None:
        """Watchers of whatever has moved on without their hearing of it are told now."""
        begun = time.monotonic()
        if self._watchers:
            lately_s = begun - self._level_at + OVERLAP_S
            hints = await authentication.in_thread(lambda: publisher.hints_since(lately_s))
            for watcher in [watcher for watchers in self._watchers.values() for watcher in watchers]:
                watcher.forget_orders()
            self.hand_out(hints)
        self._level_at = begun

    def doubt_access(self, watchers: Iterable[Watcher]) -> None:
        """Look soon whether they still may watch."""
        self._doubtful.update(watcher for watcher in watchers if watcher.subscription is not None)
        if self._doubtful:
            self._doubt.set()

    async def _look_after_rights(self) -> None:
        while True:
            await self._doubt.wait()
            self._doubt.clear()
            doubtful, self._doubtful = self._doubtful, set()
            try:
                await self._settle_doubts(doubtful)
            except Exception:  # as above; until the database answers they are told nothing
                log.exception("rights_not_looked_at")
                await asyncio.sleep(AGAIN_AFTER_S)
                self.doubt_access(doubtful)

    async def _settle_doubts(self, watchers: Iterable[Watcher]) -> None:
        whose = {watcher: watcher.subscription for watcher in watchers if watcher.subscription is not None}
        refused = await authentication.in_thread(lambda: subscriptions.find_refused(list(whose.values())))
        for watcher, subscription in whose.items():
            watcher.settle_doubt(refused.get(subscription))


def _read_hints(data: bytes) -> list[publisher.Hint]:
    hints: Any = json.loads(data)
    return hints if isinstance(hints, list) else []


HUB = Hub()
