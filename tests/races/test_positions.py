"""Phones all at once: the newest position wins, nothing that was accepted is lost, nobody waits for ever."""

import json
import random
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction

from deliveries.api.location_fast_lane import LocationFastLane
from deliveries.fulfilment import transitions
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery, Track
from foundation import clock
from orders import locks
from riders import capacity
from riders.models import Rider, RiderSpot
from riders.positions import find_spot
from tests.builders import TEST, assigned, moved, near, rider, searching
from tests.deliveries.api.location_calls import through
from tests.races.riders_and_orders import together

pytestmark = pytest.mark.django_db(transaction=True)
THREADS, RIDERS, TURNS = 16, 50, 24


def lanes() -> list[LocationFastLane]:
    """Of two web processes."""
    return [LocationFastLane(get_wsgi_application()) for _ in range(2)]


def carriers(many: int) -> list[Delivery]:
    return [assigned(rider(), searching()) for _ in range(many)]


# spec: R7
def test_sixteen_threads_report_for_fifty_riders_in_any_order():
    deliveries = carriers(10)
    people: list[Rider] = [
        *(one.rider for one in deliveries if one.rider),
        *(rider(at=None) for _ in range(RIDERS - 10)),
    ]
    begin, dice = clock.now() + timedelta(seconds=1), random.Random(5)
    sent = [(one, turn) for one in people for turn in range(TURNS)]
    dice.shuffle(sent)
    served, accepted, statuses = lanes(), list[tuple[int, int]](), list[int]()

    def report(part: int) -> Callable[[], None]:
        def run() -> None:
            for one, turn in sent[part::THREADS]:
                place, at = near(north_m=5.0 * turn), begin + timedelta(milliseconds=500 * turn)
                body = {"lat": place.lat, "lng": place.lng, "recordedAt": clock.format_wire(at)}
                reply = through(served[part % 2], one.user, json.dumps(body).encode())
                statuses.append(reply.status)
                if reply.body["data"][0]["accepted"]:
                    accepted.append((one.pk, turn))

        return run

    over = threading.Event()

    def juggle() -> None:
        """Ops moves places from one rider to another meanwhile, in the order that would hurt most."""
        low, high = people[0].pk, people[1].pk
        while not over.is_set():
            with transaction.atomic():
                capacity.occupy_place(high)
                capacity.occupy_place(low)
            with transaction.atomic():
                capacity.free_place(high)
                capacity.free_place(low)

    juggler = threading.Thread(target=lambda: (juggle(), connection.close()))
    juggler.start()
    together([report(part) for part in range(THREADS)])
    over.set()
    juggler.join(30)
    assert statuses == [200] * len(sent)
    last = near(north_m=5.0 * (TURNS - 1))
    assert {find_spot(one.pk).point for one in people} == {last}
    assert RiderSpot.objects.count() == RIDERS
    for delivery in deliveries:
        kept = {round((lat - near().lat) * 111_195 / 5) for lat in latitudes(delivery)}
        assert kept >= {turn for pk, turn in accepted if pk == delivery.rider_id}
        assert TURNS - 1 in kept


def latitudes(delivery: Delivery) -> Any:
    return Track.objects.filter(delivery=delivery).values_list("latitude", flat=True)


# spec: R7
def test_a_delivery_that_ends_meanwhile_leaves_no_point_behind():
    deliveries = [moved(one, DeliveryStatus.IN_TRANSIT) for one in carriers(8)]
    served, begin = lanes(), clock.now() + timedelta(seconds=1)
    ended = threading.Semaphore(0)

    def report(delivery: Delivery) -> Callable[[], set[int]]:
        def run() -> set[int]:
            statuses, turn = set(), 0
            while not ended.acquire(blocking=False):
                turn += 1
                place, at = near(north_m=turn % 50), begin + timedelta(milliseconds=turn)
                body = {"lat": place.lat, "lng": place.lng, "recordedAt": clock.format_wire(at)}
                lane = served[turn % 2]
                statuses.add(through(lane, delivery.rider.user, json.dumps(body).encode()).status)
            return statuses

        return run

    def end() -> set[int]:
        for delivery in deliveries:
            while not Track.objects.filter(delivery=delivery).exists():
                pass
            with transaction.atomic():
                order = locks.lock_order(delivery.order_id)
                transitions.complete_delivery(order, transitions.lock_live(order), by=TEST)
        ended.release(len(deliveries))
        return {200}

    assert together([*(report(one) for one in deliveries), end]) == [{200}] * (len(deliveries) + 1)
    assert Delivery.objects.filter(status=DeliveryStatus.DELIVERED).count() == len(deliveries)
    assert not Track.objects.exists()
