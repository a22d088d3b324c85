"""Weeks of delivered orders out of nothing, for what is learned from them: every store and hour has its own speed.

Rows are written by COPY and INSERT … SELECT, so that a million of them take a minute. What a trip took is the truth
that estimates are measured by.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from django.db import connection
from django.db.models import Model

from deliveries.models import Delivery
from orders.models import Order, Store

SPEED_M_PER_MIN = 250.0  # of a city that is slower than the settings think
BY_HOUR = (1.25,) * 7 + (0.8, 0.7, 0.9, 1.0, 1.0, 0.85, 0.9, 1.0, 1.0, 0.9, 0.7, 0.6, 0.7, 0.9, 1.1, 1.2, 1.25)
PREPARATION_MIN, AT_STORE_MIN, AT_DOOR_MIN = 22.0, 1.5, 2.5
NOISE = 0.18


@dataclass(frozen=True)
class Trip:
    """One delivered order: when each thing happened. `door_seen`: whether tracks show when its door was reached."""

    store_id: int
    distance_m: int
    confirmed_at: datetime
    ready_at: datetime
    reached_store_at: datetime
    picked_up_at: datetime
    reached_door_at: datetime
    delivered_at: datetime
    door_seen: bool

    @property
    def minutes(self) -> float:
        return (self.delivered_at - self.picked_up_at).total_seconds() / 60


def trips(stores: Sequence[Store], *, weeks: float = 4, seed: int = 1, until: datetime | None = None) -> Iterator[Trip]:
    """For ever: what those stores did in the last weeks. Store number n is slower or faster than others by its own
    factor, and every hour is."""
    dice, until = random.Random(seed), until or datetime.now(UTC)
    factors = {store.pk: 0.75 + 0.5 * number / max(1, len(stores) - 1) for number, store in enumerate(stores)}
    while True:
        store = dice.choice(stores)
        confirmed_at = until - timedelta(minutes=120 + dice.random() * (weeks * 7 * 24 * 60 - 240))
        confirmed_at = confirmed_at.replace(hour=dice.choices(range(24), _busy())[0])
        ready_at = confirmed_at + _minutes(PREPARATION_MIN * factors[store.pk], dice)
        reached_store_at = ready_at + timedelta(minutes=dice.uniform(-4, 4))
        picked_up_at = max(ready_at, reached_store_at) + _minutes(AT_STORE_MIN, dice)
        speed = SPEED_M_PER_MIN * factors[store.pk] * BY_HOUR[picked_up_at.hour]
        distance_m = round(dice.uniform(500, 6_000))
        reached_door_at = picked_up_at + _minutes(distance_m / speed, dice)
        delivered_at = reached_door_at + _minutes(AT_DOOR_MIN, dice)
        yield Trip(
            store.pk, distance_m, confirmed_at, ready_at, reached_store_at, picked_up_at, reached_door_at, delivered_at,
            dice.random() < 0.7,
        )  # fmt: skip


def _busy() -> list[float]:
    return [0.2] * 8 + [1, 1, 1, 2, 4, 3, 1, 1, 1, 2, 4, 5, 4, 2, 1, 0.5]


def _minutes(usual: float, dice: random.Random) -> timedelta:
    return timedelta(minutes=usual * dice.lognormvariate(0, NOISE))


def keep(done: Iterable[Trip], count: int, *, pattern: Delivery) -> None:
    """Write so many of these trips down as delivered orders and deliveries; what is the same for all of them is taken
    from `pattern`, a delivered delivery, and its order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE trip (n bigserial, store_id bigint, distance_m int, confirmed_at timestamptz,"
            " ready_at timestamptz, reached_store_at timestamptz, picked_up_at timestamptz,"
            " reached_door_at timestamptz, ended_at timestamptz)"
        )
        columns = (
            "store_id, distance_m, confirmed_at, ready_at, reached_store_at, picked_up_at, reached_door_at, ended_at"
        )
        with cursor.copy(f"COPY trip ({columns}) FROM STDIN") as copy:
            for trip in sorted(islice(done, count), key=lambda trip: trip.confirmed_at):
                copy.write_row((
                    trip.store_id, trip.distance_m, trip.confirmed_at, trip.ready_at,
                    trip.reached_store_at if trip.door_seen else None, trip.picked_up_at,
                    trip.reached_door_at if trip.door_seen else None, trip.delivered_at,
                ))  # fmt: skip
        cursor.execute("SELECT (SELECT max(id) FROM orders_order), (SELECT max(id) FROM deliveries_delivery)")
        order, delivery = cursor.fetchone()
        of_order = {
            "id": f"{order} + n", "public_id": f"'o_past_' || {order} + n", "order_id": f"'past-' || {order} + n",
            "stripe_payment_intent": f"'pi_past_' || {order} + n", "store_id": "trip.store_id", "status": "'delivered'",
            "created_at": "trip.confirmed_at", "confirmed_at": "trip.confirmed_at", "ready_at": "trip.ready_at",
            "picked_up_at": "trip.picked_up_at", "delivered_at": "trip.ended_at", "minimum_prep_minutes": "NULL",
        }  # fmt: skip
        of_delivery = {
            "id": f"{delivery} + n", "public_id": "gen_random_uuid()", "order_id": f"{order} + n",
            "external_id": f"'past-' || {order} + n", "status": "'delivered'", "distance_m": "trip.distance_m",
            "created_at": "trip.confirmed_at", "picked_up_at": "trip.picked_up_at", "ended_at": "trip.ended_at",
            "reached_store_at": "trip.reached_store_at", "reached_door_at": "trip.reached_door_at",
        }  # fmt: skip
        _copy(Order, pattern.order_id, of_order)
        _copy(Delivery, pattern.pk, of_delivery)
        cursor.execute("DROP TABLE trip")
        for table in ("orders_order", "deliveries_delivery"):
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
            cursor.execute(f"ANALYZE {table}")


def _copy(model: type[Model], pk: int, own: dict[str, str]) -> None:
    columns = [field.column for field in model._meta.concrete_fields if not field.generated]
    values = ", ".join(own.get(column, f"pattern.{column}") for column in columns)
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM trip, {table} pattern"
            " WHERE pattern.id = %s ORDER BY n",
            [pk],
        )
