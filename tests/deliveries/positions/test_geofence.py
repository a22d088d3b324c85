"""Verdicts with uncertainty (SPEC R4): hard is the contract's, tolerant wants our own earlier word for the phone's."""

from datetime import timedelta
from typing import Any

import pytest

from deliveries.fulfilment import location_reports
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery, FraudFlag, FraudKind, Track
from deliveries.positions import tracks
from foundation import clock
from orders.models import Store
from riders.models import Rider, RiderSpot
from riders.positions import PositionFix
from tests.builders import CENTRE, assigned, moved, near
from tests.deliveries.api.tracking_calls import put, swift
from tests.phone_calls import Reply, call

__all__ = ["swift"]
pytestmark = pytest.mark.django_db
DOOR = near(north_m=2000)
DRIFTED = near(north_m=120)  # from the store


@pytest.fixture
def tolerant() -> Delivery:
    """An assigned delivery of a store that allows for drift."""
    delivery = assigned()
    Store.objects.update(position_policy=Store.Positions.TOLERANT)
    RiderSpot.objects.update(seen_at=clock.now() - timedelta(minutes=30))
    return delivery


def step(delivery: Delivery, status: str = "PICKED_UP", at: Any = DRIFTED, **claim: Any) -> Reply:
    body = {"status": status, "lat": at.lat, "lng": at.lng, **claim}
    return call(delivery.rider.user, "patch", f"/api/v1/rider/orders/{delivery.order.public_id}/status", body)


def seen(
    delivery: Delivery, *, metres: float, ago_s: float, accuracy_m: float | None = 20.0, late_s: float = 0
) -> None:
    """The phone told us so long ago that its rider was so far from the store; it took `late_s` to reach us."""
    at = clock.now() - timedelta(seconds=ago_s)
    assert (
        location_reports.take_report(delivery.rider, [PositionFix(near(north_m=metres), at, accuracy_m)])[0].outcome
        == "accepted"
    )
    Track.objects.filter(delivery=delivery, recorded_at=at).update(received_at=at + timedelta(seconds=late_s))


def seen_near(delivery: Delivery) -> None:
    for ago_s, metres in ((60, 70), (30, 95)):
        seen(delivery, metres=metres, ago_s=ago_s)


def refused(delivery: Delivery, reply: Reply) -> dict[str, Any]:
    """The sighting that the refusal left with the flag."""
    assert (reply.status, reply.code) == (400, "FAKE_PICKUP_DETECTED")
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.ASSIGNED
    flag = FraudFlag.objects.get(kind=FraudKind.FAKE_PICKUP)
    return dict(flag.evidence["sightings"][-1])


# ── drift ────────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: R4
def test_drift_that_our_own_tracks_bear_out_is_let_through_and_its_evidence_kept(tolerant: Delivery):
    seen_near(tolerant)
    assert step(tolerant, accuracy=60).status == 200
    tolerant.refresh_from_db()
    kept = tolerant.pickup_position
    assert [one["distance_m"] for one in kept.pop("borne_out_by")] == [70, 95]
    assert kept == {
        "nearness": "uncertain", "rule": "tolerant", "distance_m": 120, "allowed_m": 100, "accuracy_m": 60.0,
        "age_s": 0, "doubt_m": 60, "latitude": DRIFTED.lat, "longitude": DRIFTED.lng,
    }  # fmt: skip
    assert not FraudFlag.objects.exists()  # and so nothing is held
    assert Rider.objects.get(pk=tolerant.rider.pk).fake_attempts == 0


# spec: R4, R11
def test_the_same_is_refused_where_the_store_is_hard(tolerant: Delivery):
    Store.objects.update(position_policy=Store.Positions.HARD)
    seen_near(tolerant)
    evidence = refused(tolerant, step(tolerant, accuracy=60))
    assert (evidence["rule"], evidence["nearness"], evidence["distance_m"], evidence["accuracy_m"]) == (
        "hard", "far", 120, 60.0,
    )  # fmt: skip


