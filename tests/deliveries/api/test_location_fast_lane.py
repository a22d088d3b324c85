"""The position lane: the view's answers, statements that many riders share, and nobody waits for another."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework_simplejwt.tokens import AccessToken

from config.wsgi import application
from deliveries.api.location_fast_lane import PATH, LocationFastLane
from deliveries.fulfilment import location_reports
from deliveries.fulfilment.location_reports import LocationReport
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery, FraudFlag, Track
from foundation import clock
from foundation.api.authentication import token_subject_of_user
from foundation.models import Role, User
from riders import availability
from riders.models import RiderSpot
from riders.positions import FixOutcome, PositionFix
from tests.builders import CENTRE, TEST, assigned, moved, near, rider, searching, user
from tests.deliveries.api.location_calls import Web, serving, through
from tests.hostile import BODIES, VALUES
from tests.phone_calls import Reply, call, token_of

HERE = {"lat": CENTRE.lat, "lng": CENTRE.lng}


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as made:
        yield made


# ── the same as the view ─────────────────────────────────────────────────────────────────────────────────────────
GOOD: list[Any] = [
    HERE,
    {**HERE, "accuracy": 12.5, "recordedAt": None, "battery": 80},
    {**HERE, "accuracy": 7, "recordedAt": "{now}"},
    {"lat": 0, "lng": -180},
    {"points": [HERE, {"lat": 91, "lng": 0}, "nonsense", 7, None, {**HERE, "recordedAt": "2999-01-01T00:00:00Z"}]},
    [{**HERE, "recordedAt": "{now}"}, {**HERE, "recordedAt": "{now}"}, {**HERE, "recordedAt": "2020-01-01T00:00:00Z"}],
]


# spec: R7
@pytest.mark.django_db
@pytest.mark.parametrize("body", GOOD)
def test_the_lane_says_what_the_view_says(body: Any, web: Web):
    one, other = rider(at=None), rider(at=None)
    text = json.dumps(body).replace("{now}", clock.format_wire(clock.now()) or "")
    reply, known = web.post(one.user, raw=text.encode()), call(other.user, "post", PATH, raw=text.encode())
    assert (reply.status, reply.body) == (known.status, known.body) == (200, known.body)
    assert web.passed_on == 0
    assert reply.headers["Content-Type"] == known.headers["Content-Type"]
    mine, theirs = (RiderSpot.objects.filter(pk=who.pk).values_list("latitude", "accuracy_m") for who in (one, other))
    assert list(mine) == list(theirs) != []


# spec: R7, W7
@pytest.mark.django_db
def test_what_is_wrong_is_said_by_the_view(web: Web):
    one = rider()
    for title, hostile in BODIES.items():
        type_ = hostile.content_type or ""
        reply = web.post(one.user, raw=hostile.raw, CONTENT_TYPE=type_)
        known = through(web.django, one.user, hostile.raw, CONTENT_TYPE=type_)
        assert (reply.status, reply.body) == (known.status, known.body), title
    for field in ("lat", "lng", "accuracy", "recordedAt", "points"):
        for title, value in VALUES.items():
            with transaction.atomic():
                reply = web.post(one.user, {**HERE, field: value})
                transaction.set_rollback(True)
            with transaction.atomic():
                known = call(one.user, "post", PATH, {**HERE, field: value})
                transaction.set_rollback(True)
            assert (reply.status, reply.body) == (known.status, known.body), (field, title)


# spec: S1
@pytest.mark.django_db
def test_who_may_not_report_is_refused_as_by_the_view(web: Web):
    retired, profileless, one = rider().user, user(Role.RIDER), rider()
    User.objects.filter(pk=retired.pk).update(is_active=False)
    expired = AccessToken.for_user(one.user)
    expired.set_exp(lifetime=-timedelta(seconds=1))
    strange = AccessToken.for_user(one.user)
    strange["sub"] = "nobody"
    tries: list[tuple[User | None, dict[str, str], int, str]] = [
        (retired, {}, 401, "NOT_AUTHENTICATED"),
        (profileless, {}, 403, "NOT_A_RIDER"),
        (user(Role.OPS_LEAD), {}, 403, "FORBIDDEN"),
        (None, {}, 401, "NOT_AUTHENTICATED"),
        (None, {"HTTP_AUTHORIZATION": f"Bearer {expired}"}, 401, "NOT_AUTHENTICATED"),
        (None, {"HTTP_AUTHORIZATION": f"Bearer {strange}"}, 401, "NOT_AUTHENTICATED"),
        (None, {"HTTP_AUTHORIZATION": f"Bearer {token_of(one.user)}x"}, 401, "NOT_AUTHENTICATED"),
        (None, {"HTTP_AUTHORIZATION": f"Token {token_of(one.user)}"}, 401, "NOT_AUTHENTICATED"),
        (None, {"HTTP_AUTHORIZATION": "Bearer \xe9"}, 401, "NOT_AUTHENTICATED"),
        (None, {"HTTP_AUTHORIZATION": "Bearer a b"}, 401, "NOT_AUTHENTICATED"),
    ]
    for number, (somebody, environ, status, code) in enumerate(tries, start=1):
        reply = web.post(somebody, HERE, **environ)
        assert (reply.status, reply.code) == (status, code), (somebody, environ)
        assert web.passed_on == number
    assert not Track.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"REQUEST_METHOD": "GET"}, 405),
        ({"HTTP_ACCEPT": "text/html"}, 406),
        ({"HTTP_ACCEPT": "application/json; indent=4"}, 200),
        ({"QUERY_STRING": "x=1"}, 200),
        ({"CONTENT_TYPE": "application/json; charset=utf-8", "HTTP_ACCEPT": "application/json, text/plain, */*"}, 200),
        ({"CONTENT_TYPE": "text/plain"}, 415),
        ({"CONTENT_LENGTH": "1000000"}, 413),
        ({"CONTENT_LENGTH": ""}, 400),
        ({"PATH_INFO": "/api/v1/rider/location/"}, 404),
    ],
)
def test_what_is_not_plainly_a_report_is_djangos(environ: dict[str, str], status: int, web: Web):
    raw = b" " * 999_000 + json.dumps(HERE).encode() if status == 413 else json.dumps(HERE).encode()
    raw = raw.ljust(1_000_000) if status == 413 else raw
    assert web.post(rider().user, raw=raw, **environ).status == status
    assert web.passed_on == (0 if "charset" in environ.get("CONTENT_TYPE", "") else 1)


@pytest.mark.django_db
def test_the_web_process_has_the_lane():
    one = rider()
    assert through(application, one.user, json.dumps(HERE).encode()).body["success"]
    assert application._django.__class__ is LocationFastLane


# ── what follows ─────────────────────────────────────────────────────────────────────────────────────────────────
# spec: R4
@pytest.mark.django_db
def test_jumps_are_flagged_and_leaving_the_store_is_seen(web: Web):
    delivery = moved(assigned(), DeliveryStatus.PICKED_UP)
    RiderSpot.objects.update(seen_at=clock.now() - timedelta(minutes=30))
    out, away = near(north_m=260), near(north_m=90_000)
    later = clock.now() + timedelta(seconds=2)
    first = {"lat": out.lat, "lng": out.lng, "recordedAt": clock.format_wire(later)}
    jump = {"lat": away.lat, "lng": away.lng, "recordedAt": clock.format_wire(later + timedelta(seconds=1))}
    reply = web.post(delivery.rider.user, [first, jump])
    assert [one["result"] for one in reply.body["data"]] == ["accepted", "impossible"]
    assert web.passed_on == 0
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.IN_TRANSIT
    flag = FraudFlag.objects.get()
    assert (flag.kind, flag.delivery, flag.evidence["sightings"][0]["to"]["latitude"]) == (
        "spoofing", delivery, away.lat,
    )  # fmt: skip
    assert list(Track.objects.values_list("latitude", flat=True)) == [out.lat]


# ── in company ───────────────────────────────────────────────────────────────────────────────────────────────────
def reports(riders: list[Any], metres: float = 10.0) -> list[LocationReport]:
    at = clock.now() + timedelta(seconds=metres / 10)
    return [LocationReport(token_subject_of_user(one.user), [PositionFix(near(north_m=metres), at)]) for one in riders]


# spec: R7
@pytest.mark.django_db(transaction=True)
def test_the_statements_are_as_many_for_forty_riders_as_for_one():
    carrying = assigned(rider(), searching()).rider
    riders = [*(rider() for _ in range(38)), rider(online=False), carrying]
    counts = []
    for number, some in enumerate((riders[-1:], riders), start=1):
        sent = reports(some, 10.0 * number)
        with CaptureQueriesContext(connection) as captured:
            assert all(location_reports.take_together(sent))
        counts.append([query["sql"].split()[0] for query in captured.captured_queries])
    assert counts[0] == counts[1] == ["BEGIN", *counts[0][1:-1], "COMMIT"]
    assert len(counts[0]) == 3 + 2  # who and where, the tracks, the spots
    assert RiderSpot.objects.filter(latitude=near(north_m=20).lat).count() == 39
    assert Track.objects.count() == 2


# spec: R7
@pytest.mark.django_db
def test_two_reports_of_one_rider_count_one_after_the_other():
    one = rider(at=None)
    at = clock.now()
    first, second = PositionFix(near(), at), PositionFix(near(north_m=20), at - timedelta(seconds=5))
    taken = location_reports.take_together(
        [
            LocationReport(token_subject_of_user(one.user), [first]),
            LocationReport(token_subject_of_user(one.user), [second, first]),
        ]
    )
    assert [[result.outcome for result in one.results] for one in taken if one] == [
        [FixOutcome.ACCEPTED], [FixOutcome.OLD, FixOutcome.DUPLICATE],
    ]  # fmt: skip
    assert RiderSpot.objects.get(pk=one.pk).latitude == near().lat


@pytest.fixture
def locker(transactional_db: None) -> Iterator[Any]:
    """`locker(query set)`: somebody else holds these rows until the function that it returns is called."""
    with ThreadPoolExecutor(4) as pool:
        releases = []

        def lock(rows: Any) -> Any:
            locked, release = Event(), Event()

            def hold() -> None:
                with transaction.atomic():
                    list(rows.select_for_update(no_key=True, of=("self",)))
                    locked.set()
                    release.wait(30)
                connection.close()

            held = pool.submit(hold)
            assert locked.wait(30)
            releases.append(release)
            return lambda: (release.set(), held.result(30))

        yield lock
        for release in releases:
            release.set()


# spec: R7
@pytest.mark.parametrize("table", ["spot", "delivery", "rider"])
def test_whoever_is_locked_is_left_out_whole_and_nobody_waits_for_them(table: str, locker: Any):
    delivery, free, unseen = assigned(rider(), searching()), rider(), rider(at=None)
    one = unseen if table == "rider" else delivery.rider
    rows = {
        "spot": RiderSpot.objects.filter(pk=one.pk),
        "delivery": Delivery.objects.filter(pk=delivery.pk),
        "rider": type(one).objects.filter(pk=one.pk),
    }
    before = RiderSpot.objects.filter(pk=one.pk).values_list("seen_at", flat=True).first()
    release = locker(rows[table])
    sent = reports([one, free])
    taken = location_reports.take_together(sent)
    assert [one is None for one in taken] == [True, False]
    assert RiderSpot.objects.filter(pk=one.pk).values_list("seen_at", flat=True).first() == before
    release()
    assert [one.outcome for one in location_reports.take_report(one, sent[0].points)] == [FixOutcome.ACCEPTED]
    assert Track.objects.count() == (0 if table == "rider" else 1)
    assert RiderSpot.objects.get(pk=one.pk).seen_at == sent[0].points[0].recorded_at


# spec: R7
def test_the_lane_does_alone_whom_a_group_left_out(web: Web, locker: Any):
    delivery = assigned(rider(), searching())
    release = locker(Delivery.objects.filter(pk=delivery.pk))

    def post() -> Reply:
        try:
            return web.post(
                delivery.rider.user, {**HERE, "recordedAt": clock.format_wire(clock.now() + timedelta(seconds=1))}
            )
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(post)
        while web.passed_on == 0:
            assert not waiting.done()
        release()
        reply = waiting.result(30)
    assert (reply.status, reply.body["data"][0]["result"]) == (200, "accepted")
    assert Track.objects.count() == 1


# spec: R7
@pytest.mark.django_db
def test_who_is_offline_or_unknown_leaves_no_spot():
    one = rider(online=False)
    stranger = LocationReport(token_subject_of_user(user(Role.OPS_LEAD)), [PositionFix(CENTRE, clock.now())])
    taken = location_reports.take_together([*reports([one]), stranger])
    assert [one is None for one in taken] == [False, True]
    assert not RiderSpot.objects.exists()
    availability.set_online(one.pk, True, None, by=TEST)
    location_reports.take_together(reports([one], 20))
    assert RiderSpot.objects.get(pk=one.pk).latitude == near(north_m=20).lat


# spec: S1
@pytest.mark.django_db
def test_a_new_password_ends_what_was_signed_in_with_the_old_one(web: Web):
    one = rider(at=None)
    header = f"Bearer {token_of(one.user)}"
    assert web.post(None, HERE, HTTP_AUTHORIZATION=header).status == 200
    assert web.passed_on == 0
    one.user.set_password("another one than before")
    one.user.save()
    reply = web.post(None, HERE, HTTP_AUTHORIZATION=header)
    assert (reply.status, reply.code, web.passed_on) == (401, "NOT_AUTHENTICATED", 1)
