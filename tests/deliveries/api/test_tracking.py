"""The tracking API (SPEC T1, T4, O1): its eight endpoints, who may do what to whose order, and what they show."""

import re
from typing import Any

import pytest

from deliveries.fulfilment import location_reports, ops_actions
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery
from foundation import clock
from foundation.models import Role, User
from riders.positions import PositionFix
from tests.builders import (
    TEST,
    acknowledged,
    assigned,
    customer,
    moved,
    near,
    paid_order,
    ready,
    rider,
    searching,
    signed_in,
    staff_of,
    user,
)
from tests.deliveries.api.tracking_calls import HERE, carrier, path, swift
from tests.phone_calls import call

__all__ = ["swift"]
pytestmark = pytest.mark.django_db


# ── who may do what to whose order ───────────────────────────────────────────────────────────────────────────────
ENDPOINTS: dict[str, tuple[str, str, Any]] = {
    "get": ("get", "", None),
    "status": ("put", "/status", {"status": "PICKING_IN_PROGRESS"}),
    "acknowledge": ("post", "/acknowledge", {}),
    "substitutions": ("put", "/substitutions", {}),
    "driver": ("put", "/driver", {"vehicle": "blue scooter"}),
    "location": ("put", "/location", HERE),
    "delivered": ("put", "/delivered", HERE),
}
ALLOWED = {
    "storefront": {"get", "status", "acknowledge", "substitutions"},
    "store_staff": {"get", "status", "acknowledge", "substitutions"},
    "customer": {"get", "substitutions"},
    "rider": {"get", "status", "driver", "location", "delivered"},
    "ops_agent": {"get", "status", "acknowledge", "substitutions", "driver", "delivered"},
    "ops_lead": {"get", "status", "acknowledge", "substitutions", "driver", "delivered"},
    "finance": {"get"},
    "read_only": {"get"},
}
STAFF = {"ops_agent", "ops_lead", "finance", "read_only"}


def party(role: str, delivery: Delivery) -> User:
    """Who plays `role` in this order."""
    placed = delivery.order
    if role == "rider":
        assert delivery.rider
        return delivery.rider.user
    if role == "store_staff":
        return staff_of(placed.store)
    return {"storefront": placed.storefront, "customer": placed.customer.user}.get(role) or user(Role(role))


# spec: T1, S1
@pytest.mark.parametrize("whose", ["own", "other"])
@pytest.mark.parametrize("role", ALLOWED)
def test_roles_by_endpoints_by_own_and_other(role: str, whose: str):
    mine, theirs = (assigned(rider(), searching()) for _ in range(2))
    for delivery in (mine, theirs):
        signed_in(delivery.order.customer)
        delivery.order.customer.refresh_from_db()
    somebody = party(role, mine)
    for name, (method, suffix, body) in ENDPOINTS.items():
        if (role, name) == ("rider", "status"):
            body = {"status": "DRIVER_PICKUP_COMPLETE", **HERE}  # noqa: PLW2901 - the word a rider may say
        reply = call(somebody, method, path((mine if whose == "own" else theirs).order, suffix), body)
        if name not in ALLOWED[role]:
            expected = {403}
        elif whose == "own" or role in STAFF:
            expected = {200, 400, 409}  # allowed: whether it fits the order's state is another question
        else:
            expected = {403} if role == "rider" else {404}
        assert reply.status in expected, (name, reply)
        if reply.status == 403 and name in ALLOWED[role]:
            assert reply.message == "This order is not assigned to you"
    theirs.refresh_from_db()
    if whose == "other" and role not in STAFF:
        assert theirs.status == DeliveryStatus.ASSIGNED


# spec: T1, S1
@pytest.mark.parametrize("name", ENDPOINTS)
def test_nobody_comes_in_without_a_token_and_ids_are_checked(name: str):
    method, suffix, body = ENDPOINTS[name]
    reply = call(None, method, f"/orders/tracking/o_x{suffix}", body)
    assert (reply.status, reply.code) == (401, "NOT_AUTHENTICATED")
    assert set(reply.body) == {"detail", "code", "timestamp", "path"}
    assert reply.body["path"] == f"/orders/tracking/o_x{suffix}"
    allowed = next(role for role, endpoints in ALLOWED.items() if name in endpoints)
    somebody = rider().user if allowed == "rider" else user(Role(allowed))
    assert call(somebody, method, f"/orders/tracking/o_unknown{suffix}", body).status == 404
    for malformed in ("a%20b", "%00", "x" * 65, "%F0%9F%92%A5", "a%2Fb"):
        reply = call(somebody, method, f"/orders/tracking/{malformed}{suffix}", body)
        assert reply.status == (404 if malformed == "a%2Fb" else 400), malformed
    assert call(somebody, "delete", f"/orders/tracking/o_x{suffix}").status == 405


# ── what is shown ────────────────────────────────────────────────────────────────────────────────────────────────
# spec: T1
def test_an_order_is_shown_as_the_contract_has_it():
    placed = paid_order(metadata={"basket": 7})
    reply = call(placed.storefront, "get", path(placed))
    assert reply.status == 200
    shown = reply.body
    assert (shown["order_id"], shown["public_id"]) == (placed.order_id, placed.public_id)
    assert (shown["store_id"], shown["customer_id"]) == (placed.store.slug, placed.customer.external_id)
    assert (shown["current_status"], shown["delivery_provider"]) == ("STORE_NOTIFIED", "in_house")
    assert [entry["status"] for entry in shown["status_history"]] == ["SUBMITTED", "STORE_NOTIFIED"]
    assert (shown["driver_details"], shown["driver_location"], shown["substitutions"]) == (None, None, [])
    assert (shown["metadata"], shown["total_minor"], shown["currency"]) == ({"basket": 7}, 45_000, "INR")
    assert shown["payment_status"] == "paid"
    assert re.match(r"^20\d\d-.*\.\d{3}Z$", shown["eta"])
    assert shown["version"] == placed.version
    by_their_id = call(placed.storefront, "get", f"/orders/tracking/{placed.order_id}")
    assert by_their_id.body["public_id"] == placed.public_id


