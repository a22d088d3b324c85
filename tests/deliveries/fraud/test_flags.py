"""Where riders say they are (SPEC R4, R7, R11): within 100 m or refused, evidence kept, cheats and jumps seen."""

from datetime import timedelta
from typing import Any

import pytest

from deliveries.fraud import flags
from deliveries.fulfilment import location_reports
from deliveries.lifecycle import DeliveryStatus, FlagStatus
from deliveries.models import Delivery, FraudFlag, FraudKind, Track
from deliveries.positions import geofence, tracks
from deliveries.positions.geofence import Proximity
from foundation import clock
from foundation.errors import IllegalMove, Invalid
from foundation.events import Cause
from foundation.geo import Point, haversine_m
from foundation.models import Event, Job
from notifications.models import Incident, IncidentStatus, Message
from orders.models import Store
from riders.lifecycle import RiderStatus
from riders.models import RiderSpot
from riders.positions import PositionFix
from tests.builders import CENTRE, assigned, moved, near, rider, says_at, searching, user
from tests.phone_calls import Reply, call

pytestmark = pytest.mark.django_db
DOOR = near(north_m=2000)
OPS = Cause("user:0", "admin")


def step(delivery: Delivery, status: str, at: Point | None = None) -> Reply:
    assert delivery.rider
    position = {} if at is None else {"lat": at.lat, "lng": at.lng}
    path = f"/api/v1/rider/orders/{delivery.order.public_id}/status"
    return call(delivery.rider.user, "patch", path, {"status": status, **position})


def rode(delivery: Delivery, minutes: float = 30) -> None:
    """Time has passed since the rider was last seen."""
    RiderSpot.objects.filter(pk=delivery.rider_id).update(seen_at=clock.now() - timedelta(minutes=minutes))


def accepted_long_ago() -> Delivery:
    """A delivery whose rider may be anywhere by now."""
    delivery = assigned()
    rode(delivery)
    return delivery


# ── the geofence ─────────────────────────────────────────────────────────────────────────────────────────────────
# spec: R4
@pytest.mark.parametrize(("metres", "nearness"), [(0, "near"), (99, "near"), (99.99, "near"), (100.01, "far"),
                                                  (101, "far"), (20_000_000, "far")])  # fmt: skip
def test_a_hundred_metres_are_near_and_more_are_far(metres: float, nearness: str):
    place = Point(0.0, 77.5)
    east = Point(0.0, 77.5 + metres / 111_195.08)
    finding = geofence.measure_fix(place, says_at(east), Store.Positions.HARD, now=clock.now())
    assert finding.nearness == nearness
    assert finding.distance_m == pytest.approx(metres, rel=1e-4, abs=0.01)


# spec: R4
def test_what_cannot_be_measured_is_said():
    for rule in Store.Positions:
        now = clock.now()
        assert geofence.measure_fix(CENTRE, None, rule, now=now).nearness == Proximity.MISSING
        assert geofence.measure_fix(None, says_at(CENTRE), rule, now=now).nearness == Proximity.UNMEASURABLE


# spec: R4
@pytest.mark.parametrize("east", [True, False])
def test_pickup_is_confirmed_at_99_m_and_refused_at_101_m(east: bool):
    delivery = assigned()
    at_101 = near(east_m=101.5) if east else near(north_m=101)
    assert haversine_m(CENTRE, at_101) > 100
    reply = step(delivery, "PICKED_UP", at_101)
    assert reply.status == 400
    assert reply.body == {
        "success": False,
        "message": "Pickup confirmation failed validation",
        "errorCode": "FAKE_PICKUP_DETECTED",
    }
    delivery.refresh_from_db()
    assert (delivery.status, delivery.picked_up_at) == (DeliveryStatus.ASSIGNED, None)
    assert step(delivery, "PICKED_UP", near(east_m=99) if east else near(north_m=99)).status == 200


