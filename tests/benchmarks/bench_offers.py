"""Offers: finding candidates and reserving one among a thousand to a million riders, and eight workers on one spot.

Peers: candidates by ORM and Python's haversine; reserving by reading first and updating on condition afterwards.
"""

import multiprocessing
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from tests.benchmarks import harness
from tests.benchmarks.harness import Report

RADIUS_M, K = 3_000, 10
CAPACITY, WORKERS = 3, 8
CANDIDATES, MOVED = "candidates", "candidates after 20 % moved"
RESERVED, BY_HAND = "candidates + reserve", "ORM + Python haversine"
NAMES = (CANDIDATES, MOVED, RESERVED, BY_HAND)


def run(*, quick: bool) -> Report:
    sizes = (1_000, 20_000) if quick else (1_000, 100_000, 1_000_000)
    with harness.database("offers"):
        report = Report("Offers", quick, harness.machine())
        nearest(report, sizes, rounds=5 if quick else 15)
        contention(report, riders=200 if quick else 2_000, orders=300 if quick else 1_200, rounds=2 if quick else 5)
        return report


# ── one worker, more and more riders ─────────────────────────────────────────────────────────────────────────────
def nearest(report: Report, sizes: tuple[int, ...], *, rounds: int) -> None:
    found = {size: among(report, size, rounds=rounds) for size in sizes}
    report.rounds["nearest"] = {str(size): rows for size, rows in found.items()}
    p50 = {
        (name, size): harness.best(runs, "p50_ms")
        for size, variants in found.items()
        for name, runs in variants.items()
    }
    head = ["p50 ms of the best round", *(f"{size:,} riders" for size in sizes)]
    report.table("One worker", head, [[name, *(p50.get((name, size), "–") for size in sizes)] for name in NAMES])
    small, large, middle = sizes[0], sizes[-1], sizes[1]
    for name in (CANDIDATES, MOVED, RESERVED):
        what = f"{name}: {large:,} ÷ {small:,} riders"
        report.ratio(what, p50[name, large] / p50[name, small], at_most=2)
    faster = p50[BY_HAND, middle] / p50[CANDIDATES, middle]
    report.ratio(f"{BY_HAND} ÷ {CANDIDATES}, {middle:,} riders", faster, at_least=100 if report.quick else 1_500)


def among(report: Report, size: int, *, rounds: int) -> dict[str, list[dict[str, float]]]:
    from tests.benchmarks import city_of_riders

    places = city_of_riders.stores(60)
    city_of_riders.fill(size)
    report.check(all(exact(at) for at in places[:20]), f"candidates among {size} are not those of a full scan")
    quickly = {CANDIDATES: partial(figures, ours, places), RESERVED: partial(figures, reserved, places)}
    found = harness.interleaved(quickly, rounds=rounds)
    if size <= 100_000:  # the peer takes seconds
        found |= harness.interleaved({BY_HAND: partial(figures, by_hand, places[:3])}, rounds=3)
    city_of_riders.churn(0.2)
    return found | harness.interleaved({MOVED: partial(figures, ours, places)}, rounds=rounds)


def figures(find: Callable[[Any], Any], places: list[Any]) -> dict[str, float]:
    took = harness.timed([partial(find, at) for at in places])
    return {"p50_ms": harness.percentile(took, 0.5), "p99_ms": harness.percentile(took, 0.99)}


def ours(at: Any) -> list[Any]:
    from foundation import clock
    from riders import nearest

    return nearest.nearest_candidates(at, RADIUS_M, K, seen_after=clock.now() - timedelta(hours=1))


def reserved(at: Any) -> int | None:
    """Candidates and the reservation, taken back at the end."""
    from django.db import transaction

    from riders import capacity

    with transaction.atomic():
        rider_id = capacity.reserve_place([rider.rider_id for rider in ours(at)])
        transaction.set_rollback(True)
    return rider_id


def by_hand(at: Any) -> list[int]:
    """The peer, and the truth: every free rider as an object, distances in Python."""
    from foundation.geo import Point, haversine_m
    from riders.models import RiderSpot

    free = RiderSpot.objects.filter(free=True)
    ranked = sorted((spot.load, haversine_m(Point(spot.latitude, spot.longitude), at), spot.pk) for spot in free)
    return [rider_id for _, distance_m, rider_id in ranked if distance_m <= RADIUS_M][:K]


def exact(at: Any) -> bool:
    """Whether the index finds whom a full scan finds, distances to the millimetre."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT rider_id FROM (
                SELECT rider_id, load, 2 * 6371008.8 * asin(sqrt(
                    power(sin(radians(latitude - %(lat)s) / 2), 2)
                    + cos(radians(latitude)) * cos(radians(%(lat)s)) * power(sin(radians(longitude - %(lng)s) / 2), 2)
                )) AS distance_m
                FROM riders_riderspot WHERE free) s
            WHERE distance_m <= %(radius)s ORDER BY load, distance_m, rider_id LIMIT %(k)s
            """,
            {"lat": at.lat, "lng": at.lng, "radius": RADIUS_M, "k": K},
        )
        return [row[0] for row in cursor.fetchall()] == [rider.rider_id for rider in ours(at)]


