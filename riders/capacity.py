"""Capacity: how many deliveries and offers a rider has at once (SPEC D1, D2).

Two counters on Rider, repeated on RiderSpot as `load` and `free`, so that the nearest free riders are one index
scan. Every change moves both rows in one statement: they cannot drift apart. The database's own check holds the limit.

Locks: the rider, then the rider's spot. Whoever frees a rider wakes waiting deliveries (`search_queue.rider_freed`).
"""

from collections.abc import Sequence

from django.db import IntegrityError, connection, transaction

from foundation.errors import Conflict

LOAD = "r.active_deliveries + r.open_offers"
FREE = f"r.standing = 'verified' AND {LOAD} < r.max_concurrent"

_MIRROR = """
mirrored AS (
    UPDATE riders_riderspot s SET load = counted.load, free = counted.free
    FROM counted WHERE s.rider_id = counted.id
)
"""
_RESERVE = f"""
WITH picked AS MATERIALIZED (
    SELECT r.id FROM unnest(%s::bigint[]) WITH ORDINALITY AS wished(id, place)
    JOIN riders_rider r ON r.id = wished.id
    WHERE r.is_online AND {FREE}
    ORDER BY wished.place LIMIT 1
    FOR NO KEY UPDATE OF r SKIP LOCKED
), counted AS (
    UPDATE riders_rider r SET open_offers = r.open_offers + 1 FROM picked WHERE r.id = picked.id
    RETURNING r.id, {LOAD} AS load, {FREE} AS free
), {_MIRROR}
SELECT id FROM counted
"""  # noqa: S608 - made of the constants above
_COUNT = f"""
WITH counted AS (
    UPDATE riders_rider r
    SET active_deliveries = r.active_deliveries + %s, open_offers = r.open_offers + %s WHERE r.id = %s
    RETURNING r.id, {LOAD} AS load, {FREE} AS free
), {_MIRROR}
SELECT load FROM counted
"""  # noqa: S608 - made of the constants above


def reserve_place(rider_ids: Sequence[int]) -> int | None:
    """Take a place for one offer from the first of these riders who has one, in one statement; None: nobody has.

    A rider whom somebody else is reserving right now is passed over, not waited for: the next best is as good as a
    wait is long. The rider stays locked until the transaction ends.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RESERVE, [list(rider_ids)])
        row = cursor.fetchone()
    return None if row is None else row[0]


def release_offer(rider_id: int) -> None:
    """An offer was rejected, ran out or was withdrawn: its place is free again."""
    _change_counters(rider_id, offers=-1)


def accept_offer(rider_id: int) -> None:
    """An offer became a delivery: its place stays taken."""
    _change_counters(rider_id, active=1, offers=-1)


def occupy_place(rider_id: int) -> None:
    """A delivery was given to the rider without an offer (by ops). Raises Conflict when there is no place left."""
    try:
        with transaction.atomic():
            _change_counters(rider_id, active=1)
    except IntegrityError as error:
        raise Conflict("The rider has no capacity left", code="RIDER_FULL") from error


def free_place(rider_id: int) -> None:
    """A delivery ended or was taken away: its place is free again."""
    _change_counters(rider_id, active=-1)


def copy_to_spot(rider_id: int) -> None:
    """Repeat the rider's load and freedom on the spot, after standing or limit changed (the rider is locked)."""
    _change_counters(rider_id)


def _change_counters(rider_id: int, *, active: int = 0, offers: int = 0) -> None:
    """Raises IntegrityError when a counter would fall below zero or the load above the limit: a mistake of ours."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [active, offers, rider_id])