# spec: R4
def test_delivery_is_confirmed_at_99_m_and_refused_at_101_m():
    delivery = moved(assigned(), DeliveryStatus.IN_TRANSIT)
    rode(delivery)
    reply = step(delivery, "DELIVERED", near(DOOR, north_m=101))
    assert (reply.status, reply.message, reply.code) == (
        400, "Delivery confirmation failed validation", "FAKE_DELIVERY_DETECTED",
    )  # fmt: skip
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.IN_TRANSIT
    assert step(delivery, "DELIVERED", near(DOOR, north_m=99)).status == 200
    delivery.refresh_from_db()
    assert (delivery.status, delivery.dropoff_position["distance_m"]) == (DeliveryStatus.DELIVERED, 99)


# spec: R4, R11
@pytest.mark.django_db(transaction=True)
def test_the_evidence_outlives_the_refusal():
    delivery = accepted_long_ago()
    assert step(delivery, "PICKED_UP", near(north_m=5000)).code == "FAKE_PICKUP_DETECTED"
    flag = FraudFlag.objects.get(kind=FraudKind.FAKE_PICKUP)
    assert (flag.status, flag.rider, flag.delivery) == (FlagStatus.OPEN, delivery.rider, delivery)
    [sighting] = flag.evidence["sightings"]
    assert sighting["distance_m"] == pytest.approx(5000, abs=5)
    assert sighting["allowed_m"] == 100
    assert sighting["place"] == {"latitude": CENTRE.lat, "longitude": CENTRE.lng}
    incident = Incident.objects.get(kind="fraud.fake_pickup")
    assert (incident.status, incident.order_ref) == (IncidentStatus.OPEN, delivery.order.public_id)
    changed = Event.objects.get(name="fraud_flag.changed")
    assert changed.subject == f"delivery:{delivery.pk}"
    assert Job.objects.filter(handler="payouts.book_delivery", subject=changed.subject).exists()
    delivery.rider.refresh_from_db()
    assert delivery.rider.fake_attempts == 1


# spec: R4
def test_a_request_sent_again_within_seconds_counts_once_and_is_refused_again():
    delivery = accepted_long_ago()
    for _ in range(5):
        assert step(delivery, "PICKED_UP", near(north_m=400)).code == "FAKE_PICKUP_DETECTED"
    delivery.rider.refresh_from_db()
    assert (delivery.rider.fake_attempts, delivery.rider.standing) == (1, RiderStatus.VERIFIED)
    assert FraudFlag.objects.get().evidence["count"] == 1


# spec: R4
def test_more_than_three_fakes_suspend_the_rider():
    delivery = accepted_long_ago()
    one = delivery.rider
    for metres in (400, 410, 420):
        step(delivery, "PICKED_UP", near(north_m=metres))
    one.refresh_from_db()
    assert (one.standing, one.fake_attempts) == (RiderStatus.VERIFIED, 3)
    step(delivery, "PICKED_UP", near(north_m=430))
    one.refresh_from_db()
    assert (one.standing, one.is_online) == (RiderStatus.SUSPENDED, False)
    assert FraudFlag.objects.get().evidence["count"] == 4
    assert Message.objects.filter(event="rider.suspended", recipient=one.recipient).count() == 1
    assert step(delivery, "PICKED_UP", CENTRE).status == 200  # the food does not wait for ops: the money does


# ── without a position ───────────────────────────────────────────────────────────────────────────────────────────
# spec: R4
def test_a_missing_position_is_logged_and_allowed(caplog):
    delivery = assigned()
    assert step(delivery, "PICKED_UP").status == 200
    delivery.refresh_from_db()
    assert delivery.pickup_position == {"nearness": "missing"}
    assert "confirmed_unchecked" in caplog.text


# spec: R4
@pytest.mark.parametrize(
    ("configured", "of_store", "refused"), [(True, None, True), (True, False, False), (False, True, True)]
)
def test_a_missing_position_is_refused_where_one_is_required(settings, configured: bool, of_store: Any, refused: bool):
    settings.GPS_REQUIRED = configured
    delivery = assigned()
    Store.objects.update(gps_required=of_store)
    reply = step(delivery, "PICKED_UP")
    delivery.refresh_from_db()
    if refused:
        assert (reply.status, reply.code) == (400, "GPS_REQUIRED")
        assert reply.message.startswith("lat:")
        assert (delivery.status, FraudFlag.objects.exists()) == (DeliveryStatus.ASSIGNED, False)
        assert step(delivery, "PICKED_UP", CENTRE).status == 200
    else:
        assert (reply.status, delivery.status) == (200, DeliveryStatus.PICKED_UP)
    assert step(delivery, "OUT_FOR_DELIVERY").status == 200  # never asks where the rider is


