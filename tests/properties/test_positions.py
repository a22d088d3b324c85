"""Ten thousand hostile positions: each is answered, none leads back in time, and it is no matter which comes first."""

import json
import random
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from deliveries.api.rider_location import describe_results
from deliveries.fraud.flags import KEPT_SIGHTINGS
from deliveries.fulfilment import location_reports
from deliveries.fulfilment.location_reports import LocationReport
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import FraudFlag, FraudKind, Track
from foundation import clock
from foundation.api.authentication import token_subject_of_user
from foundation.geo import Point, haversine_m
from orders.models import Order
from riders import positions
from riders.models import Rider, RiderSpot
from riders.positions import FixOutcome, PositionFix
from tests.builders import CENTRE, assigned, moved, near, rider, searching
from tests.deliveries.api.location_calls import Web, serving
from tests.hostile import VALUES

MANY = 10_000
ODD_PLACES = [Point(90, 0), Point(-90, 180), Point(0, 180), Point(0, -180), Point(89.9999, -179.9999), Point(0, 0)]
NO_NUMBERS = [*VALUES.values(), 1e308, -1e308, 10**400, 90.0000001, -180.5, "12.97", [12.97], {"lat": 1}]
NO_TIMES = [
    *VALUES.values(),
    "yesterday",
    "2026-02-30T10:00:00Z",
    "2026-02-22T10:00:00",
    "0000-00-00",
    1.7e12,
    "9" * 40,
]
RAW = [
    b'{"lat": NaN, "lng": 1}',
    b'{"lat": 1, "lng": Infinity}',
    b'{"lat": 1e999, "lng": 1}',
    b"[[[[",
    b"\xff\xfe",
    b"",
]
FIELDS = ("lat", "lng", "accuracy", "recordedAt", "points", "body")
NO_POINT = ("Invalid data. Expected a dictionary", "No data provided")
RESULTS = {*map(str, FixOutcome), "invalid"}


class Phone:
    """A rider's phone gone mad. It rides about, and what it sends is now and then something else."""

    def __init__(self, owner: Rider, dice: random.Random) -> None:
        self.owner, self.dice = owner, dice
        self.at, self.sent = CENTRE, list[Any]()

    def body(self) -> Any:
        if self.dice.random() < 0.2:
            return self.point()
        return [self.point() for _ in range(self.dice.randrange(1, 60))]

    def point(self) -> Any:
        dice = self.dice
        self.at = near(self.at, north_m=dice.uniform(-60, 60), east_m=dice.uniform(-60, 60))
        when = clock.now() + timedelta(seconds=dice.uniform(-20, 20))
        good: dict[str, Any] = {"lat": self.at.lat, "lng": self.at.lng, "recordedAt": clock.format_wire(when)}
        good["accuracy"] = dice.choice([None, 0, 3, 12.5, 400, 1_000_000])
        made = dice.choice(TRICKS)(good, self)
        self.sent.append(made)
        return made


def teleported(point: dict[str, Any], phone: Phone) -> dict[str, Any]:
    place = phone.dice.choice([*ODD_PLACES, Point(phone.dice.uniform(-90, 90), phone.dice.uniform(-180, 180))])
    return {**point, "lat": place.lat, "lng": place.lng}


def long_ago(point: dict[str, Any], phone: Phone) -> dict[str, Any]:
    return {
        **point,
        "recordedAt": phone.dice.choice(["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2020-01-01T00:00Z"]),
    }


def to_come(point: dict[str, Any], phone: Phone) -> dict[str, Any]:
    later = clock.now() + timedelta(seconds=phone.dice.uniform(60, 1e8))
    return {**point, "recordedAt": phone.dice.choice([clock.format_wire(later), "9999-12-31T23:59:59.999999+00:00"])}


def without(point: dict[str, Any], phone: Phone) -> dict[str, Any]:
    return {name: value for name, value in point.items() if name != phone.dice.choice(list(point))}


def of_another_kind(point: dict[str, Any], phone: Phone) -> dict[str, Any]:
    field = phone.dice.choice(list(point))
    return {**point, field: phone.dice.choice(NO_TIMES if field == "recordedAt" else NO_NUMBERS)}


TRICKS: list[Any] = [
    *[lambda point, _: point] * 4,
    teleported,
    long_ago,
    to_come,
    without,
    of_another_kind,
    lambda point, phone: phone.dice.choice(phone.sent or [point]),  # sent before
    lambda point, phone: {**point, "accuracy": phone.dice.choice([-1, -0.001, 1e9, "8"])},
    lambda _, phone: phone.dice.choice(["point", 7, True, [], {}]),
]