# spec: R4, R11
def test_without_tracks_nothing_but_the_request_speaks_for_it(tolerant: Delivery):
    evidence = refused(tolerant, step(tolerant, accuracy=60))
    assert (evidence["rule"], evidence["nearness"], evidence["allowed_m"], evidence["borne_out_by"]) == (
        "tolerant", "uncertain", 100, [],
    )  # fmt: skip
    assert (evidence["accuracy_m"], evidence["age_s"], evidence["doubt_m"]) == (60.0, 0, 60)
    assert Rider.objects.get(pk=tolerant.rider.pk).fake_attempts == 1


# spec: R4
@pytest.mark.parametrize("rule", Store.Positions.values)
@pytest.mark.parametrize("accuracy", [None, 5_000, 1_000_000])
def test_a_phone_that_calls_itself_inaccurate_from_nine_kilometres_away_is_refused(tolerant, rule: str, accuracy: Any):
    Store.objects.update(position_policy=rule)
    seen_near(tolerant)
    assert refused(tolerant, step(tolerant, at=near(north_m=9_000), accuracy=accuracy))["nearness"] == "far"


# spec: R4
def test_beyond_twice_the_geofence_no_doubt_helps(tolerant: Delivery):
    seen_near(tolerant)
    assert refused(tolerant, step(tolerant, at=near(north_m=201), accuracy=400))["nearness"] == "far"
    assert step(tolerant, at=near(north_m=199), accuracy=400).status == 200


# spec: R4
def test_measured_inside_is_inside_by_every_rule_however_inaccurate(tolerant: Delivery):
    assert step(tolerant, at=near(north_m=99), accuracy=3_000).status == 200
    tolerant.refresh_from_db()
    assert tolerant.pickup_position["nearness"] == "near"


# spec: R4
def test_drift_at_the_door_goes_by_the_same_rule(tolerant: Delivery):
    delivery = moved(tolerant, DeliveryStatus.IN_TRANSIT)
    drifted = near(DOOR, north_m=130)
    reply = step(delivery, "DELIVERED", drifted, accuracy=50)
    assert reply.code == "FAKE_DELIVERY_DETECTED"
    RiderSpot.objects.update(seen_at=clock.now() - timedelta(minutes=30))
    for ago_s, metres in ((50, 1_960), (20, 2_040)):
        seen(delivery, metres=metres, ago_s=ago_s)
    assert step(delivery, "DELIVERED", drifted, accuracy=50).status == 200
    delivery.refresh_from_db()
    assert len(delivery.dropoff_position["borne_out_by"]) == 2


# ── what bears a position out ────────────────────────────────────────────────────────────────────────────────────
def told(metres: float, ago_s: float, **more: float) -> dict[str, Any]:
    return {"metres": metres, "ago_s": ago_s, **more}


# spec: R4
@pytest.mark.parametrize(
    ("what", "sightings"),
    [
        ("one report", [told(50, 30)]),
        ("long ago", [told(50, 400), told(60, 300)]),
        ("of long ago, told just now", [told(50, 400, late_s=390), told(60, 300, late_s=280)]),
        ("far away", [told(300, 60), told(290, 30)]),
        ("near, and then gone", [told(50, 90), told(60, 60), told(700, 30)]),
        ("near by accuracies that mean nothing", [told(400, 60, accuracy_m=900), told(390, 30, accuracy_m=900)]),
        ("told together", [told(50, 60, late_s=50), told(60, 30, late_s=20)]),
        ("told after the request", [told(50, 60, late_s=90), told(60, 30, late_s=90)]),
    ],
)
def test_what_does_not_bear_a_position_out(tolerant: Delivery, what: str, sightings: list[dict[str, Any]]):
    for one in sightings:
        seen(tolerant, **one)
    if what == "told together":
        Track.objects.update(received_at=clock.now() - timedelta(seconds=10))
    assert refused(tolerant, step(tolerant, accuracy=60))["borne_out_by"] == [], what


