"""Riders who may report, as tests/benchmarks/position_load.py knows them, a part of them with an order in transit; and
what their reports have left in the database."""

from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks import servers
from tests.benchmarks.position_load import CENTRE_LAT, CENTRE_LNG, NO_PASSWORD

FIRST_USER = 1_000_000
_FILL = f"""
WITH people AS (
    INSERT INTO foundation_user (id, public_id, username, password, first_name, last_name, email, role, is_superuser,
        is_staff, is_active, date_joined)
    SELECT {FIRST_USER} + n, md5('rider-' || n)::uuid, 'bench-rider-' || n, '{NO_PASSWORD}', '', '', '', 'rider', false,
        false, true, now()
    FROM generate_series(1, %(riders)s) n
)
INSERT INTO riders_rider (id, public_id, user_id, recipient_id, name, phone, vehicle, standing, suspended_reason,
    is_online, active_deliveries, open_offers, max_concurrent, fake_attempts, created_at)
SELECT n, gen_random_uuid(), {FIRST_USER} + n, {FIRST_USER} + n, 'Rider ' || n, '', '', 'verified', '', true, 0, 0, 3,
    0, now()
FROM generate_series(1, %(riders)s) n
"""
_PLACE = f"""
INSERT INTO riders_riderspot (rider_id, latitude, longitude, spot, accuracy_m, seen_at, load, free)
SELECT id, lat, lng, point(lng, degrees(asinh(tan(radians(lat))))), 5, now() - interval '1 minute', 0, true
FROM (SELECT id, {CENTRE_LAT} + id %% 100 / 1000.0 AS lat, {CENTRE_LNG} + id / 100000.0 AS lng FROM riders_rider) r
"""


def fill(link: "psycopg.Connection[Any]", *, riders: int, carrying: int) -> None:
    """Recipients are left out: nothing here reads them, so the foreign keys that want them are put aside meanwhile."""
    from deliveries.models import Delivery
    from foundation import clock
    from tests.races import crowd

    made = crowd.deliveries(carrying)
    with link.transaction():
        link.execute("SET LOCAL session_replication_role = replica")
        link.execute(_FILL, {"riders": riders})
    for number, delivery in enumerate(made):
        delivery.rider_id, delivery.status, delivery.state = 1 + number * (riders // carrying), "in_transit", "done"
        delivery.assigned_at = delivery.picked_up_at = delivery.in_transit_at = clock.now()
    Delivery.objects.bulk_update(
        made, ["rider", "status", "state", "assigned_at", "picked_up_at", "in_transit_at"], batch_size=500
    )
    forget(link)
    link.execute("VACUUM ANALYZE foundation_user, riders_rider, riders_riderspot, deliveries_delivery, orders_order")


def forget(link: "psycopg.Connection[Any]") -> None:
    """Nobody has reported for a minute, and all are where they began."""
    link.execute("TRUNCATE riders_riderspot, deliveries_track")
    link.execute(_PLACE, {})
    link.execute("VACUUM ANALYZE riders_riderspot, deliveries_track")


def orders(link: "psycopg.Connection[Any]") -> str:
    """Changes with every write to any order."""
    row = link.execute("SELECT md5(string_agg(id || ':' || xmin::text, ',' ORDER BY id)) FROM orders_order").fetchone()
    return str(row[0] if row else "")


def hot_share(link: "psycopg.Connection[Any]", since: tuple[int, int] = (0, 0)) -> float:
    updates, hot = updated(link)
    return (hot - since[1]) / max(1, updates - since[0])


def updated(link: "psycopg.Connection[Any]") -> tuple[int, int]:
    """How often spots were updated, and how often without touching an index."""
    link.execute("SELECT pg_stat_clear_snapshot()")
    row = link.execute(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'riders_riderspot'"
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def postgres_cpu_s(link: "psycopg.Connection[Any]") -> float:
    """Processor seconds of the whole server so far, of backends that have ended as well."""
    row = link.execute("SELECT current_setting('data_directory')").fetchone()
    pid = int(Path(str(row[0]), "postmaster.pid").read_text().partition("\n")[0]) if row else 0
    return sum(servers.cpu_s(one) for one in servers.tree(pid)) + servers.ended_children_cpu_s(pid)
