"""What stores, riders and ops do to an order through the tracking API (SPEC T1, O1): strict, one set of checks."""

from typing import Any

import pytest

from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery, FraudFlag
from deliveries.reactions import follow_order
from foundation.models import Event
from notifications.models import Message
from orders.lifecycle import OrderStatus
from orders.models import Order
from riders import riders
from riders.models import Rider
from tests.builders import (
    TEST,
    assigned,
    moved,
    near,
    offered,
    order,
    paid_order,
    picking,
    rider,
    searching,
    staff_of,
    user,
)
from tests.deliveries.api.tracking_calls import DOOR, HERE, carrier, path, put, status_of, swift
from tests.phone_calls import call

__all__ = ["swift"]
pytestmark = pytest.mark.django_db


# ── the store's part ─────────────────────────────────────────────────────────────────────────────────────────────
# spec: T1, O1
def test_a_store_takes_an_order_through_its_states():
    placed = paid_order()
    staff = staff_of(placed.store)
    reply = put(staff, placed, "/acknowledge", {"prep_minutes": 25})
    assert (reply.status, reply.body["current_status"]) == (200, "STORE_ACKNOWLEDGED")
    assert Order.objects.get(pk=placed.pk).minimum_prep_minutes == 25
    assert put(staff, placed, "/acknowledge", {}).status == 200  # doing it twice is doing it once
    assert put(staff, placed, "/acknowledge", None).status == 200
    for word, status in (("PICKING_IN_PROGRESS", "picking_in_progress"), ("READY_FOR_PICKUP", "ready_for_pickup")):
        assert put(staff, placed, "/status", {"status": word}).body["current_status"] == word
        assert put(staff, placed, "/status", {"status": word}).status == 200
        assert status_of(placed) == status
    reply = put(staff, placed, "/status", {"status": "PICKING_IN_PROGRESS"})
    assert (reply.status, reply.code) == (400, "INVALID_STATUS_TRANSITION")
    assert status_of(placed) == OrderStatus.READY_FOR_PICKUP


# spec: T1, O1
@pytest.mark.parametrize("word", ["DRIVER_ASSIGNED", "DRIVER_PICKUP_COMPLETE", "IN_TRANSIT", "DELIVERED",
                                  "DELIVERY_FAILED", "REFUNDED"])  # fmt: skip
def test_stores_and_storefronts_reach_store_states_only(word: str):
    delivery = moved(assigned(), DeliveryStatus.PICKED_UP)
    for somebody in (staff_of(delivery.order.store), delivery.order.storefront):
        reply = put(somebody, delivery.order, "/status", {"status": word, **HERE})
        assert (reply.status, reply.code) == (403, "FORBIDDEN")
    assert status_of(delivery.order) == OrderStatus.PICKED_UP


# spec: T1, O7
def test_a_storefront_cancels_and_the_rider_is_called_back():
    delivery = assigned()
    reply = put(delivery.order.storefront, delivery.order, "/status", {"status": "CANCELLED", "reason": "changed mind"})
    assert (reply.status, reply.body["current_status"]) == (200, "CANCELLED")
    assert reply.body["cancel_reason"] == "changed mind"
    follow_order(delivery.order_id)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.end_reason) == (DeliveryStatus.CANCELLED, "changed mind")
    assert Rider.objects.get(pk=carrier(delivery).pk).active_deliveries == 0
    [told] = Message.objects.filter(event="delivery.withdrawn")
    assert (told.recipient_id, told.params["reason"]) == (delivery.rider.recipient_id, "changed mind")
    again = put(delivery.order.storefront, delivery.order, "/status", {"status": "CANCELLED"})
    assert again.status == 200
    follow_order(delivery.order_id)
    assert Event.objects.filter(name="delivery.ended").count() == 1


# spec: T1, O7
def test_an_order_on_its_way_is_not_cancelled():
    delivery = moved(assigned(), DeliveryStatus.IN_TRANSIT)
    reply = put(delivery.order.storefront, delivery.order, "/status", {"status": "CANCELLED"})
    assert (reply.status, reply.code) == (400, "INVALID_STATUS_TRANSITION")


# spec: T1
def test_a_store_that_cannot_do_it_refuses():
    placed = paid_order()
    reply = put(staff_of(placed.store), placed, "/status", {"status": "FAILED", "reason": "oven broken"})
    assert (reply.status, reply.body["current_status"], reply.body["cancel_reason"]) == (200, "FAILED", "oven broken")


