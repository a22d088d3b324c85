"""A city full of riders, written by SQL: 70 % of them around 30 hot spots, 30 % with a place for one more delivery."""

from random import Random

from django.db import connection
from django.db.backends.utils import CursorWrapper

from foundation.geo import Point

CENTRE = Point(12.9716, 77.5946)
HOT_SPOTS, SPREAD_DEGREES = 30, 0.12

_FILL = f"""
WITH spots AS (SELECT n, {CENTRE.lat} + (random() - 0.5) * 2 * {SPREAD_DEGREES} AS lat,
                         {CENTRE.lng} + (random() - 0.5) * 2 * {SPREAD_DEGREES} AS lng
               FROM generate_series(0, {HOT_SPOTS - 1}) n),
people AS (
    SELECT g AS id, random() < 0.7 AS hot, random() AS u, random() AS v, random() AS w, random() AS mood,
           floor(random() * {HOT_SPOTS})::int AS n
    FROM generate_series(1, %s) g),
placed AS (
    SELECT p.id,
           CASE WHEN hot THEN s.lat + 0.008 * sqrt(-2 * ln(1 - u)) * cos(2 * pi() * v)
                ELSE {CENTRE.lat} + (u - 0.5) * 2 * {SPREAD_DEGREES} END AS lat,
           CASE WHEN hot THEN s.lng + 0.008 * sqrt(-2 * ln(1 - u)) * sin(2 * pi() * v)
                ELSE {CENTRE.lng} + (v - 0.5) * 2 * {SPREAD_DEGREES} END AS lng,
           CASE WHEN mood < 0.15 THEN 0 WHEN mood < 0.23 THEN 1 WHEN mood < 0.30 THEN 2 ELSE 3 END AS load
    FROM people p JOIN spots s USING (n)),
riders AS (
    INSERT INTO riders_rider (id, public_id, user_id, recipient_id, name, phone, vehicle, standing, suspended_reason,
        is_online, active_deliveries, open_offers, max_concurrent, fake_attempts, created_at)
    SELECT id, gen_random_uuid(), id, id, 'Rider ' || id, '', '', 'verified', '', true, load, 0, 3, 0, now()
    FROM placed)
INSERT INTO riders_riderspot (rider_id, latitude, longitude, spot, accuracy_m, seen_at, load, free)
SELECT id, lat, lng, point(lng, degrees(asinh(tan(radians(lat))))), 5, now(), load, load < 3 FROM placed
"""  # made of the constants above


def fill(riders: int) -> None:
    """Exactly so many online riders, and nobody else. Users and recipients are left out: nothing here reads them, so
    the foreign keys that want them are put aside for the filling."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE riders_rider, riders_riderspot CASCADE")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("SELECT setseed(0.7)")
        cursor.execute(_FILL, [riders])
        cursor.execute("SET session_replication_role = DEFAULT")
        settle(cursor)


def churn(share: float) -> None:
    """So many of the riders report a new position near the old one, as a minute of the city does."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE riders_riderspot s SET latitude = m.lat, longitude = m.lng, seen_at = now(),
                spot = point(m.lng, degrees(asinh(tan(radians(m.lat)))))
            FROM (SELECT rider_id, latitude + (random() - 0.5) * 0.002 AS lat,
                         longitude + (random() - 0.5) * 0.002 AS lng
                  FROM riders_riderspot WHERE random() < %s) m
            WHERE m.rider_id = s.rider_id
            """,
            [share],
        )


def settle(cursor: CursorWrapper) -> None:
    cursor.execute("VACUUM ANALYZE riders_rider, riders_riderspot")


def one_spot(riders: int) -> None:
    """So many free riders within a few metres of the centre."""
    fill(riders)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE riders_rider SET active_deliveries = 0")
        cursor.execute(
            "UPDATE riders_riderspot SET load = 0, free = true, latitude = %s + random() * 1e-5, longitude = %s,"
            " spot = point(%s, degrees(asinh(tan(radians(%s)))))",
            [CENTRE.lat, CENTRE.lng, CENTRE.lng, CENTRE.lat],
        )
        settle(cursor)


def stores(many: int) -> list[Point]:
    """Where orders come from: anywhere in the city."""
    dice = Random(7)
    return [Point(CENTRE.lat + dice.uniform(-0.1, 0.1), CENTRE.lng + dice.uniform(-0.1, 0.1)) for _ in range(many)]
