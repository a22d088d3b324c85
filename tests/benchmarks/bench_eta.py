"""Expected arrivals: how far off they are with learned speeds and with fixed ones, by how many deliveries there were to
learn from; and how long a night's learning takes.

The city is slower than the settings think, every store and every hour has its own speed (tests/delivery_history.py).
What was learned is tried on deliveries that nobody learned from, at the moment of their pickup.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from statistics import mean
from typing import Any

from tests.benchmarks import harness
from tests.benchmarks.harness import Report

STORES, TRIED = 40, 2_000
FIXED = "the settings"


def run(*, quick: bool) -> Report:
    sizes = (0, 100, 2_000, 20_000) if quick else (0, 100, 1_000, 10_000, 100_000, 1_000_000)
    with harness.database("eta"):
        report = Report("Expected arrivals", quick, harness.machine())
        learned(report, sizes)
        return report


def learned(report: Report, sizes: Sequence[int]) -> None:
    from deliveries.eta import learned_speeds
    from orders.stores import preparation_times
    from tests import history

    stores, pattern = city()
    later = list(islice(history.trips(stores, seed=7), TRIED))
    past: Iterator[Any] = history.trips(stores, seed=1)
    rows, errors = [], dict[int, float]()
    for known, size in zip((0, *sizes), sizes, strict=False):
        history.keep(past, size - known, pattern=pattern)
        took = [seconds(learn) for learn in (learned_speeds.learn_speeds, preparation_times.learn_preparation_times)]
        way_min, ready_min = way_error(later, stores), ready_error(later, stores)
        errors[size] = way_min
        rows.append([size or FIXED, way_min, way_min / errors[0], ready_min, *took])
    report.rounds["errors"] = {str(size): error for size, error in errors.items()}
    head = ["learned from", "arrival off by min", "÷ fixed", "ready off by min", "roads s", "kitchens s"]
    report.table(f"{STORES} stores, {TRIED:,} deliveries tried", head, rows)
    most = sizes[-1]
    report.ratio(f"arrival: learned from {most:,} ÷ fixed", errors[most] / errors[0], at_most=0.6)
    for size in sizes[1:]:
        report.ratio(f"arrival: learned from {size:,} ÷ fixed", errors[size] / errors[0], at_most=1)
    if not report.quick:  # so few rows are sooner read whole
        report.check(_reads_by_index(), "the night's reading does not go by an index")


def city() -> tuple[list[Any], Any]:
    from deliveries.lifecycle import DeliveryStatus
    from deliveries.models import Delivery
    from tests.builders import assigned, moved, store

    pattern = moved(assigned(), DeliveryStatus.DELIVERED)
    Delivery.objects.filter(pk=pattern.pk).update(distance_m=10)
    pattern.refresh_from_db()
    return [store() for _ in range(STORES)], pattern


def seconds(learn: Any) -> float:
    start = time.perf_counter()
    learn()
    return time.perf_counter() - start


def way_error(trips: Sequence[Any], stores: Sequence[Any]) -> float:
    """Mean absolute error, in minutes, of what is expected at the pickup."""
    from deliveries.eta import estimate, learned_speeds
    from deliveries.lifecycle import DeliveryStatus
    from deliveries.models import Delivery
    from orders.models import Order
    from orders.stores.hour_slots import slot_of
    from tests.builders import near

    by_id, known, errors = {one.pk: one for one in stores}, dict[tuple[int, int], Any](), []
    for trip in trips:
        door, now = near(north_m=trip.distance_m), trip.picked_up_at
        placed = Order(pk=1, store=by_id[trip.store_id], latitude=door.lat, longitude=door.lng, ready_at=trip.ready_at)
        delivery = Delivery(order=placed, status=DeliveryStatus.PICKED_UP, picked_up_at=now)
        alike = trip.store_id, slot_of(placed.store, now)
        known.setdefault(alike, None)
        known[alike] = known[alike] or learned_speeds.load_outlooks([placed], now=now)[placed.pk]
        errors.append(estimate.estimate_arrival(placed, delivery, known[alike], now=now) - trip.delivered_at)
    return mean(abs(error.total_seconds()) / 60 for error in errors)


def ready_error(trips: Sequence[Any], stores: Sequence[Any]) -> float:
    """The same of when the food is ready, expected when the store acknowledges."""
    from orders import deadlines
    from orders.models import Order
    from orders.stores import preparation_times

    by_id = {one.pk: one for one in stores}
    orders = [
        Order(pk=number, store=by_id[trip.store_id], confirmed_at=trip.confirmed_at)
        for number, trip in enumerate(trips)
    ]
    usual = preparation_times.usual_minutes(orders)
    errors = [
        deadlines.expected_ready_at(placed, usual[placed.pk]) - trip.ready_at
        for placed, trip in zip(orders, trips, strict=True)
    ]
    return mean(abs(error.total_seconds()) / 60 for error in errors)


def _reads_by_index() -> bool:
    """Yesterday's deliveries among those of four weeks."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN SELECT order_id FROM deliveries_delivery WHERE status = 'delivered'"
            " AND created_at >= now() - make_interval(days => 1) ORDER BY created_at DESC LIMIT 1000000"
        )
        return "Seq Scan" not in "".join(line for (line,) in cursor.fetchall())