# spec: R4
def test_a_report_in_the_same_breath_bears_nothing_out(tolerant: Delivery):
    """All in one transaction, as if the reports had reached us while the request was on its way."""
    for ago_s in (60, 30):
        location_reports.take_report(
            tolerant.rider, [PositionFix(near(north_m=60), clock.now() - timedelta(seconds=ago_s), 20.0)]
        )
    Track.objects.update(received_at=clock.now() + timedelta(seconds=5))
    refused(tolerant, step(tolerant, accuracy=60))


# spec: R4
def test_another_riders_tracks_bear_nothing_out(tolerant: Delivery):
    seen_near(tolerant)
    Track.objects.update(rider=None)
    refused(tolerant, step(tolerant, accuracy=60))
    now = clock.now()
    assert tracks.received_fixes(tolerant, since=now - timedelta(minutes=5), before=now) == []


# ── what may be said ─────────────────────────────────────────────────────────────────────────────────────────────
# spec: R4
def test_the_age_of_a_position_is_doubt_too(tolerant: Delivery, settings):
    settings.TRAVEL_SPEED_M_PER_MIN = 240.0  # 4 m/s
    seen_near(tolerant)
    taken_at = clock.format_wire(clock.now() - timedelta(seconds=4))
    assert refused(tolerant, step(tolerant, recordedAt=taken_at))["nearness"] == "far"  # 16 m of doubt
    taken_at = clock.format_wire(clock.now() - timedelta(seconds=20))
    assert step(tolerant, recordedAt=taken_at).status == 200
    tolerant.refresh_from_db()
    assert tolerant.pickup_position["age_s"] in (20, 21)


# spec: R4, W7
@pytest.mark.parametrize(
    ("claim", "field"),
    [
        ({"accuracy": -1}, "accuracy"),
        ({"accuracy": "60"}, "accuracy"),
        ({"accuracy": True}, "accuracy"),
        ({"accuracy": 1e12}, "accuracy"),
        ({"recordedAt": "just now"}, "recordedAt"),
        ({"recordedAt": 1_700_000_000}, "recordedAt"),
        ({"recordedAt": "2026-02-22T10:00:00"}, "recordedAt"),
        ({"recordedAt": "2020-02-22T10:00:00Z"}, "recordedAt"),
        ({"recordedAt": "2999-02-22T10:00:00Z"}, "recordedAt"),
        ({"lat": None, "lng": None, "accuracy": 5}, "lat"),
    ],
)
def test_what_makes_no_sense_is_refused_naming_the_field(claim: dict[str, Any], field: str):
    delivery = assigned()
    reply = step(delivery, at=CENTRE, **claim)
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    assert reply.message.startswith(f"{field}:"), reply.message
    named = {"recordedAt": "recorded_at"}
    body = {"lat": CENTRE.lat, "lng": CENTRE.lng, **{named.get(name, name): value for name, value in claim.items()}}
    reply = put(delivery.rider.user, delivery.order, "/status", {"status": "DRIVER_PICKUP_COMPLETE", **body})
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    assert reply.message.startswith(f"{named.get(field, field)}:"), reply.message
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.ASSIGNED
    assert not FraudFlag.objects.exists()


# spec: R4, T1
def test_the_tracking_api_judges_alike(tolerant: Delivery):
    seen_near(tolerant)
    rider, order = tolerant.rider.user, tolerant.order
    body = {"lat": DRIFTED.lat, "lng": DRIFTED.lng, "recorded_at": clock.format_wire(clock.now())}
    wish = {"status": "DRIVER_PICKUP_COMPLETE", **body}
    assert put(rider, order, "/status", wish).code == "FAKE_PICKUP_DETECTED"
    assert put(rider, order, "/status", {**wish, "accuracy": 60}).status == 200
    assert put(rider, order, "/status", {"status": "IN_TRANSIT"}).status == 200
    at = near(DOOR, north_m=20)
    assert put(rider, order, "/delivered", {"lat": at.lat, "lng": at.lng, "accuracy": 12.5}).status == 200
    tolerant.refresh_from_db()
    assert tolerant.dropoff_position["accuracy_m"] == 12.5
