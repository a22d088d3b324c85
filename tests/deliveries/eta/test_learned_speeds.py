"""Speeds that are learned from our own deliveries (SPEC D7): better than fixed ones, and never believed too soon."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from statistics import mean

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from deliveries.eta import estimate, learned_speeds
from deliveries.fulfilment import location_reports, transitions
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery, LearnedSpeed
from foundation import clock
from ops.tasks import learn_preparation_times, learn_speeds
from orders import deadlines, locks
from orders.models import Order, PreparationTime, Store
from orders.stores import preparation_times
from orders.stores.hour_slots import slot_of
from riders.positions import PositionFix
from tests import delivery_history as history
from tests.builders import CENTRE, TEST, acknowledged, assigned, moved, near, order, paid_order, searching, store
from tests.delivery_history import Trip

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)  # a Wednesday


@pytest.fixture
def pattern() -> Delivery:
    """A delivery that was delivered, as the rows of a history are; too short to say anything of speeds itself."""
    done = moved(assigned(), DeliveryStatus.DELIVERED)
    Delivery.objects.filter(pk=done.pk).update(distance_m=10)
    done.refresh_from_db()
    return done


def slowly(stores: list[Store], seed: int = 1) -> Iterator[Trip]:
    return history.trips(stores, seed=seed)


def on_the_way(trip: Trip, of: Store) -> tuple[Order, Delivery]:
    """The trip at the moment of its pickup, made of nothing but what is known then."""
    door = near(north_m=trip.distance_m)
    under_way = Order(pk=1, store=of, latitude=door.lat, longitude=door.lng, ready_at=trip.ready_at)
    return under_way, Delivery(order=under_way, status=DeliveryStatus.PICKED_UP, picked_up_at=trip.picked_up_at)


def error_min(trips: list[Trip], stores: list[Store]) -> float:
    """Mean absolute error of what is expected at the pickup, in minutes."""
    by_id, outlooks, errors = {one.pk: one for one in stores}, {}, []
    for trip in trips:
        placed, delivery = on_the_way(trip, by_id[trip.store_id])
        alike = trip.store_id, slot_of(placed.store, trip.picked_up_at)
        if alike not in outlooks:
            outlooks[alike] = learned_speeds.load_outlooks([placed], now=trip.picked_up_at)[placed.pk]
        expected_at = estimate.estimate_arrival(placed, delivery, outlooks[alike], now=trip.picked_up_at)
        errors.append(abs((expected_at - trip.delivered_at).total_seconds()) / 60)
    return mean(errors)


# ── how good it is ───────────────────────────────────────────────────────────────────────────────────────────────
# spec: D7
def test_learned_speeds_are_off_by_half_as_much_as_fixed_ones(pattern: Delivery):
    stores = [store() for _ in range(4)]
    history.keep(slowly(stores), 4_000, pattern=pattern)
    later = list(islice(slowly(stores, seed=2), 300))
    fixed = error_min(later, stores)
    assert learned_speeds.learn_speeds() > 4 * 24
    learned = error_min(later, stores)
    assert learned < 0.5 * fixed, (learned, fixed)


# spec: D7
@pytest.mark.parametrize("samples", [1, 5, 20])
def test_few_samples_do_no_harm(pattern: Delivery, samples: int):
    stores = [store() for _ in range(4)]
    later = list(islice(slowly(stores, seed=2), 200))
    fixed = error_min(later, stores)
    found = []
    for seed in range(3, 8):  # whichever few they happen to be
        history.keep(slowly(stores, seed=seed), samples, pattern=pattern)
        learned_speeds.learn_speeds()
        found.append(error_min(later, stores))
        Delivery.objects.exclude(pk=pattern.pk).delete()
        Order.objects.filter(order_id__startswith="past-").delete()
    assert mean(found) <= fixed, found
    assert max(found) <= 1.25 * fixed, found  # the odd few by themselves: which they are depends on the hour


# spec: D7
def test_kitchens_are_learned_too(pattern: Delivery):
    stores = [store(preparation_minutes=15) for _ in range(3)]
    history.keep(slowly(stores), 1_500, pattern=pattern)
    assert preparation_times.learn_preparation_times() > 3
    slow = stores[-1]
    placed = order(of=slow, confirmed_at=clock.now())
    usual = preparation_times.usual_minutes([placed])[placed.pk]
    assert usual == pytest.approx(history.PREPARATION_MIN * 1.25, rel=0.1)
    assert deadlines.expected_ready_at(placed) == placed.confirmed_at + timedelta(minutes=usual)


# ── what counts ──────────────────────────────────────────────────────────────────────────────────────────────────
def trip(of: Store, at: datetime, *, metres: int = 3_000, minutes: float = 10.0, **facts: object) -> Trip:
    """One trip from a store: `minutes` on the way, two at the store, three at the door."""
    reached = at + timedelta(minutes=minutes)
    known = {
        "store_id": of.pk, "distance_m": metres, "confirmed_at": at - timedelta(minutes=25),
        "ready_at": at - timedelta(minutes=5), "reached_store_at": at - timedelta(minutes=2), "picked_up_at": at,
        "reached_door_at": reached, "delivered_at": reached + timedelta(minutes=3), "door_seen": True,
    }  # fmt: skip
    return Trip(**{**known, **facts})


def lately(hour: int, *, weekend: bool = False) -> datetime:
    """The last such hour (UTC) that was more than a day ago."""
    at = clock.now().replace(hour=hour, minute=0, second=0, microsecond=0) - timedelta(days=2)
    while (at.weekday() >= 5) != weekend:
        at -= timedelta(days=1)
    return at


# spec: D7
def test_a_median_is_drawn_towards_the_setting_as_if_ten_had_gone_like_that(pattern: Delivery, settings):
    one = store()
    history.keep([trip(one, lately(12), metres=1_000)] * 10, 10, pattern=pattern)
    learned_speeds.learn_speeds()
    everywhere = LearnedSpeed.objects.get(store=None, slot=None)
    assert (everywhere.trips, everywhere.store_stops, everywhere.door_stops) == (10, 10, 10)
    assert everywhere.travel_m_per_min == pytest.approx((100 + settings.TRAVEL_SPEED_M_PER_MIN) / 2)
    assert everywhere.at_store_min == pytest.approx((2 + settings.SERVICE_MINUTES) / 2)
    assert everywhere.at_door_min == pytest.approx((3 + settings.SERVICE_MINUTES) / 2)
    finest = LearnedSpeed.objects.get(store=one, slot=12)
    assert 100 < finest.travel_m_per_min < LearnedSpeed.objects.get(store=one, slot=None).travel_m_per_min


# spec: D7
def test_hours_working_days_and_weekends_are_apart_and_by_the_stores_clock(pattern: Delivery):
    utc, kolkata = store(), store(time_zone="Asia/Kolkata")
    trips = [trip(utc, lately(12)), trip(utc, lately(12, weekend=True)), trip(kolkata, lately(12))]
    history.keep(5 * trips, 15, pattern=pattern)
    learned_speeds.learn_speeds()
    slots = LearnedSpeed.objects.exclude(store=None).exclude(slot=None).values_list("store", "slot")
    assert set(slots) == {(utc.pk, 12), (utc.pk, 36), (kolkata.pk, 17)}
    assert slot_of(utc, lately(12, weekend=True)) == 36
    assert slot_of(kolkata, lately(12)) == 17
    assert slot_of(kolkata, datetime(2026, 3, 6, 20, 0, tzinfo=UTC)) == 25  # there it is Saturday already


# spec: D7
@pytest.mark.parametrize(
    ("what", "facts"),
    [
        ("nobody rides at 300 km/h", {"minutes": 0.5}),
        ("it was forgotten and found", {"minutes": 400}),
        ("the button was pressed at the store", {"delivered_at": lately(12), "door_seen": False}),
        ("next door", {"metres": 150}),
    ],
)  # fmt: skip
def test_what_cannot_be_travel_is_cut_off(pattern: Delivery, what: str, facts: dict):
    history.keep([trip(store(), lately(12), **facts)] * 9, 9, pattern=pattern)
    learned_speeds.learn_speeds()
    assert sum(LearnedSpeed.objects.values_list("trips", flat=True)) == 0, what


# spec: D7
def test_where_nobody_saw_the_door_the_configured_time_there_is_taken_off(pattern: Delivery, settings):
    ended_at = lately(12) + timedelta(minutes=10 + settings.SERVICE_MINUTES)
    history.keep([trip(store(), lately(12), delivered_at=ended_at, door_seen=False)] * 90, 90, pattern=pattern)
    learned_speeds.learn_speeds()
    everywhere = LearnedSpeed.objects.get(store=None, slot=None)
    assert (everywhere.trips, everywhere.store_stops, everywhere.door_stops) == (90, 0, 0)
    assert everywhere.travel_m_per_min == pytest.approx(0.9 * 300 + 0.1 * settings.TRAVEL_SPEED_M_PER_MIN)
    assert everywhere.at_door_min == settings.SERVICE_MINUTES


# spec: D7, O5
def test_food_that_was_ready_only_as_it_was_handed_over_says_nothing_of_kitchens_and_service(pattern: Delivery):
    one, at = store(), lately(12)
    history.keep([trip(one, at, ready_at=at)] * 9, 9, pattern=pattern)
    learned_speeds.learn_speeds()
    assert preparation_times.learn_preparation_times() == 0
    assert LearnedSpeed.objects.get(store=one, slot=None).store_stops == 0


# spec: D7
def test_learning_again_changes_nothing_and_what_is_too_old_is_forgotten(pattern: Delivery, settings):
    history.keep(slowly([store()]), 200, pattern=pattern)

    def learned() -> list[tuple]:
        known = list(
            LearnedSpeed.objects.order_by("store", "slot").values_list("store", "slot", "travel_m_per_min", "trips")
        )
        return known + list(PreparationTime.objects.order_by("store", "slot").values_list("store", "slot", "minutes"))

    learn_preparation_times()
    learn_speeds()
    before = learned()
    learn_preparation_times()
    learn_speeds()
    assert learned() == before != []
    settings.LEARN_WEEKS = 1
    Delivery.objects.update(created_at=clock.now() - timedelta(days=8))
    Order.objects.update(created_at=clock.now() - timedelta(days=8))
    assert learned_speeds.learn_speeds() == preparation_times.learn_preparation_times() == 0


# ── what is looked up ────────────────────────────────────────────────────────────────────────────────────────────
def known(of: Store | None, slot: int | None, speed: float, **facts: float) -> LearnedSpeed:
    usual = {
        "at_store_min": 1.0, "at_door_min": 2.0, "trips": 9, "store_stops": 9, "door_stops": 9,
        "configured_m_per_min": 320.0, "learned_at": clock.now(),
    }  # fmt: skip
    return LearnedSpeed.objects.create(store=of, slot=slot, travel_m_per_min=speed, **{**usual, **facts})


def speed_of(placed: Order, now: datetime = NOON) -> float:
    return learned_speeds.load_outlooks([placed], now=now)[placed.pk].travel_m_per_min


# spec: D7
def test_the_finest_that_is_known_counts_and_without_any_the_settings(settings):
    placed = order()
    assert learned_speeds.load_outlooks([placed], now=NOON)[placed.pk].at_door_min == settings.SERVICE_MINUTES
    assert speed_of(placed) == settings.TRAVEL_SPEED_M_PER_MIN
    for of, slot, speed in ((None, None, 1.0), (None, 12, 2.0), (placed.store, None, 3.0), (placed.store, 12, 4.0)):
        known(of, slot, speed)
        assert speed_of(placed) == speed
    assert speed_of(placed, NOON + timedelta(hours=1)) == 3.0
    assert speed_of(order()) == 2.0


# spec: D7
def test_what_was_learned_in_a_city_of_another_speed_does_not_count(settings):
    placed = order()
    known(placed.store, 12, 100.0)
    settings.TRAVEL_SPEED_M_PER_MIN = 320.0 * 60
    assert speed_of(placed) == 320.0 * 60


# spec: D7, O5
def test_the_stores_word_for_an_order_goes_before_its_habit_and_its_own_figure_before_an_old_habit():
    one = store(preparation_minutes=15)
    placed = acknowledged(paid_order(of=one))
    for slot, minutes in ((None, 21.0), (slot_of(one, placed.confirmed_at), 33.0)):
        facts = {"minutes": minutes, "orders": 40, "configured_minutes": 15, "learned_at": clock.now()}
        PreparationTime.objects.create(store=one, slot=slot, **facts)
        assert deadlines.expected_ready_at(placed) == placed.confirmed_at + timedelta(minutes=minutes)
    told = acknowledged(paid_order(of=one), prep_minutes=5)
    assert deadlines.expected_ready_at(told) == told.confirmed_at + timedelta(minutes=5)
    Store.objects.update(preparation_minutes=50)  # ops has changed it since that night
    placed = Order.objects.select_related("store").get(pk=placed.pk)
    assert deadlines.expected_ready_at(placed) == placed.confirmed_at + timedelta(minutes=50)


# spec: D7
def test_many_outlooks_are_two_queries(django_assert_num_queries):
    orders = [acknowledged(paid_order()) for _ in range(4)]
    orders = list(Order.objects.select_related("store").filter(pk__in=[one.pk for one in orders]))
    with django_assert_num_queries(2):
        assert len(learned_speeds.load_outlooks(orders, now=clock.now())) == 4


# spec: D7
def test_the_nights_reading_goes_by_the_index_of_the_status(pattern: Delivery):
    history.keep(slowly([store()]), 3_000, pattern=pattern)
    with CaptureQueriesContext(connection) as queries:
        learned_speeds.learn_speeds()
    [statement] = [query["sql"] for query in queries if "INSERT INTO deliveries_learnedspeed" in query["sql"]]
    reading = statement.partition("FROM (")[2].partition(") d JOIN")[0]
    with connection.cursor() as cursor:
        for way in ("seqscan", "bitmapscan", "sort"):  # so few rows are read whole; a million are not
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(f"EXPLAIN {reading}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "delivery_by_status" in plan
    assert "Sort" not in plan


# ── where the carrier is ─────────────────────────────────────────────────────────────────────────────────────────
# spec: D7
def test_when_store_and_door_were_reached_is_kept_with_the_delivery(settings):
    settings.PLAUSIBLE_SPEED_M_PER_S = 1e9
    delivery = assigned()
    start = clock.now()
    times = [start + timedelta(seconds=s) for s in (1, 2, 3)]
    for at, metres in zip(times, (-400, -90, -10), strict=True):
        location_reports.take_report(delivery.rider, [PositionFix(near(north_m=metres), at)])
    delivery = moved(delivery, DeliveryStatus.PICKED_UP)
    assert delivery.reached_store_at == times[1]
    Delivery.objects.filter(pk=delivery.pk).update(picked_up_at=times[2])
    for seconds, metres in ((4, 1_000), (5, 1_950), (6, 2_000)):
        location_reports.take_report(
            delivery.rider, [PositionFix(near(north_m=metres), start + timedelta(seconds=seconds))]
        )
    with transaction.atomic():
        placed = locks.lock_order(delivery.order_id)
        transitions.complete_delivery(placed, transitions.lock_live(placed), by=TEST)
    delivery.refresh_from_db()
    assert delivery.reached_door_at == start + timedelta(seconds=5)
    silent = moved(assigned(), DeliveryStatus.DELIVERED)
    assert (silent.reached_store_at, silent.reached_door_at) == (None, None)


OUTLOOK = estimate.TravelOutlook(NOON, travel_m_per_min=100.0, at_store_min=2.0, at_door_min=3.0)


def expected(status: str | None, *, now: datetime = NOON, seen: PositionFix | None = None, **facts: object) -> float:
    """Minutes after noon that an order two kilometres from its store is expected."""
    door = near(north_m=2_000)
    placed = Order(store=Store(latitude=CENTRE.lat, longitude=CENTRE.lng), latitude=door.lat, longitude=door.lng)
    delivery = None if status is None else Delivery(order=placed, status=status, **facts)
    arrival_at = estimate.estimate_arrival(placed, delivery, OUTLOOK, now=now, last_fix=seen)
    return round((arrival_at - NOON).total_seconds() / 60, 1)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


# spec: D7
def test_what_is_left_is_preparation_travel_and_service():
    assert expected(None) == expected("searching") == 2 + 20 + 3
    assert expected("searching", now=at(7)) == 7 + 2 + 20 + 3
    half_way = near(north_m=1_000)
    assert expected("assigned") == 25
    assert expected("assigned", seen=PositionFix(half_way, NOON)) == 10 + 2 + 20 + 3
    assert expected("assigned", seen=PositionFix(half_way, at(-30))) == 25  # he has come, and waits for the food
    assert expected("picked_up", picked_up_at=NOON) == 20 + 3
    assert expected("in_transit", picked_up_at=at(-10), seen=PositionFix(half_way, NOON)) == 10 + 3


# spec: D7
def test_who_was_not_heard_of_since_has_gone_on_and_is_never_expected_in_the_past():
    assert expected("picked_up", now=at(8), picked_up_at=NOON) == 23
    assert (
        expected("in_transit", now=at(4), picked_up_at=NOON, seen=PositionFix(near(north_m=500), at(1))) == 1 + 15 + 3
    )
    assert expected("in_transit", now=at(60), picked_up_at=NOON) == 63
    assert (
        expected("in_transit", picked_up_at=NOON, seen=PositionFix(near(north_m=-3_000), at(-2))) == 23
    )  # on his way in


# spec: D7
def test_a_search_is_expected_by_what_was_learned_at_its_store():
    delivery, now = searching(), clock.now()
    known(delivery.order.store, None, 100.0)
    left = learned_speeds.expected_arrival(delivery.order, delivery, now=now) - now
    assert left.total_seconds() / 60 == pytest.approx(1 + 2_000 / 100 + 2, abs=0.05)