# ── many workers, one spot ───────────────────────────────────────────────────────────────────────────────────────
def contention(report: Report, *, riders: int, orders: int, rounds: int) -> None:
    def variant(name: str, workers: int) -> Callable[[], dict[str, float]]:
        return lambda: contended(report, name, riders=riders, orders=orders, workers=workers)

    names = {(name, workers): variant(name, workers) for name in ATTEMPTS for workers in (1, WORKERS)}
    found = harness.interleaved(
        {f"{name}, {workers} workers": run for (name, workers), run in names.items()}, rounds=rounds
    )
    report.rounds["contention"] = found

    columns = ["rate", "p50_ms", "p99_ms", "retries"]
    rows = [[name, *(harness.median(runs, column) for column in columns)] for name, runs in found.items()]
    report.table(
        f"{orders:,} offers, {riders:,} riders with {CAPACITY} places on one spot",
        ["", "per second", *columns[1:]],
        rows,
    )
    rate = {name: harness.median(runs, "rate") for name, runs in found.items()}
    p99 = {name: harness.median(runs, "p99_ms") for name, runs in found.items()}
    ours_at, peer_at = f"reserve, {WORKERS} workers", f"select, then update, {WORKERS} workers"
    report.ratio(
        f"reserve ÷ select, then update: rate with {WORKERS} workers", rate[ours_at] / rate[peer_at], at_least=4
    )
    report.ratio(f"reserve ÷ select, then update: p99 with {WORKERS} workers", p99[ours_at] / p99[peer_at], at_most=0.2)
    report.ratio("retries of reserve", harness.median(found[ours_at], "retries"), at_most=0)


def contended(report: Report, name: str, *, riders: int, orders: int, workers: int) -> dict[str, float]:
    from django.db import connection

    from tests.benchmarks import city_of_riders

    city_of_riders.one_spot(riders)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS bench_offer (id bigserial PRIMARY KEY, rider_id bigint NOT NULL)")
        cursor.execute("TRUNCATE bench_offer")
    connection.close()  # a child must not share the socket
    fork, shares = multiprocessing.get_context("fork"), [orders // workers] * workers
    go, told = fork.Event(), fork.Queue()
    children = [fork.Process(target=work, args=(name, share, go, told)) for share in shares]
    for child in children:
        child.start()
    time.sleep(0.5)  # all are connected
    start = time.perf_counter()
    go.set()
    heard = [told.get(timeout=120) for _ in children]
    took_s = time.perf_counter() - start
    for child in children:
        child.join()
    offers = sum(shares)
    report.check(books_agree(offers), f"{name} with {workers} workers: counters and offers disagree")
    every = [ms for times, _ in heard for ms in times]
    return {
        "rate": offers / took_s,
        "p50_ms": harness.percentile(every, 0.5),
        "p99_ms": harness.percentile(every, 0.99),
        "retries": float(sum(retries for _, retries in heard)),
    }


def books_agree(offers: int) -> bool:
    """Nobody over capacity (the database would have refused), every offer counted once, on rider and spot."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT count(*) FROM bench_offer) = %(offers)s
               AND (SELECT sum(open_offers) FROM riders_rider) = %(offers)s
               AND (SELECT sum(load) FROM riders_riderspot) = %(offers)s
               AND NOT EXISTS (SELECT FROM riders_rider WHERE open_offers + active_deliveries > max_concurrent)
            """,
            {"offers": offers},
        )
        return bool(cursor.fetchone()[0])


def work(name: str, orders: int, go: Any, told: Any) -> None:
    from django.db import connection

    attempt, times, retries = ATTEMPTS[name], [], 0
    connection.ensure_connection()
    go.wait()
    for _ in range(orders):
        start = time.perf_counter()
        while not attempt():
            retries += 1
        times.append((time.perf_counter() - start) * 1000)
    connection.close()
    told.put((times, retries))


def reserve() -> bool:
    from django.db import transaction

    from riders import capacity
    from tests.benchmarks.city_of_riders import CENTRE

    with transaction.atomic():
        rider_id = capacity.reserve_place([rider.rider_id for rider in ours(CENTRE)])
        if rider_id is not None:
            write_offer(rider_id)
    return rider_id is not None


def select_then_update() -> bool:
    """The best candidate is read, and taken if nobody was faster."""
    from django.db import connection, transaction

    from tests.benchmarks.city_of_riders import CENTRE

    best = ours(CENTRE)[0]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE riders_rider SET open_offers = open_offers + 1"
            " WHERE id = %s AND active_deliveries + open_offers = %s AND %s < max_concurrent",
            [best.rider_id, best.load, best.load],
        )
        if not cursor.rowcount:
            return False
        cursor.execute(
            "UPDATE riders_riderspot SET load = load + 1, free = load + 1 < %s WHERE rider_id = %s",
            [CAPACITY, best.rider_id],
        )
        write_offer(best.rider_id)
    return True


def write_offer(rider_id: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO bench_offer (rider_id) VALUES (%s)", [rider_id])


ATTEMPTS: dict[str, Callable[[], bool]] = {"reserve": reserve, "select, then update": select_then_update}
