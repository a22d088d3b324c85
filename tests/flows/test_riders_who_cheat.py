"""Riders who claim to be where they are not: refused, flagged, their earning held until ops has decided."""

from deliveries.fraud import flags
from deliveries.models import FraudFlag, FraudKind
from foundation.events import Cause
from notifications.models import Incident
from payouts.models import PayeeKind
from tests.builders import near
from tests.flows.people import Placed, RiderPhone, Scene

OPS = Cause("user:1", "admin")
FEE_MINOR = 500 + 200  # the fee and the tip


def delivered_after_a_lie(scene: Scene, rider: RiderPhone) -> tuple[Placed, FraudFlag]:
    placed = scene.place_order()
    scene.plan_kitchen(placed)
    assert scene.pay(placed).ok
    scene.carry_order(rider, placed, to="OUT_FOR_DELIVERY")
    lie = rider.report_step(placed, "DELIVERED", near(placed.home, north_m=-400))
    assert (lie.status, lie.code) == (400, "FAKE_DELIVERY_DETECTED")
    assert lie.body["message"] == "Delivery confirmation failed validation"
    assert placed.status == "in_transit"
    assert rider.report_step(placed, "DELIVERED", placed.home).status == 200
    return placed, FraudFlag.objects.get(delivery__order__public_id=placed.ref)


# spec: R4, R11, R6, A3, N5
def test_a_flag_that_is_dismissed_frees_the_earning(scene):
    rider = scene.add_rider()
    _, flag = delivered_after_a_lie(scene, rider)
    [sighting] = flag.evidence["sightings"]
    assert (flag.kind, sighting["allowed_m"]) == (FraudKind.FAKE_DELIVERY, 100)
    assert 390 < sighting["distance_m"] < 410
    assert Incident.objects.filter(dedupe_key=flags.incident_key(flag), status="open").exists()
    scene.expect_balance(PayeeKind.RIDER, rider.rider.pk, FEE_MINOR, 0)
    flags.dismiss_flag(flag, by=OPS, note="The customer waited at the corner")
    scene.expect_balance(PayeeKind.RIDER, rider.rider.pk, 0, FEE_MINOR)


# spec: R4, R11, A3
def test_a_flag_that_is_upheld_takes_the_earning_back(scene):
    rider = scene.add_rider()
    _, flag = delivered_after_a_lie(scene, rider)
    scene.expect_balance(PayeeKind.RIDER, rider.rider.pk, FEE_MINOR, 0)
    flags.uphold_flag(flag, by=OPS, note="Left it at the gate of another street")
    scene.expect_balance(PayeeKind.RIDER, rider.rider.pk, 0, 0)
    scene.expect_balance(PayeeKind.STORE, scene.store.pk, 0, 3_700)  # the store has done its part


# spec: R4, R5
def test_who_lies_too_often_gets_no_more_orders(scene):
    rider, other = scene.add_rider(), scene.add_rider()
    other.go_online(False)
    placed = scene.place_order()
    scene.plan_kitchen(placed)
    assert scene.pay(placed).ok
    scene.wait_for_offer(rider, placed)
    assert rider.accept(placed).status == 200
    for metres in (300, 400, 500, 600):
        lie = rider.report_step(placed, "PICKED_UP", near(scene.centre, east_m=metres))
        assert (lie.status, lie.code) == (400, "FAKE_PICKUP_DETECTED")
    assert rider.get("/api/v1/rider/me").body["data"]["standing"] == "suspended"
    flag = FraudFlag.objects.get(delivery__order__public_id=placed.ref)
    assert (flag.kind, flag.evidence["count"]) == (FraudKind.FAKE_PICKUP, 4)
    suspended = rider.go_online()
    assert suspended.status == 403
    assert other.report_step(placed, "PICKED_UP", scene.centre).body == {
        "success": False,
        "message": "This order is not assigned to you",
        "errorCode": "NOT_ASSIGNED_TO_YOU",
    }
