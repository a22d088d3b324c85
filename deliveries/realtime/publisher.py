"""Telling live watchers that something happened (SPEC T2): an outbox work queue over events and track points.

What leaves is a hint, `{topic, version, name}`: version N of this order exists. Watchers of the order are told, and
those of its store, whose hints name the `order` and its `storefront` (which hears of no other's;
deliveries/realtime/hub.py takes that out). A hint may be lost, doubled or late; who misses one finds out by the next or
when the sockets compare versions. So rows are marked first and published after: at most once, and a broker that is down
costs nobody anything but those hints.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import redis
import structlog
from django.conf import settings
from django.db import connection

from foundation import clock
from foundation.models import Event
from foundation.work_queues import WorkQueue
from orders.lifecycle import CarriageState

log = structlog.get_logger(__name__)
PATIENCE_S = 2

# The contracts' names, and ours in the same form. Events of an order that are not here keep their name, with a colon:
# every event of an order is announced, so that its versions are without gaps.
NAMES = {
    "order.status_changed": "order:status",
    "delivery.driver_changed": "delivery:driver",
    "store.stripe_verified": "chef:stripe_verified",
}
MISSED = "order:status"
DRIVER_NEWS = (CarriageState.NONE, CarriageState.ASSIGNED)

_CLAIM_EVENTS = """
    WITH fresh AS MATERIALIZED (
        SELECT id FROM foundation_event WHERE NOT announced ORDER BY id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
    ), marked AS (
        UPDATE foundation_event e SET announced = true FROM fresh WHERE e.id = fresh.id
        RETURNING e.id, e.name, e.subject, e.order_ref, e.version, e.data
    )
    SELECT marked.*, s.slug, o.storefront_id FROM marked
    LEFT JOIN orders_order o ON o.public_id = marked.order_ref AND marked.order_ref <> ''
    LEFT JOIN orders_store s
        ON s.id = coalesce(o.store_id, substring(marked.data->>'payee' FROM '^store:([0-9]+)$')::bigint)
"""
# Of each order under way the newest point of who carries it now; of the others nobody hears where they are (SPEC T4).
_CLAIM_POINTS = """
    WITH fresh AS MATERIALIZED (
        SELECT id FROM deliveries_track WHERE NOT announced ORDER BY id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
    ), marked AS (
        UPDATE deliveries_track t SET announced = true FROM fresh WHERE t.id = fresh.id
        RETURNING t.delivery_id, t.rider_id, t.latitude, t.longitude, t.recorded_at
    ), newest AS (
        SELECT DISTINCT ON (d.id) o.public_id, m.latitude, m.longitude, m.recorded_at
        FROM marked m JOIN deliveries_delivery d ON d.id = m.delivery_id AND d.rider_id IS NOT DISTINCT FROM m.rider_id
            JOIN orders_order o ON o.id = d.order_id
        WHERE d.status IN ('picked_up', 'in_transit')
        ORDER BY d.id, m.recorded_at DESC
    )
    SELECT counted.points, newest.* FROM (SELECT count(*) AS points FROM marked) counted LEFT JOIN newest ON true
"""
# now(), not clock_timestamp(): the index on the time serves only what does not change within the statement.
_CHANGED = """
    SELECT DISTINCT o.public_id, o.version, s.slug, o.storefront_id
    FROM foundation_event e JOIN orders_order o ON o.public_id = e.order_ref JOIN orders_store s ON s.id = o.store_id
    WHERE e.recorded_at > now() - make_interval(secs => %s) AND e.order_ref <> ''
