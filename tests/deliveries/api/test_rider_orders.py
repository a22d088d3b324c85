"""The riders' API as its contract writes it (SPEC R1–R6): paths, shapes, messages word for word."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery, Offer, Track
from foundation.models import Event
from notifications.models import Message
from orders.lifecycle import CarriageState, OrderStatus
from orders.models import Order
from riders.models import Rider
from tests.builders import (
    CENTRE,
    acknowledged,
    assigned,
    moved,
    near,
    offered,
    paid_order,
    ready,
    rider,
    searching,
    store,
    user,
)
from tests.phone_calls import Reply, call

pytestmark = pytest.mark.django_db
ORDERS = "/api/v1/rider/orders"
WIRE_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
DOOR = near(north_m=2000)


@pytest.fixture(autouse=True)
def swift(settings) -> None:
    """Nobody takes minutes to ride from the store to the door here; test_positions is about those who do not."""
    settings.PLAUSIBLE_SPEED_M_PER_S = 1e9


def step(delivery: Delivery, status: str, at: Any = None, **body: Any) -> Reply:
    position = {} if at is None else {"lat": at.lat, "lng": at.lng}
    path = f"{ORDERS}/{delivery.order.public_id}/status"
    return call(delivery.rider.user, "patch", path, {"status": status, **position, **body})


def messages(event: str) -> list[dict[str, Any]]:
    return list(Message.objects.filter(event=event).values_list("params", flat=True))


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: R1
def test_an_open_offer_is_listed_as_assigned_and_not_accepted():
    offer = offered(delivery=searching(of=store(name="Chef"), instructions="Ring bell twice"))
    reply = call(offer.rider.user, "get", ORDERS)
    assert reply.status == 200
    assert (reply.body["success"], reply.body["message"]) == (True, "Rider orders retrieved successfully")
    assert reply.body["nextCursor"] is None
    [listed] = reply.body["data"]
    order = offer.delivery.order
    assert listed.pop("offerExpiresAt") > listed["assignedAt"]
    assert all(WIRE_TIME.match(listed[name]) for name in ("assignedAt", "createdAt"))
    del listed["assignedAt"], listed["createdAt"]
    assert listed == {
        "id": order.public_id,
        "chefId": "chef",
        "chefName": "Chef",
        "customerId": order.customer.external_id,
        "customerName": order.customer_name,
        "customerPhone": "",
        "addressSnapshot": order.address_snapshot,
        "deliveryStatus": "ASSIGNED",
        "totalPaise": 45_000,
        "deliveryFeePaise": 5_000,
        "currency": "INR",
        "itemCount": 2,
        "instructions": "Ring bell twice",
    }


# spec: R1
def test_an_offer_that_ran_out_is_not_listed():
    offer = offered()
    Offer.objects.filter(pk=offer.pk).update(expires_at=offer.created_at)
    assert call(offer.rider.user, "get", ORDERS).body["data"] == []


# spec: R1
def test_the_list_is_newest_first_filtered_and_paged():
    one = rider(max_concurrent=5)
    carried = [assigned(one, searching()) for _ in range(4)]
    moved(carried[0], DeliveryStatus.DELIVERED)
    moved(carried[1], DeliveryStatus.PICKED_UP)

    def refs(query: str) -> list[str]:
        return [listed["id"] for listed in call(one.user, "get", ORDERS + query).body["data"]]

    ids = [delivery.order.public_id for delivery in carried]
    assert refs("") == [ids[3], ids[2], ids[1]]
    assert refs("?status=ASSIGNED") == [ids[3], ids[2]]
    assert refs("?status=PICKED_UP") == [ids[1]]
    assert refs("?status=OUT_FOR_DELIVERY") == []
    assert refs("?status=DELIVERED") == [ids[0]]
    assert refs("?status=") == refs("")


# spec: R1
def test_pages_follow_the_cursor_without_gap_or_repeat(monkeypatch):
    one = rider(max_concurrent=5)
    carried = [assigned(one, searching()) for _ in range(3)]
    waiting = offered(one, searching())
    monkeypatch.setattr("deliveries.fulfilment.rider_tasks.list_tasks.__kwdefaults__", {"size": 2})
    seen, cursor = [], ""
    for _ in range(5):
        reply = call(one.user, "get", f"{ORDERS}?cursor={cursor}")
        seen += [listed["id"] for listed in reply.body["data"]]
        cursor = reply.body["nextCursor"]
        if cursor is None:
            break
    assert seen == [waiting.delivery.order.public_id, *(d.order.public_id for d in reversed(carried))]


# spec: R1, W7
@pytest.mark.parametrize("query", ["?status=FLYING", "?status=assigned", "?status=%00", "?cursor=x", "?cursor=%00",
                                   "?cursor=" + "A" * 500, "?cursor=MjAyNi0wMi0yMlQxMDowMDowMHwx"])  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused_naming_it(query: str):
    reply = call(rider().user, "get", ORDERS + query)
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    assert reply.message.startswith(query[1:].partition("=")[0])


# spec: R1, S1
def test_riders_see_only_their_own():
    delivery, other = assigned(), rider("Other")
    assert call(other.user, "get", ORDERS).body["data"] == []
    assert len(call(delivery.rider.user, "get", ORDERS).body["data"]) == 1


# ── one order ────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: R2
def test_the_detail_has_what_the_contract_shows():
    placed = paid_order(delivery_preferences={"contact_free": True}, customer_phone="+919876543210")
    delivery = moved(assigned(delivery=searching(ready(placed))), DeliveryStatus.PICKED_UP)
    reply = call(delivery.rider.user, "get", f"{ORDERS}/{placed.public_id}")
    assert (reply.status, reply.message) == (200, "Order detail retrieved successfully")
    data = reply.body["data"]
    assert data["items"] == [{"name": "Thali", "quantity": 2, "pricePaise": 20_000, "instructions": ""}]
    assert data["customerDetails"] == {
        "id": placed.customer.external_id,
        "name": placed.customer_name,
        "phone": "+919876543210",
        "avatarUrl": None,
    }
    assert (data["deliveryStatus"], data["totalPaise"], data["deliveryFeePaise"]) == ("PICKED_UP", 45_000, 5_000)
    assert (data["pickupAddress"]["latitude"], data["pickupAddress"]["longitude"]) == tuple(CENTRE)
    assert data["addressSnapshot"] == placed.address_snapshot
    assert data["deliveryPreferences"] == {"contact_free": True}
    assert data["distanceMeters"] == pytest.approx(2000, abs=5)
    assert WIRE_TIME.match(data["pickedUpAt"])
    assert WIRE_TIME.match(data["deliveryAcceptedAt"])
    events = [entry["event"] for entry in data["timeline"]]
    assert events == ["placed", "accepted", "ready", "assigned", "pickedUp"]
    assert [entry["at"] for entry in data["timeline"]] == sorted(entry["at"] for entry in data["timeline"])


# spec: R5
@pytest.mark.parametrize(("method", "path"), [("get", ""), ("patch", "/accept"), ("patch", "/reject"),
                                              ("patch", "/status")])  # fmt: skip
def test_somebody_elses_order_is_403_an_unknown_one_404_a_malformed_one_400(method: str, path: str):
    delivery, other = assigned(), rider("Other")
    body = {"status": "PICKED_UP"} if path == "/status" else None
    reply = call(other.user, method, f"{ORDERS}/{delivery.order.public_id}{path}", body)
    assert (reply.status, reply.message, reply.body["success"]) == (403, "This order is not assigned to you", False)
    assert call(other.user, method, f"{ORDERS}/o_unknown{path}", body).status == 404
    for malformed in ("a%20b", "%00", "x" * 65, "%F0%9F%92%A5", "..%5C"):
        assert call(other.user, method, f"{ORDERS}/{malformed}{path}", body).status == 400


# ── answering ────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: R3
def test_accepting():
    offer = offered()
    path = f"{ORDERS}/{offer.delivery.order.public_id}/accept"
    reply = call(offer.rider.user, "patch", path)
    assert (reply.status, reply.body["success"], reply.message) == (200, True, "Order accepted successfully")
    data = reply.body["data"]
    assert (data["id"], data["deliveryStatus"]) == (offer.delivery.order.public_id, "ASSIGNED")
    assert WIRE_TIME.match(data["deliveryAcceptedAt"])
    assert data["assignedAt"] <= data["deliveryAcceptedAt"]
    again = call(offer.rider.user, "patch", path)  # the first answer was lost on the way
    assert (again.status, again.body["data"]) == (200, data)
    assert Event.objects.filter(name="delivery.assigned").count() == 1


# spec: R3, D2
def test_accepting_too_late_is_a_conflict():
    offer = offered()
    Offer.objects.filter(pk=offer.pk).update(expires_at=offer.created_at)
    for path in ("accept", "reject"):
        reply = call(offer.rider.user, "patch", f"{ORDERS}/{offer.delivery.order.public_id}/{path}")
        assert (reply.status, reply.code) == (409, "OFFER_EXPIRED")


# spec: R3
@pytest.mark.parametrize("body", [{"reason": "Too far from current location"}, {"reason": None}, {}, None])
def test_rejecting(body: Any):
    offer = offered()
    reply = call(offer.rider.user, "patch", f"{ORDERS}/{offer.delivery.order.public_id}/reject", body)
    assert (reply.status, reply.body) == (
        200,
        {"success": True, "message": "Order rejected successfully, reassignment in progress", "data": None},
    )
    offer.refresh_from_db()
    assert (offer.status, offer.reason) == ("rejected", (body or {}).get("reason") or "")
    assert call(offer.rider.user, "patch", f"{ORDERS}/{offer.delivery.order.public_id}/reject").status == 200
    assert call(offer.rider.user, "patch", f"{ORDERS}/{offer.delivery.order.public_id}/accept").status == 409


# ── on deliveries ──────────────────────────────────────────────────────────────────────────────────────────────────
# spec: R4, R6
def test_a_delivery_from_the_store_to_the_door():
    delivery = assigned()
    order, one = delivery.order, delivery.rider
    reply = step(delivery, "PICKED_UP", CENTRE)
    assert (reply.status, reply.message) == (200, "Order status updated to PICKED_UP")
    assert (reply.body["data"]["id"], reply.body["data"]["deliveryStatus"]) == (order.public_id, "PICKED_UP")
    assert WIRE_TIME.match(reply.body["data"]["pickedUpAt"])
    delivery.refresh_from_db()
    assert delivery.pickup_position == {
        "nearness": "near", "latitude": CENTRE.lat, "longitude": CENTRE.lng, "distance_m": 0,
        "rule": "hard", "allowed_m": 100, "accuracy_m": None, "age_s": 0,
    }  # fmt: skip
    [told] = messages("delivery.on_the_way")
    assert told["orderId"] == order.order_id
    assert told["etaMinutes"] > 1

    assert step(delivery, "OUT_FOR_DELIVERY").message == "Order status updated to OUT_FOR_DELIVERY"
    assert len(messages("delivery.on_the_way")) == 1

    reply = step(delivery, "DELIVERED", DOOR)
    assert (reply.status, reply.message) == (200, "Order status updated to DELIVERED")
    assert WIRE_TIME.match(reply.body["data"]["deliveredAt"])
    assert messages("delivery.completed") == [{"orderId": order.order_id, "totalPaise": 45_000}]
    assert len(messages("review.requested")) == 1
    one.refresh_from_db()
    assert one.active_deliveries == 0
    order.refresh_from_db()
    assert (order.status, order.carriage) == (OrderStatus.DELIVERED, CarriageState.DELIVERED)
    names = Event.objects.filter(subject=f"delivery:{delivery.pk}").order_by("version").values_list("name", flat=True)
    assert list(names) == [
        "delivery.opened", "delivery.assigned", "delivery.picked_up", "delivery.left", "delivery.ended",
    ]  # fmt: skip
    assert Event.objects.get(name="delivery.ended").actor == f"rider:{one.pk}"


# spec: R4
@pytest.mark.parametrize("now", [DeliveryStatus.ASSIGNED, DeliveryStatus.PICKED_UP, DeliveryStatus.IN_TRANSIT,
                                 DeliveryStatus.DELIVERED])  # fmt: skip
@pytest.mark.parametrize("wished", ["ASSIGNED", "PICKED_UP", "OUT_FOR_DELIVERY", "DELIVERED"])
def test_only_the_next_step_or_the_same_again(now: DeliveryStatus, wished: str):
    words = ["ASSIGNED", "PICKED_UP", "OUT_FOR_DELIVERY", "DELIVERED"]
    order_of = [DeliveryStatus.ASSIGNED, DeliveryStatus.PICKED_UP, DeliveryStatus.IN_TRANSIT, DeliveryStatus.DELIVERED]
    delivery = assigned()
    if now != DeliveryStatus.ASSIGNED:
        moved(delivery, now)
    here, there = order_of.index(now), words.index(wished)
    events = Event.objects.count()
    reply = step(delivery, wished, DOOR if wished == "DELIVERED" else CENTRE)
    delivery.refresh_from_db()
    if there == here and there > 0:
        assert (reply.status, delivery.status, Event.objects.count()) == (200, now, events)
    elif there == here + 1:
        assert (reply.status, delivery.status) == (200, order_of[there])
    else:
        message = f"Invalid delivery status transition from {words[here]} to {wished}"
        assert reply.body == {"success": False, "message": message, "errorCode": "INVALID_STATUS_TRANSITION"}
        assert (reply.status, delivery.status, Event.objects.count()) == (400, now, events)


# spec: R1, R4
def test_picking_up_before_accepting_is_refused():
    offer = offered()
    path = f"{ORDERS}/{offer.delivery.order.public_id}/status"
    reply = call(offer.rider.user, "patch", path, {"status": "PICKED_UP", "lat": CENTRE.lat, "lng": CENTRE.lng})
    assert (reply.status, reply.code) == (400, "ORDER_NOT_ACCEPTED")
    offer.delivery.refresh_from_db()
    assert offer.delivery.status == DeliveryStatus.SEARCHING


# spec: R4, O3
def test_what_is_picked_up_was_ready_even_if_the_store_forgot_to_say_so():
    delivery = assigned(delivery=searching(acknowledged(paid_order(), prep_minutes=1)))
    assert Order.objects.get(pk=delivery.order_id).status == OrderStatus.CONFIRMED  # assigned, but not ready: O3
    assert step(delivery, "PICKED_UP", CENTRE).status == 200
    order = Order.objects.get(pk=delivery.order_id)
    assert (order.status, order.preparation) == (OrderStatus.PICKED_UP, "ready")
    assert order.ready_at is not None


# spec: R6, R7
def test_tracks_end_with_the_delivery():
    delivery = moved(assigned(), DeliveryStatus.IN_TRANSIT)
    at = near(north_m=1000)
    sent = call(delivery.rider.user, "post", "/api/v1/rider/location", {"lat": at.lat, "lng": at.lng, "accuracy": 8})
    assert sent.body["data"][0]["accepted"] is True
    assert Track.objects.filter(delivery=delivery).count() == 1
    assert step(delivery, "DELIVERED", DOOR).status == 200
    assert not Track.objects.exists()


# spec: S1, W7
@pytest.mark.parametrize("method_path", [("get", ""), ("get", "/o_x"), ("patch", "/o_x/accept"),
                                         ("patch", "/o_x/reject"), ("patch", "/o_x/status")])  # fmt: skip
def test_only_riders_come_in(method_path: tuple[str, str]):
    method, path = method_path
    reply = call(None, method, ORDERS + path)
    assert (reply.status, reply.code, reply.body["success"]) == (401, "NOT_AUTHENTICATED", False)
    reply = call(user(), method, ORDERS + path)
    assert (reply.status, reply.code) == (403, "FORBIDDEN")
    assert call(rider().user, "post", ORDERS + path, {}).status == 405


# spec: W7
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "status"),
        ({"status": None}, "status"),
        ({"status": "FLOWN"}, "status"),
        ({"status": ["PICKED_UP"]}, "status"),
        ({"status": 5}, "status"),
        ({"status": "PICKED_UP", "lat": 12.9}, "lng"),
        ({"status": "PICKED_UP", "lng": 77.5}, "lat"),
        ({"status": "PICKED_UP", "lat": 90.01, "lng": 0}, "lat"),
        ({"status": "PICKED_UP", "lat": 0, "lng": -180.01}, "lng"),
        ({"status": "PICKED_UP", "lat": "12.9", "lng": 77.5}, "lat"),
        ({"status": "PICKED_UP", "lat": True, "lng": 77.5}, "lat"),
        ({"status": "PICKED_UP", "lat": 10**400, "lng": 77.5}, "lat"),
        ({"status": "PICKED_UP", "lat": [1], "lng": 77.5}, "lat"),
    ],
)
def test_a_bad_step_is_refused_naming_the_field(body: dict[str, Any], field: str):
    delivery: Delivery = assigned()
    one: Rider = delivery.rider
    reply = call(one.user, "patch", f"{ORDERS}/{delivery.order.public_id}/status", body)
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    assert reply.message.startswith(f"{field}:")
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.ASSIGNED


# spec: R1
def test_a_longer_list_asks_the_database_no_more_questions():
    one = rider(max_concurrent=8)

    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert call(one.user, "get", ORDERS).status == 200
        return len(asked)

    assigned(one, searching())
    few = questions()
    for _ in range(4):
        assigned(one, searching())
    offered(one, searching())
    assert questions() <= few
