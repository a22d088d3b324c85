"""What the hub of a sockets process keeps to (SPEC T2): nobody in doubt is told anything, nothing is said twice, and
whatever the positions' hints bring along passes through."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import pytest
from django.db import OperationalError

from deliveries.realtime import hub as realtime_hub
from deliveries.realtime import publisher, subscriptions
from deliveries.realtime.hub import Hub, Watcher
from deliveries.realtime.subscriptions import LOST, CloseReason, StoreSubscription, Subscription


@dataclass(frozen=True, kw_only=True, slots=True)
class Toy(Subscription):
    """A visitor whose right is a matter of a set."""

    name: str
    lost: ClassVar[set[str]] = set()
    asked: ClassVar[list[int]] = []
    troubles: ClassVar[list[Exception]] = []

    def load_snapshot(self) -> dict[str, Any]:
        return {"version": 0}

    @classmethod
    def find_refused(cls, visitors: Sequence[Self]) -> dict[Self, CloseReason]:
        cls.asked.append(len(visitors))
        if cls.troubles:
            raise cls.troubles.pop()
        return {one: LOST for one in visitors if one.name in cls.lost}


@pytest.fixture(autouse=True)
def fresh(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LIVE_URL = ""
    monkeypatch.setattr(realtime_hub, "AGAIN_AFTER_S", 0.05)
    for kept in (Toy.lost, Toy.asked, Toy.troubles):
        kept.clear()


def watcher(name: str, topic: str = "order:o_x") -> Watcher:
    return Watcher(topic, Toy(topic=topic, expires_at=0.0, name=name))


def hint(version: int | None, name: str = "order:status", **more: Any) -> dict[str, Any]:
    return {"topic": "order:o_x", "version": version, "name": name, **more}


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the hub has no event for each of its states
            await asyncio.sleep(0.005)


async def quiet(one: Watcher) -> bool:
    try:
        await asyncio.wait_for(one.next_hints(), 0.1)
    except TimeoutError:
        return True
    return False


# spec: T2, S1
def test_who_has_lost_the_right_is_not_told_what_took_it():
    async def scene() -> None:
        hub, stays, goes = Hub(), watcher("stays"), watcher("goes")
        hub.add_watcher(stays)
        hub.add_watcher(goes)
        hub.start_listening()
        await until(lambda: Toy.asked == [2])
        Toy.lost.add("goes")
        hub.hand_out([hint(1), hint(None, "delivery:location", data={"lat": 1.0})])
        assert await asyncio.wait_for(stays.next_hints(), 5) == [
            hint(1),
            hint(None, "delivery:location", data={"lat": 1.0}),
        ]
        assert await asyncio.wait_for(goes.next_hints(), 5) == []
        assert goes.ended == LOST
        assert stays.ended is None
        await hub.stop_listening()

    asyncio.run(scene())
    assert Toy.asked == [2, 2]  # when they came, and when something happened: both at once


# spec: T2, W5
def test_while_nobody_can_look_nobody_is_told():
    async def scene() -> None:
        hub, one = Hub(), watcher("one")
        hub.add_watcher(one)
        hub.start_listening()
        await until(lambda: Toy.asked == [1])
        Toy.troubles += [OperationalError("the database is away")]
        hub.hand_out([hint(1)])
        hub.hand_out([hint(2)])
        assert await asyncio.wait_for(one.next_hints(), 5) == [hint(2)]
        assert Toy.troubles == []
        await hub.stop_listening()

    asyncio.run(scene())


# spec: T2
def test_what_the_snapshot_has_is_not_said_again_and_positions_are_never_held_back():
    async def scene() -> None:
        one = Watcher("order:o_x")
        for early in (hint(4), hint(5, "order:delivered"), hint(None, "delivery:location", data={"lat": 1.0})):
            one.offer_hint(early)
        one.level_with({subscriptions.OWN: 4})
        assert await one.next_hints() == [
            hint(5, "order:delivered"),
            hint(None, "delivery:location", data={"lat": 1.0}),
        ]
        one.offer_hint(hint(5))
        assert await quiet(one)
        one.offer_hint(hint(None, "delivery:location", data={"lat": 2.0}))
        one.offer_hint(hint(None, "delivery:location", data={"lat": 3.0}))
        assert await one.next_hints() == [hint(None, "delivery:location", data={"lat": 3.0})]

    asyncio.run(scene())


# spec: T2
def test_a_stores_watcher_counts_each_order_by_itself_and_forgets_the_quiet_ones():
    async def scene() -> None:
        one = Watcher("store:s")
        one.level_with({"o_a": 3})
        for said in (hint(3, order="o_a"), hint(4, order="o_a"), hint(1, order="o_b"), hint(5, order="o_a")):
            one.offer_hint(said)
        assert await one.next_hints() == [hint(1, order="o_b"), hint(5, order="o_a")]
        for _ in range(5):  # as comparing does: what happened lately is offered again each time
            one.forget_orders()
            one.offer_hint(hint(5, order="o_a"))
        assert await quiet(one)
        assert set(one._said) == {"o_a"}

    asyncio.run(scene())


# spec: T2, S1
def test_a_storefronts_watcher_is_not_offered_others_orders():
    async def scene() -> None:
        hub = Hub()
        known = {"topic": "store:s", "expires_at": 0.0, "user_id": 7, "store_id": 1}
        own = Watcher("store:s", StoreSubscription(**known, only_of=7))
        all_ = Watcher("store:s", StoreSubscription(**known, only_of=None))
        for one in (own, all_):
            hub.add_watcher(one)
        said = {"topic": "store:s", "version": None, "name": "delivery:driver"}
        hub.hand_out([{**said, "order": f"o_{whose}", "storefront": whose} for whose in (7, 8)])
        hub.hand_out([{**said, "name": "chef:stripe_verified"}])
        assert await own.next_hints() == [{**said, "order": "o_7"}]
        assert [hint.get("order") for hint in await all_.next_hints()] == ["o_7", "o_8", None]

    asyncio.run(scene())


# spec: T2, W5
def test_a_database_that_is_away_when_the_broker_comes_does_not_end_the_listening(broker, settings):
    settings.LIVE_URL = os.environ["LIVE_URL"]

    class Troubled(Hub):
        compared = False

        async def compare_versions(self) -> None:
            self.compared = True
            raise OperationalError("the database is away")

    async def scene() -> None:
        hub, one = Troubled(), Watcher("order:o_x")
        hub.add_watcher(one)
        hub.start_listening()
        await until(lambda: hub.compared and hub.hears)  # the broker was heard, and the comparison has failed
        await asyncio.to_thread(publisher.publish_hints, [hint(1)])
        assert await asyncio.wait_for(one.next_hints(), 5) == [hint(1)]
        await hub.stop_listening()

    asyncio.run(scene())