# ── spoofing ─────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: R4
def test_an_impossible_jump_is_flagged_and_holds_the_delivery_it_is_about():
    delivery = moved(assigned(), DeliveryStatus.IN_TRANSIT)
    assert step(delivery, "DELIVERED", DOOR).status == 200  # 2 km within the second
    flag = FraudFlag.objects.get()
    assert (flag.kind, flag.delivery, flag.evidence["count"]) == (FraudKind.SPOOFING, delivery, 1)
    assert flag.evidence["sightings"][0]["distance_m"] == pytest.approx(2000, abs=5)
    assert Incident.objects.filter(kind="fraud.spoofing").count() == 1
    delivery.rider.refresh_from_db()
    assert delivery.rider.fake_attempts == 0


# spec: R4
def test_drift_between_houses_is_not_taken_for_fraud():
    delivery = assigned()
    for metres in (0, 180, 20, 200):
        at = near(north_m=metres)
        location_reports.take_report(delivery.rider, [PositionFix(at, clock.now())])
    assert not FraudFlag.objects.exists()


# spec: R4
def test_jumps_of_a_rider_who_carries_nothing_are_flagged_once_and_touch_no_money():
    one = rider()
    for metres in (50_000, 60_000):
        location_reports.take_report(one, [PositionFix(near(north_m=metres), clock.now())])
    flag = FraudFlag.objects.get()
    assert (flag.kind, flag.delivery, flag.evidence["count"]) == (FraudKind.SPOOFING, None, 2)
    assert not Job.objects.filter(handler="payouts.book_delivery").exists()
    assert Event.objects.filter(name="rider.flagged").count() == 1


# ── what ops decides ─────────────────────────────────────────────────────────────────────────────────────────────
# spec: R11
@pytest.mark.parametrize(("verb", "status"), [(flags.uphold_flag, "upheld"), (flags.dismiss_flag, "dismissed")])
def test_a_flag_is_decided_once(verb: Any, status: str):
    delivery = accepted_long_ago()
    step(delivery, "PICKED_UP", near(north_m=400))
    flag, lead = FraudFlag.objects.get(), user()
    by = Cause(f"user:{lead.pk}", "admin")
    with pytest.raises(Invalid, match="say why"):
        verb(flag, by=by, note="  ")
    verb(flag, by=by, note="the map pin was wrong")
    flag.refresh_from_db()
    assert (flag.status, flag.decided_by, flag.decision_note) == (status, lead, "the map pin was wrong")
    statuses = (
        Event.objects.filter(name="fraud_flag.changed").order_by("version").values_list("data__status", flat=True)
    )
    assert list(statuses) == ["open", status]
    assert Incident.objects.get().status == IncidentStatus.RESOLVED
    with pytest.raises(IllegalMove):
        verb(flag, by=by, note="again")


# spec: R7, R11
def test_tracks_outlive_the_delivery_while_a_flag_needs_them():
    delivery = moved(assigned(), DeliveryStatus.IN_TRANSIT)
    location_reports.take_report(delivery.rider, [PositionFix(near(north_m=100), clock.now())])
    rode(delivery)
    step(delivery, "DELIVERED", near(DOOR, north_m=500))
    step(delivery, "DELIVERED", DOOR)
    assert Track.objects.filter(delivery=delivery).exists()
    for flag in FraudFlag.objects.all():
        flags.dismiss_flag(flag, by=OPS, note="fine")
    assert not Track.objects.exists()


# ── tracks ───────────────────────────────────────────────────────────────────────────────────────────────────────
def send(one: Any, body: Any) -> Reply:
    return call(one.user, "post", "/api/v1/rider/location", body)