"""

Hint = dict[str, Any]


def _refuse_rows(_item: Any) -> None:
    raise TypeError("the outbox has no rows to apply")


@dataclass(frozen=True, kw_only=True)
class HintQueue(WorkQueue):
    """Its rows are events and track points that nobody has announced yet; they cannot fail or die."""

    model: type[Any] = Event
    apply: Callable[..., str | None] = _refuse_rows

    def drain_once(self) -> int:
        events, points = _claim_rows(_CLAIM_EVENTS, self.batch), _claim_rows(_CLAIM_POINTS, self.batch)
        hints = [hint for row in sorted(events) for hint in hints_of(*row[1:])]
        hints += [location_hint(*row[1:]) for row in points if row[1] is not None]
        if hints:
            publish_hints(hints)
        return len(events) + int(points[0][0])

    def count_dead(self, at_most: int) -> int:
        return 0

    def count_failing(self, attempts: int, at_most: int) -> int:
        return 0

    def count_due(self, before: datetime, at_most: int) -> int:
        return Event.objects.filter(announced=False, recorded_at__lte=before)[:at_most].count()


def _claim_rows(statement: str, limit: int) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [limit])
        return cursor.fetchall()


def hints_of(
    name: str, subject: str, order_ref: str, version: int, data: Any, store: str | None, storefront: int | None
) -> list[Hint]:
    """What watchers are told of an event; nothing: nobody watches such things. `version` is the order's, where the
    event is the order's own. `store`: of the order, or whom the event is about."""
    facts = data if isinstance(data, dict) else json.loads(data)
    if name == "store.stripe_verified":
        return [{"topic": store_topic(store), "version": None, "name": NAMES[name]}] if store else []
    if subject.startswith("order:"):
        return hints_about_order(order_ref, version, _order_news(name, facts), store, storefront)
    if name in NAMES:
        return hints_about_order(order_ref, None, NAMES[name], store, storefront)
    return []


def hints_about_order(
    order_ref: str, version: int | None, name: str, store: str | None, storefront: int | None
) -> list[Hint]:
    """The same for the order's watchers and for its store's."""
    said: Hint = {"version": version, "name": name}
    hints = [{"topic": order_topic(order_ref), **said}]
    if store:
        hints.append({"topic": store_topic(store), "order": order_ref, **said, "storefront": storefront})
    return hints


def hints_since(within_s: float) -> list[Hint]:
    """The versions of all orders that something happened to within so long: what a lost hint would have said."""
    with connection.cursor() as cursor:
        cursor.execute(_CHANGED, [within_s])
        rows = cursor.fetchall()
    return [
        hint
        for ref, version, store, storefront in rows
        for hint in hints_about_order(ref, version, MISSED, store, storefront)
    ]


def _order_news(name: str, facts: dict[str, Any]) -> str:
    if name == "order.carriage_changed":
        return "delivery:driver" if facts["to"] in DRIVER_NEWS else "delivery:status"
    return NAMES.get(name) or name.replace(".", ":")


def location_hint(order_ref: str, lat: float, lng: float, recorded_at: datetime) -> Hint:
    """Positions have no version: the hint brings the newest along, so that nobody has to fetch the order for it."""
    data = {"lat": lat, "lng": lng, "recorded_at": clock.format_wire(recorded_at)}
    return {"topic": order_topic(order_ref), "version": None, "name": "delivery:location", "data": data}


def order_topic(order_ref: str) -> str:
    return f"order:{order_ref}"


def store_topic(slug: str) -> str:
    return f"store:{slug}"


# ── the wire ─────────────────────────────────────────────────────────────────────────────────────────────────────
def publish_hints(hints: list[Hint]) -> None:
    """Send hints to every sockets process. A broker that does not answer loses them: said in the log, no more."""
    if not settings.LIVE_URL:
        return
    try:
        _get_client(settings.LIVE_URL).publish(channel_name(settings.LIVE_URL), json.dumps(hints))
    except redis.RedisError as error:
        log.warning("hints_lost", hints=len(hints), error=repr(error))


@cache
def _get_client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S)


def channel_name(url: str) -> str:
    """Redis keeps databases apart, but not their channels: the number is part of the name."""
    number = redis.ConnectionPool.from_url(url).connection_kwargs.get("db") or 0
    return f"handoff:live:{number}"


QUEUE = HintQueue(name="live", batch=500, poll_s=0.05)