# spec: T1
def test_that_substitutions_are_needed_is_said_by_proposing():
    placed = picking(paid_order())
    reply = put(placed.storefront, placed, "/status", {"status": "SUBSTITUTIONS_NEEDED"})
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    assert reply.message == "status: follows from proposals: PUT them to …/substitutions"


# spec: T1, O1
def test_an_unpaid_order_cannot_be_acknowledged():
    placed = order()
    reply = put(staff_of(placed.store), placed, "/acknowledge", {})
    assert (reply.status, reply.code) == (400, "INVALID_STATUS_TRANSITION")


# ── the rider's part ─────────────────────────────────────────────────────────────────────────────────────────────
# spec: T1, R4
def test_riders_are_checked_as_in_their_own_api():
    delivery = assigned()
    placed, one = delivery.order, delivery.rider.user
    far = near(north_m=900)
    reply = put(one, placed, "/status", {"status": "DRIVER_PICKUP_COMPLETE", "lat": far.lat, "lng": far.lng})
    assert (reply.status, reply.code) == (400, "FAKE_PICKUP_DETECTED")
    assert put(one, placed, "/status", {"status": "DRIVER_PICKUP_COMPLETE", **HERE}).status == 200
    assert put(one, placed, "/status", {"status": "DELIVERED", **HERE}).code == "INVALID_STATUS_TRANSITION"
    assert put(one, placed, "/status", {"status": "IN_TRANSIT"}).body["current_status"] == "IN_TRANSIT"
    reply = put(one, placed, "/delivered", {"lat": far.lat, "lng": far.lng})
    assert (reply.status, reply.code) == (400, "FAKE_DELIVERY_DETECTED")
    assert FraudFlag.objects.count() == 2
    reply = put(one, placed, "/delivered", {"lat": DOOR.lat, "lng": DOOR.lng})
    assert (reply.status, reply.body["current_status"]) == (200, "DELIVERED")
    assert put(one, placed, "/delivered", {}).status == 200
    assert put(one, placed, "/status", {"status": "READY_FOR_PICKUP"}).status == 403


# spec: T1, R7
def test_a_rider_sends_where_they_are():
    delivery = moved(assigned(), DeliveryStatus.PICKED_UP)
    at = near(north_m=50)
    reply = put(delivery.rider.user, delivery.order, "/location", {"lat": at.lat, "lng": at.lng, "accuracy": 5})
    assert reply.status == 200
    assert reply.body["driver_location"]["latitude"] == at.lat


# spec: T1
def test_a_rider_says_how_to_be_recognised():
    delivery = assigned(rider("Ravi", vehicle="scooter"))
    reply = put(delivery.rider.user, delivery.order, "/driver", {"vehicle": "red bicycle", "phone": "+918012345678"})
    shown = reply.body["driver_details"]
    assert (shown["name"], shown["vehicle"], shown["phone"]) == ("Ravi", "red bicycle", "+918012345678")
    reply = put(delivery.rider.user, delivery.order, "/driver", {"driver_id": str(delivery.rider.public_id)})
    assert reply.status == 403


# spec: T1, R5
def test_an_offered_order_may_be_looked_at_but_not_changed():
    offer = offered()
    one, placed = offer.rider.user, offer.delivery.order
    assert call(one, "get", path(placed)).status == 200
    assert put(one, placed, "/driver", {"vehicle": "van"}).status == 403
    assert put(one, placed, "/delivered", HERE).code == "ORDER_NOT_ACCEPTED"


# ── ops ──────────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: T1, A3
def test_ops_gives_an_order_to_another_rider():
    delivery, other = assigned(), rider("Other")
    lead = user()
    reply = put(lead, delivery.order, "/driver", {"driver_id": str(other.public_id)})
    assert (reply.status, reply.body["driver_details"]["name"]) == (200, "Other")
    first = Rider.objects.get(pk=carrier(delivery).pk)
    other.refresh_from_db()
    assert (first.active_deliveries, other.active_deliveries) == (0, 1)
    assert Message.objects.get(event="delivery.withdrawn").recipient_id == first.recipient_id
    assert Message.objects.get(event="delivery.given").recipient_id == other.recipient_id
    assert put(first.user, delivery.order, "/status", {"status": "DRIVER_PICKUP_COMPLETE", **HERE}).status == 403
    assert put(lead, delivery.order, "/driver", {"driver_id": str(other.public_id)}).status == 200
    assert put(other.user, delivery.order, "/status", {"status": "DRIVER_PICKUP_COMPLETE", **HERE}).status == 200
    reply = put(lead, delivery.order, "/driver", {"driver_id": str(first.public_id)})
    assert (reply.status, reply.code) == (409, "ALREADY_FETCHED")