def rows_of_orders() -> list[Any]:
    """Changes with every write to any order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, xmin::text, ctid::text FROM orders_order ORDER BY id")
        return cursor.fetchall()


# spec: R7, R4, W7
@pytest.mark.django_db
@pytest.mark.timeout(900)
def test_ten_thousand_hostile_positions():
    with serving() as web:
        send_them(web)


def send_them(web: Web) -> None:
    dice = random.Random(7)
    under_way = [assigned(rider(), searching()) for _ in range(4)]
    for delivery in under_way[2:]:
        moved(delivery, DeliveryStatus.IN_TRANSIT)
    people = [*(one.rider for one in under_way), rider(), rider(at=None), rider(online=False)]
    phones = [Phone(one, dice) for one in people if one]
    orders, results, newest = rows_of_orders(), Counter[str](), dict[int, datetime]()
    while sum(results.values()) < MANY:
        phone = dice.choice(phones)
        body = phone.body()
        raw = dice.choice(RAW) if dice.random() < 0.02 else json.dumps(body).encode()
        reply = web.post(phone.owner.user, raw=raw)
        assert reply.status in (200, 400), (raw, reply)
        if reply.status == 400:
            assert reply.message.startswith((*FIELDS, *NO_POINT)), (raw, reply)
            results["refused"] += 1
        else:
            assert [one["index"] for one in reply.body["data"]] == list(range(len(reply.body["data"])))
            assert len(reply.body["data"]) == (len(body) if isinstance(body, list) else 1)
            reasons = [one["reason"] for one in reply.body["data"] if one["result"] == "invalid"]
            assert all(reason.startswith((*FIELDS, *NO_POINT)) for reason in reasons), reasons
            results.update(one["result"] for one in reply.body["data"])
        for pk, seen_at in RiderSpot.objects.filter(pk=phone.owner.pk).values_list("pk", "seen_at"):
            assert seen_at >= newest.get(pk, seen_at)
            newest[pk] = seen_at
    assert set(results) == {*RESULTS, "refused"}
    assert rows_of_orders() == orders
    flags = FraudFlag.objects.all()
    assert 4 <= len(flags) <= len(people)
    assert Order.objects.filter(status="delivered").count() == 0
    for flag in flags:
        assert flag.kind == FraudKind.SPOOFING
        assert len(flag.evidence["sightings"]) == min(KEPT_SIGHTINGS, flag.evidence["count"])
        assert all(one["speed_m_per_s"] > one["plausible_m_per_s"] for one in flag.evidence["sightings"])
    on_the_road = set(Track.objects.values_list("delivery", flat=True))
    assert on_the_road == {delivery.pk for delivery in under_way}
    assert not Track.objects.exclude(rider__in=[one.rider for one in under_way]).exists()


SECONDS = st.integers(0, 40).map(lambda number: timedelta(seconds=number / 2))
PLACES = st.builds(
    lambda north, east: near(north_m=north, east_m=east), st.sampled_from([0, 40, 90_000]), st.integers(0, 300)
)
POINTS = st.lists(st.tuples(SECONDS, PLACES, st.sampled_from([None, 5.0, 40.0])), min_size=1, max_size=12)
BEGIN = clock.now() - timedelta(minutes=5)


# spec: R7
@given(points=POINTS, dice=st.randoms(use_true_random=False), known=st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_batch_in_any_order_ends_as_the_sorted_one(points: list[Any], dice: random.Random, known: bool):
    last = PositionFix(CENTRE, BEGIN - timedelta(seconds=30)) if known else None
    sent = [PositionFix(place, BEGIN + after, accuracy) for after, place, accuracy in points]
    in_order = sorted(sent, key=lambda seen: seen.recorded_at)
    shuffled = dice.sample(sent, len(sent))
    results = [positions.judge_fixes(some, last, now=clock.now()) for some in (in_order, shuffled)]
    (calm, calm_end), (wild, wild_end) = results
    assert calm_end == wild_end
    assert Counter(map(repr, calm)) == Counter(map(repr, wild))
    believed = (one.fix for one in wild if one.outcome == FixOutcome.ACCEPTED)
    accepted = sorted(believed, key=lambda seen: seen.recorded_at)
    assert len({one.recorded_at for one in accepted}) == len(accepted)
    assert wild_end == (accepted[-1] if accepted else last)
    for before, after in pairwise(accepted):
        elapsed_s = (after.recorded_at - before.recorded_at).total_seconds()
        assert haversine_m(before.point, after.point) <= max(positions.JITTER_M, 70 * elapsed_s) + 2 * 40 + 1


# spec: R7
@pytest.mark.django_db
def test_in_company_and_alone_it_is_the_same():
    """The same reports, of many riders at once and of each by itself, leave the same spots and the same answers."""
    dice = random.Random(3)
    now = clock.now()
    crowd, loners = [rider() for _ in range(12)], [rider() for _ in range(12)]
    for turn in range(10):
        sent = []
        for _ in crowd:
            base = near(north_m=30 * turn, east_m=dice.uniform(0, 50))
            times = [now + timedelta(seconds=10 * turn + dice.uniform(-15, 10) - 110) for _ in range(4)]
            places = [dice.choice([base, base, near(base, north_m=80_000)]) for _ in times]
            sent.append([PositionFix(place, at, 5.0) for place, at in zip(places, times, strict=True)])
        RiderSpot.objects.filter(seen_at__gt=now - timedelta(seconds=5)).update(seen_at=now - timedelta(minutes=10))
        reports = [
            LocationReport(token_subject_of_user(one.user), points) for one, points in zip(crowd, sent, strict=True)
        ]
        together = [one.results if one else [] for one in location_reports.take_together(reports)]
        alone = [location_reports.take_report(one, points) for one, points in zip(loners, sent, strict=True)]
        assert [describe_results(one, one_told) for one, one_told in zip(sent, together, strict=True)] == [
            describe_results(one, one_told) for one, one_told in zip(sent, alone, strict=True)
        ]
    fields = ("latitude", "longitude", "seen_at", "accuracy_m")
    spots = [
        list(RiderSpot.objects.filter(rider__in=some).order_by("pk").values_list(*fields)) for some in (crowd, loners)
    ]
    assert spots[0] == spots[1]
