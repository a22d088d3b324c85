"""The outbox of live hints (SPEC T2): names on the wire, marked once, slow watchers get the newest only."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
import redis

from deliveries.fulfilment import location_reports
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Track
from deliveries.realtime import publisher
from deliveries.realtime.hub import Hub, Watcher
from deliveries.realtime.subscriptions import OWN
from deliveries.tracking import snapshot
from foundation import clock
from foundation.models import Event
from ops.monitoring import queue_lag
from riders.positions import PositionFix
from tests.builders import assigned, moved, near, paid_order, rider

CARRIED_ON = (DeliveryStatus.PICKED_UP, DeliveryStatus.IN_TRANSIT, DeliveryStatus.DELIVERED)
NAMES = [
    ("order.payment_confirmed", {}, "order:payment_confirmed"),
    ("order.payment_failed", {}, "order:payment_failed"),
    ("order.refunded", {}, "order:refunded"),
    ("order.delivered", {}, "order:delivered"),
    ("order.status_changed", {}, "order:status"),
    ("order.carriage_changed", {"to": "assigned"}, "delivery:driver"),
    ("order.carriage_changed", {"to": "none"}, "delivery:driver"),
    ("order.carriage_changed", {"to": "picked_up"}, "delivery:status"),
    ("order.placed", {}, "order:placed"),
]


# spec: T2, P1, P2, P4
@pytest.mark.parametrize(("event", "data", "name"), NAMES)
def test_an_orders_events_have_the_contracts_names(event: str, data: dict[str, Any], name: str):
    said = {"version": 3, "name": name}
    assert publisher.hints_of(event, "order:7", "o_x", 3, data, "corner", 5) == [
        {"topic": "order:o_x", **said},
        {"topic": "store:corner", "order": "o_x", **said, "storefront": 5},
    ]


# spec: T2, P5
def test_what_is_no_order_is_told_to_whom_it_is_about():
    facts = json.dumps({"payee": "store:4"})
    (hint,) = publisher.hints_of("store.stripe_verified", "connectaccount:2", "", 9, facts, "corner", None)
    assert hint == {"topic": "store:corner", "version": None, "name": "chef:stripe_verified"}
    assert publisher.hints_of("store.stripe_verified", "connectaccount:3", "", 9, {}, None, None) == []  # a rider's
    hint, _ = publisher.hints_of("delivery.driver_changed", "delivery:2", "o_x", 9, {}, "corner", 5)
    assert hint == {"topic": "order:o_x", "version": None, "name": "delivery:driver"}
    assert publisher.hints_of("delivery.opened", "delivery:2", "o_x", 1, {}, "corner", 5) == []
    assert publisher.hints_of("rider.suspended", "rider:2", "", 1, {}, None, None) == []


# spec: T2
@pytest.mark.django_db
def test_every_event_is_announced_once_without_gaps(broker: redis.Redis, settings):
    with broker.pubsub() as listener:
        listener.subscribe(publisher.channel_name(settings.LIVE_URL))
        assert listener.get_message(timeout=5)["type"] == "subscribe"
        placed = paid_order()
        assert publisher.QUEUE.drain_once() == Event.objects.count() > 0
        assert publisher.QUEUE.drain_once() == 0
        hints = json.loads(listener.get_message(timeout=5)["data"])
        assert listener.get_message(timeout=0.2) is None
    own = [hint for hint in hints if hint["topic"] == f"order:{placed.public_id}"]
    assert [hint["version"] for hint in own] == list(range(1, placed.version + 1))


# spec: T2
@pytest.mark.django_db
def test_the_newest_point_is_announced_once_per_order(broker: redis.Redis, settings):
    delivery, other = (moved(assigned(), DeliveryStatus.PICKED_UP) for _ in range(2))
    publisher.QUEUE.drain_once()
    later = clock.now()
    with broker.pubsub() as listener:
        listener.subscribe(publisher.channel_name(settings.LIVE_URL))
        listener.get_message(timeout=5)
        seen = [PositionFix(near(north_m=metres), later + timedelta(seconds=metres / 10)) for metres in (10, 30, 20)]
        location_reports.take_report(delivery.rider, seen)
        location_reports.take_report(other.rider, seen[:1])
        assert Track.objects.filter(announced=False).count() == 4
        assert publisher.QUEUE.drain_once() == 4
        hints = json.loads(listener.get_message(timeout=5)["data"])
    at = {
        "lat": near(north_m=30).lat,
        "lng": near().lng,
        "recorded_at": clock.format_wire(later + timedelta(seconds=3)),
    }
    wanted = {"topic": f"order:{delivery.order.public_id}", "version": None, "name": "delivery:location", "data": at}
    assert wanted in hints
    assert sorted(hint["topic"] for hint in hints) == sorted(
        publisher.order_topic(one.order.public_id) for one in (delivery, other)
    )
    assert not Track.objects.filter(announced=False).exists()
    assert publisher.QUEUE.drain_once() == 0


# spec: T4
@pytest.mark.django_db
@pytest.mark.parametrize("to", [None, *CARRIED_ON])
def test_where_a_rider_is_leaves_only_while_the_order_is_on_its_way(to: str | None, monkeypatch):
    delivery = assigned() if to is None else moved(assigned(), to)
    publisher.QUEUE.drain_once()
    said: list[Any] = []
    monkeypatch.setattr(publisher, "publish_hints", said.extend)
    point = {"latitude": near().lat, "longitude": near().lng, "recorded_at": clock.now()}
    Track.objects.create(delivery=delivery, rider=delivery.rider, **point)
    assert publisher.QUEUE.drain_once() == 1
    assert [hint["name"] for hint in said] == (["delivery:location"] if to in snapshot.ON_THE_WAY else [])
    assert not Track.objects.filter(announced=False).exists()


# spec: T4
@pytest.mark.django_db
def test_where_somebody_is_who_carries_it_no_more_is_told_to_nobody(monkeypatch):
    delivery, before = moved(assigned(), DeliveryStatus.PICKED_UP), rider("Somebody before")
    publisher.QUEUE.drain_once()
    said: list[Any] = []
    monkeypatch.setattr(publisher, "publish_hints", said.extend)
    point = {"latitude": near().lat, "longitude": near().lng, "recorded_at": clock.now()}
    Track.objects.create(delivery=delivery, rider=before, **point)
    assert publisher.QUEUE.drain_once() == 1
    assert said == []


# spec: T2, W5
@pytest.mark.django_db
@pytest.mark.parametrize("url", ["", "redis://127.0.0.1:9/0"])
def test_no_broker_costs_hints_and_nothing_else(settings, caplog, url: str):
    settings.LIVE_URL = url
    paid_order()
    assert publisher.QUEUE.drain_once() > 0
    assert not Event.objects.filter(announced=False).exists()
    assert ("hints_lost" in caplog.text) == bool(url)


# spec: W6
@pytest.mark.django_db
def test_an_outbox_that_falls_behind_is_noticed():
    paid_order()
    assert publisher.QUEUE.count_dead(10) == 0
    assert publisher.QUEUE.count_due(clock.now() - timedelta(minutes=2), 10) == 0
    assert publisher.QUEUE.count_due(clock.now() + timedelta(minutes=2), 1000) == Event.objects.count()
    assert queue_lag.count_backlog()["live"] == Event.objects.count()


# ── the hub ──────────────────────────────────────────────────────────────────────────────────────────────────────
def hint(version: int | None, name: str = "order:status", topic: str = "order:o_x") -> dict[str, Any]:
    return {"topic": topic, "version": version, "name": name}


# spec: T2
def test_a_slow_watcher_gets_the_newest_of_each_name_and_nothing_twice():
    async def scene() -> tuple[list[Any], list[Any]]:
        hub, slow, other = Hub(), Watcher("order:o_x"), Watcher("order:o_y")
        slow.level_with({OWN: 3})
        hub.add_watcher(slow)
        hub.add_watcher(other)
        hub.hand_out(
            [hint(2), hint(3), hint(4), hint(5, "delivery:driver"), hint(6), hint(6), hint(None, "delivery:location")]
        )
        hub.hand_out([hint(None, "delivery:location"), hint(9, topic="order:o_z")])
        first = await slow.next_hints()
        hub.hand_out([hint(6), hint(7)])
        second = await slow.next_hints()
        hub.remove_watcher(slow)
        hub.hand_out([hint(8)])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(other.next_hints(), 0.01)
        assert hub.watcher_count == 1
        return first, second

    first, second = asyncio.run(scene())
    assert first == [hint(5, "delivery:driver"), hint(6), hint(None, "delivery:location")]
    assert second == [hint(7)]