# spec: T1, D2
def test_ops_gives_an_order_away_while_it_is_offered_to_somebody():
    offer, other = offered(), rider("Other")
    reply = put(user(), offer.delivery.order, "/driver", {"driver_id": str(other.public_id)})
    assert (reply.status, reply.body["driver_details"]["name"]) == (200, "Other")
    offer.refresh_from_db()
    offer.rider.refresh_from_db()
    assert (offer.status, offer.rider.open_offers) == ("withdrawn", 0)


# spec: T1, D1
@pytest.mark.parametrize("who", ["full", "suspended", "nobody"])
def test_ops_cannot_give_an_order_to_who_cannot_carry_it(who: str):
    other = rider("Other", at=near(north_m=500), max_concurrent=1, load=1 if who == "full" else 0)
    delivery = assigned(rider("First", at=near(north_m=10), max_concurrent=2), searching())
    if who == "suspended":
        riders.suspend_rider(other.pk, "late", by=TEST)
    wished = "5f0c3a5e-6a40-4d0b-8c39-0d6f6d0f9a11" if who == "nobody" else str(other.public_id)
    reply = put(user(), delivery.order, "/driver", {"driver_id": wished})
    assert (reply.status, reply.code) == {
        "full": (409, "RIDER_FULL"),
        "suspended": (409, "RIDER_SUSPENDED"),
        "nobody": (400, "VALIDATION_ERROR"),
    }[who]
    kept = Delivery.objects.get(pk=delivery.pk)
    assert (kept.rider_id, kept.status) == (delivery.rider_id, DeliveryStatus.ASSIGNED)


# spec: T1
def test_ops_confirms_a_delivery_only_with_a_reason():
    delivery = moved(assigned(), DeliveryStatus.IN_TRANSIT)
    reply = put(user(), delivery.order, "/delivered", HERE)
    assert (reply.status, reply.message) == (400, "reason: say why")
    reply = put(user(), delivery.order, "/delivered", {"reason": "the customer called: it is there"})
    assert (reply.status, reply.body["current_status"]) == (200, "DELIVERED")
    delivery.refresh_from_db()
    assert delivery.dropoff_position == {"nearness": "confirmed by ops", "reason": "the customer called: it is there"}


# spec: T1
def test_ops_gives_up_a_delivery():
    delivery = moved(assigned(), DeliveryStatus.IN_TRANSIT)
    assert put(user(), delivery.order, "/status", {"status": "DELIVERY_FAILED"}).message == "reason: say why"
    reply = put(user(), delivery.order, "/status", {"status": "DELIVERY_FAILED", "reason": "bike stolen"})
    assert (reply.status, reply.body["current_status"]) == (200, "DELIVERY_FAILED")
    delivery.refresh_from_db()
    assert (delivery.status, delivery.end_reason) == (DeliveryStatus.FAILED, "bike stolen")
    assert Rider.objects.get(pk=carrier(delivery).pk).active_deliveries == 0


# spec: T1, W7
@pytest.mark.parametrize(
    ("suffix", "body", "field"),
    [
        ("/status", {}, "status"),
        ("/status", {"status": "SUBMITTED"}, "status"),
        ("/status", {"status": "delivered"}, "status"),
        ("/status", {"status": "CANCELLED", "reason": 5}, "reason"),
        ("/status", {"status": "CANCELLED", "reason": "x" * 301}, "reason"),
        ("/status", {"status": "DELIVERED", "lat": 1}, "lng"),
        ("/acknowledge", {"prep_minutes": 0}, "prep_minutes"),
        ("/acknowledge", {"prep_minutes": 1.5}, "prep_minutes"),
        ("/acknowledge", {"prep_minutes": "10"}, "prep_minutes"),
        ("/acknowledge", {"prep_minutes": 10**9}, "prep_minutes"),
        ("/driver", {"driver_id": "x"}, "driver_id"),
        ("/driver", {"phone": 5}, "phone"),
        ("/driver", {"vehicle": "x" * 61}, "vehicle"),
        ("/delivered", {"reason": []}, "reason"),
        ("/delivered", {"lng": 1}, "lat"),
    ],
)
def test_a_bad_body_is_refused_naming_the_field(suffix: str, body: Any, field: str):
    placed = assigned().order
    reply = put(user(), placed, suffix, body)
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    assert reply.message.startswith(f"{field}:")
