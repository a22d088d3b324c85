"""Races for offers and for places: of any number of racing calls exactly one wins (SPEC D2)."""

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from threading import Barrier

import pytest
from django.utils import timezone

from deliveries.fulfilment import offer_responses
from deliveries.models import Delivery, Offer
from foundation.errors import APIError
from foundation.models import Event
from foundation.work_queues import all_queues
from orders.models import Order
from riders.models import Rider
from tests.builders import TEST, rider
from tests.capacity_audit import find_differences
from tests.races import riders_and_orders as crowd
from tests.sizes import choose_size

pytestmark = pytest.mark.django_db(transaction=True)

RACERS = 4
OFFERS, ANSWERS = choose_size(300, 1_000), choose_size(40, 80)
Entry = tuple[int, Rider]  # the id of the offer that a racer answers, and who answers


def accept(entry: Entry) -> object:
    offer_id, one = entry
    return offer_responses.accept_offer(offer_id, one, by=TEST)


def race(heats: list[list[Entry]], accept: Callable[[Entry], object]) -> Counter[tuple[tuple[str, int], ...]]:
    """All racers of a heat answer at the same moment, heat after heat. How often the racers were told what."""
    start, told = Barrier(RACERS), [Counter() for _ in heats]

    def racer(place: int) -> None:
        for heat, counter in zip(heats, told, strict=True):
            start.wait()
            try:
                accept(heat[place])
                counter["won"] += 1
            except APIError as problem:
                counter[problem.code] += 1

    crowd.together([partial(racer, place) for place in range(RACERS)])
    return Counter(tuple(sorted(counter.items())) for counter in told)


def open_offers(many: int) -> tuple[list[Rider], list[Offer]]:
    """So many open offers, nine to a rider; and the riders."""
    fleet = [rider(max_concurrent=10) for _ in range(max(RACERS, 1 + many // 9))]
    asked = [(delivery, fleet[number % len(fleet)]) for number, delivery in enumerate(crowd.deliveries(many))]
    return fleet, crowd.offers(asked)


# spec: D2
@pytest.mark.timeout(600)
def test_four_riders_race_for_each_offer():
    """One has the offer, one had it before and answers too late, two never had it."""
    fleet, offered = open_offers(OFFERS)
    others = [[fleet[(number + step) % len(fleet)] for step in (1, 2, 3)] for number in range(OFFERS)]
    closed = {"status": "expired", "state": "done", "distance_m": 1, "fee_minor": 1, "expires_at": timezone.now()}
    earlier = Offer.objects.bulk_create(
        Offer(delivery_id=offer.delivery_id, rider=late, **closed)
        for offer, (late, _, _) in zip(offered, others, strict=True)
    )

    told = race(
        [
            [(offer.pk, offer.rider), (before.pk, late), (offer.pk, third), (offer.pk, fourth)]
            for offer, before, (late, third, fourth) in zip(offered, earlier, others, strict=True)
        ],
        accept,
    )

    assert told == {(("NOT_ASSIGNED_TO_YOU", 2), ("OFFER_EXPIRED", 1), ("won", 1)): OFFERS}
    carriers = dict(Delivery.objects.values_list("pk", "rider_id"))
    assert carriers == {offer.delivery_id: offer.rider_id for offer in offered}
    everything_agrees(accepted=OFFERS)


# spec: D2
def test_one_rider_with_four_thumbs_accepts_once():
    _, offered = open_offers(100)
    told = race([[(offer.pk, offer.rider)] * RACERS for offer in offered], accept)
    assert told == {(("OFFER_TAKEN", 3), ("won", 1)): 100}
    everything_agrees(accepted=100)


def test_a_read_then_write_accept_would_be_caught():
    """The known-bad variant: it looks whether the offer is open, and then takes it."""

    def naive(entry: Entry) -> None:
        offer = Offer.objects.get(pk=entry[0])
        if offer.status != "pending":
            raise APIError("taken", code="OFFER_TAKEN")
        Offer.objects.filter(pk=offer.pk).update(status="accepted")

    _, offered = open_offers(100)
    told = race([[(offer.pk, offer.rider)] * RACERS for offer in offered], naive)
    assert any(dict(counts)["won"] > 1 for counts in told)


# spec: D2
def test_accept_against_expiry_at_the_deadline_has_one_outcome():
    """Each answer starts a little earlier or later than the one before, so that the race stays at the deadline."""
    fleet, lane, lead_s = [rider(max_concurrent=10) for _ in range(20)], all_queues()["offers"], 0.04
    outcomes: Counter[str] = Counter()
    for number, delivery in enumerate(crowd.deliveries(ANSWERS)):
        (offer,) = crowd.offers([(delivery, fleet[number % len(fleet)])], lives_s=0.15)
        start = time.monotonic() + (offer.expires_at - timezone.now()).total_seconds() - lead_s

        def answer(offer: Offer = offer, start: float = start) -> str:
            time.sleep(max(0.0, start - time.monotonic()))
            return offer_responses.accept_offer(offer.pk, offer.rider, by=TEST).status

        def sweep(offer: Offer = offer) -> None:
            while Offer.objects.get(pk=offer.pk).status == "pending":
                lane.drain_once()
                time.sleep(0.002)

        answered, _ = crowd.together([answer, sweep])
        offer.refresh_from_db()
        told = answered.code if isinstance(answered, APIError) else answered
        assert (offer.status, told) in {("accepted", "accepted"), ("expired", "OFFER_EXPIRED")}
        assert Event.objects.filter(subject=f"offer:{offer.pk}").count() == 1
        outcomes[offer.status] += 1
        lead_s *= 0.9 if offer.status == "accepted" else 1.25
    assert set(outcomes) == {"accepted", "expired"}, "there was no race"
    everything_agrees(accepted=outcomes["accepted"])


# spec: D1, D2
@pytest.mark.parametrize(("riders", "waiting"), [(10, 60), (40, 60)])
def test_eight_workers_on_one_spot_put_nobody_over_capacity(riders: int, waiting: int):
    for _ in range(riders):
        rider()
    crowd.deliveries(waiting)
    lane, places = all_queues()["dispatch"], 3 * riders

    def worker() -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until and Offer.objects.count() < min(places, waiting):
            lane.drain_once()
        lane.drain_once()

    crowd.together([worker] * 8)

    assert Offer.objects.filter(status="pending").count() == min(places, waiting)
    assert max(Rider.objects.values_list("open_offers", flat=True)) <= 3
    assert find_differences() == []
    loads = Counter(Rider.objects.values_list("open_offers", flat=True))
    if waiting > places:
        assert loads == {3: riders}
    else:
        assert loads[0] == 0, "somebody with nothing to do was passed over for good"


def everything_agrees(*, accepted: int) -> None:
    assert find_differences() == []
    assert Delivery.objects.filter(status="assigned").count() == accepted
    assert Order.objects.filter(carriage="assigned").count() == accepted
    assert Event.objects.filter(name="offer.accepted").count() == accepted
    assert Event.objects.filter(name="delivery.assigned").count() == accepted