# spec: T1
def test_the_storefronts_metadata_is_not_for_everybody():
    placed = paid_order(metadata={"margin": "low"})
    assert call(signed_in(placed.customer), "get", path(placed)).body["metadata"] == {}
    assert call(staff_of(placed.store), "get", path(placed)).body["metadata"] == {}
    assert call(user(), "get", path(placed)).body["metadata"] == {"margin": "low"}


# spec: T1
def test_an_etag_saves_a_body_until_something_happens():
    delivery = assigned()
    placed = delivery.order
    first = call(placed.storefront, "get", path(placed))
    tag = first.headers["ETag"]
    again = call(placed.storefront, "get", path(placed), if_none_match=f'"other", {tag}')
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    moved(delivery, DeliveryStatus.PICKED_UP)
    changed = call(placed.storefront, "get", path(placed), if_none_match=tag)
    assert (changed.status, changed.body["current_status"]) == (200, "DRIVER_PICKUP_COMPLETE")
    assert changed.headers["ETag"] != tag


# spec: O1, O2, T1
def test_the_history_is_told_in_the_contracts_words():
    delivery = moved(assigned(), DeliveryStatus.DELIVERED)
    history = call(delivery.order.storefront, "get", path(delivery.order)).body["status_history"]
    assert [entry["status"] for entry in history] == [
        "SUBMITTED", "STORE_NOTIFIED", "STORE_ACKNOWLEDGED", "READY_FOR_PICKUP", "DRIVER_ASSIGNED",
        "DRIVER_PICKUP_COMPLETE", "IN_TRANSIT", "DELIVERED",
    ]  # fmt: skip
    assert [entry["timestamp"] for entry in history] == sorted(entry["timestamp"] for entry in history)
    assert {entry["by"] for entry in history} == {"storefront", "stripe", "system"}


# spec: O3, T1
def test_who_carries_is_known_before_the_order_is_ready():
    placed = acknowledged(paid_order(), prep_minutes=5)
    assigned(rider("Ravi", phone="+919876543210", vehicle="scooter"), searching(placed))
    shown = call(placed.storefront, "get", path(placed)).body
    assert shown["current_status"] == "STORE_ACKNOWLEDGED"
    assert shown["driver_details"]["name"] == "Ravi"
    ready(placed)
    assert call(placed.storefront, "get", path(placed)).body["current_status"] == "DRIVER_ASSIGNED"


# spec: T4
@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (DeliveryStatus.ASSIGNED, False),
        (DeliveryStatus.PICKED_UP, True),
        (DeliveryStatus.IN_TRANSIT, True),
        (DeliveryStatus.DELIVERED, False),
    ],
)
def test_the_location_is_visible_only_on_the_way(status: DeliveryStatus, shown: bool):
    delivery = assigned(rider("Ravi", phone="+919876543210"))
    location_reports.take_report(delivery.rider, [PositionFix(near(north_m=90), clock.now())])
    if status != DeliveryStatus.ASSIGNED:
        moved(delivery, status)
    body = call(signed_in(delivery.order.customer), "get", path(delivery.order)).body
    assert (body["driver_location"] is not None) == shown
    if shown:
        assert body["driver_location"]["latitude"] == near(north_m=90).lat
    assert body["driver_details"]["phone"] == ("" if status == DeliveryStatus.DELIVERED else "+919876543210")


# spec: W7
@pytest.mark.parametrize("accuracy", [True, "5", -1, [5], 1e9])
def test_a_position_with_an_odd_accuracy_is_refused(accuracy: Any):
    delivery = assigned(rider(), searching())
    reply = call(carrier(delivery).user, "put", path(delivery.order, "/location"), {**HERE, "accuracy": accuracy})
    assert (reply.status, reply.body["detail"].partition(":")[0]) == (400, "accuracy")


# spec: T4
def test_who_carried_it_before_sees_nothing_of_who_carries_it_now():
    failed = moved(assigned(rider("First"), searching()), DeliveryStatus.IN_TRANSIT)
    ops_actions.fail_delivery(failed.order_id, "nobody was at home", by=TEST)
    ops_actions.try_again(failed.order_id, by=TEST)
    second = rider("Second", phone="+918012345678")
    ops_actions.give_to(failed.order_id, second.public_id, by=TEST)
    now = moved(Delivery.objects.get(order=failed.order, rider=second), DeliveryStatus.IN_TRANSIT)
    location_reports.take_report(second, [PositionFix(near(north_m=50), clock.now())])
    shown = call(second.user, "get", path(now.order)).body
    assert (shown["driver_details"]["phone"], bool(shown["driver_location"])) == ("+918012345678", True)
    before = call(carrier(failed).user, "get", path(now.order))
    assert (before.status, before.body["driver_details"], before.body["driver_location"]) == (200, None, None)


# spec: T4
def test_a_customer_sees_only_their_own_orders_at_the_same_storefront():
    mine = paid_order()
    neighbour = customer(mine.storefront)
    assert call(signed_in(mine.customer), "get", path(mine)).status == 200
    assert call(signed_in(neighbour), "get", path(mine)).status == 404