# spec: R7
def test_positions_are_kept_only_while_a_delivery_is_under_way():
    one = rider()
    at = near(north_m=50)
    reply = send(one, {"lat": at.lat, "lng": at.lng})
    assert (reply.status, reply.body) == (
        200,
        {
            "success": True,
            "message": "Location updated successfully",
            "data": [{"index": 0, "accepted": True, "result": "accepted", "reason": None}],
        },
    )
    assert not Track.objects.exists()
    assert RiderSpot.objects.get(pk=one.pk).latitude == at.lat
    first, second = assigned(one, searching()), assigned(one, searching())
    send(one, {"lat": at.lat, "lng": at.lng, "accuracy": 12.5})
    points = Track.objects.values_list("delivery", "latitude", "accuracy_m").order_by("delivery")
    assert list(points) == [(first.pk, at.lat, 12.5), (second.pk, at.lat, 12.5)]


# spec: R7
def test_a_batch_is_answered_point_by_point():
    delivery = moved(assigned(), DeliveryStatus.PICKED_UP)
    rode(delivery)
    now = clock.now()

    def point(ago_s: float, **more: Any) -> dict[str, Any]:
        return {
            "lat": CENTRE.lat,
            "lng": CENTRE.lng,
            "recordedAt": clock.format_wire(now - timedelta(seconds=ago_s)),
            **more,
        }

    points = [point(20), point(10), point(10), {"lat": 91, "lng": 0}, "nonsense", point(-3600), point(5, accuracy=-1)]
    reply = send(delivery.rider, {"points": points})
    assert reply.status == 200
    results = [(one["index"], one["result"]) for one in reply.body["data"]]
    assert results == [
        (0, "accepted"), (1, "accepted"), (2, "duplicate"), (3, "invalid"), (4, "invalid"), (5, "future"),
        (6, "invalid"),
    ]  # fmt: skip
    assert reply.body["data"][3]["reason"].startswith("lat:")
    assert reply.body["data"][6]["reason"].startswith("accuracy:")
    assert Track.objects.filter(delivery=delivery).count() == 2
    assert send(delivery.rider, points[:2]).body["data"][1]["result"] == "duplicate"  # a bare list, sent again


# spec: R7, W7
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "lat"),
        ({"lat": 1}, "lng"),
        ({"lat": "1", "lng": 2}, "lat"),
        ({"lat": 1, "lng": 181}, "lng"),
        ({"lat": 1, "lng": 2, "recordedAt": "yesterday"}, "recordedAt"),
        ({"lat": 1, "lng": 2, "recordedAt": "2026-02-22T10:00:00"}, "recordedAt"),
        ({"lat": 1, "lng": 2, "recordedAt": 1700000000}, "recordedAt"),
        ({"lat": 1, "lng": 2, "accuracy": "8"}, "accuracy"),
        ({"points": []}, "points"),
        ({"points": None}, "points"),
        ({"points": "x"}, "points"),
        ({"points": [{"lat": 1, "lng": 2}] * 501}, "points"),
        ([], "points"),
    ],
)
def test_a_bad_body_is_refused_naming_the_field(body: Any, field: str):
    reply = send(rider(), body)
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    assert reply.message.startswith(field)


# spec: R4
def test_who_leaves_the_store_is_out_for_delivery():
    delivery = moved(assigned(), DeliveryStatus.PICKED_UP)
    rode(delivery)
    location_reports.take_report(delivery.rider, [PositionFix(near(north_m=150), clock.now())])
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.PICKED_UP
    location_reports.take_report(delivery.rider, [PositionFix(near(north_m=260), clock.now())])
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.IN_TRANSIT
    assert Event.objects.get(name="delivery.left").actor == "system"
    assert step(delivery, "PICKED_UP").status == 200  # whose first answer was lost: the app says it again
    assert step(delivery, "OUT_FOR_DELIVERY").status == 200  # the app says it as well


# spec: R7
def test_the_latest_position_is_that_of_who_carries_it_now():
    delivery = assigned()
    location_reports.take_report(delivery.rider, [PositionFix(near(north_m=60), clock.now())])
    latest = tracks.latest_fix(delivery)
    assert latest is not None
    assert latest.point == near(north_m=60)
    delivery.rider = rider("Somebody else")
    assert tracks.latest_fix(delivery) is None


# spec: R7
def test_points_that_come_after_the_end_are_not_kept():
    delivery = moved(assigned(), DeliveryStatus.DELIVERED)
    tracks.keep_positions({delivery.rider.pk: [PositionFix(CENTRE, clock.now())]})
    assert not Track.objects.exists()
