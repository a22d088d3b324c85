"""Capacity: two counters and their mirror on the spot, never over the limit."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connection, transaction

from foundation.errors import Conflict, Invalid
from riders import capacity, riders
from riders.models import Rider, RiderSpot
from tests.builders import TEST, rider


def counted(one: Rider) -> tuple[int, int, int, bool]:
    row, spot = Rider.objects.get(pk=one.pk), RiderSpot.objects.get(pk=one.pk)
    return row.active_deliveries, row.open_offers, spot.load, spot.free


# spec: D1
@pytest.mark.django_db
def test_an_offer_takes_a_place_and_keeps_it_when_accepted():
    ravi = rider(max_concurrent=2)
    assert capacity.reserve_place([ravi.pk]) == ravi.pk
    assert counted(ravi) == (0, 1, 1, True)
    capacity.accept_offer(ravi.pk)
    assert counted(ravi) == (1, 0, 1, True)
    assert capacity.reserve_place([ravi.pk]) == ravi.pk
    assert counted(ravi) == (1, 1, 2, False)
    assert capacity.reserve_place([ravi.pk]) is None
    capacity.release_offer(ravi.pk)
    capacity.free_place(ravi.pk)
    assert counted(ravi) == (0, 0, 0, True)


# spec: D1
@pytest.mark.django_db
def test_the_first_wished_rider_with_a_place_is_taken():
    full, offline, second, third = rider(load=3), rider(online=False), rider(), rider()
    suspended = rider()
    riders.suspend_rider(suspended.pk, "fake deliveries", by=TEST)
    wished = [full.pk, offline.pk, suspended.pk, second.pk, third.pk]
    assert capacity.reserve_place(wished) == second.pk
    assert capacity.reserve_place([]) is None


@pytest.mark.django_db
def test_counters_never_fall_below_zero_nor_rise_above_the_limit():
    ravi = rider(max_concurrent=1)
    for mistake in (capacity.free_place, capacity.release_offer, capacity.accept_offer):
        with pytest.raises(IntegrityError), transaction.atomic():
            mistake(ravi.pk)
    capacity.occupy_place(ravi.pk)
    with pytest.raises(Conflict) as refused:
        capacity.occupy_place(ravi.pk)
    assert refused.value.code == "RIDER_FULL"
    assert counted(ravi) == (1, 0, 1, False)


# spec: D1
@pytest.mark.django_db
def test_a_new_limit_is_seen_by_dispatch_at_once():
    ravi = rider(load=2)
    riders.set_capacity(ravi.pk, 2, by=TEST)
    assert counted(ravi) == (2, 0, 2, False)
    riders.set_capacity(ravi.pk, 4, by=TEST)
    assert counted(ravi) == (2, 0, 2, True)
    with pytest.raises(Conflict):
        riders.set_capacity(ravi.pk, 1, by=TEST)
    for nonsense in (0, -1, 99):
        with pytest.raises(Invalid, match=r"must be from 1"):
            riders.set_capacity(ravi.pk, nonsense, by=TEST)


# spec: D1
@pytest.mark.django_db(transaction=True)
def test_a_rider_being_reserved_by_somebody_else_is_passed_over_not_waited_for():
    first, second = rider(), rider()

    def elsewhere() -> int | None:
        try:
            return capacity.reserve_place([first.pk, second.pk])
        finally:
            connection.close()

    with transaction.atomic():
        assert capacity.reserve_place([first.pk, second.pk]) == first.pk
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(elsewhere).result(timeout=5) == second.pk
