"""Substitutions through the tracking API (SPEC O6, T1): who may say what, what is answered, and what riders see."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from deliveries import reactions
from deliveries.realtime.publisher import hints_of
from deliveries.tracking import links
from foundation.models import Event, Job, User
from notifications.models import Message
from orders import substitutions
from orders.lifecycle import OrderStatus, SubstitutionPreference
from orders.models import Order, Substitution
from orders.place_order import RequestedItem
from orders.substitutions import SubstitutionDecision
from tests.builders import (
    TEST,
    assigned,
    basket,
    customer,
    ready,
    rider,
    searching,
    signed_in,
    staff_of,
    store,
    suggested,
    user,
)
from tests.deliveries.api.tracking_calls import path, put, status_of, swift
from tests.phone_calls import Reply, call

__all__ = ["swift"]
pytestmark = pytest.mark.django_db
BIRYANI = {"id": "b-1", "name": "Biryani", "quantity": 1, "price_minor": 25_000}
PROPOSAL = {"item": 0, "replacement": BIRYANI, "reason": "sold out"}


def dinner(**facts: Any) -> Order:
    return basket(("Thali", 2, 20_000), ("Lassi", 1, 10_000), tax_minor=2_500, **facts)


def propose(somebody: User, placed: Order, *proposals: Any) -> Reply:
    return put(somebody, placed, "/substitutions", {"proposals": list(proposals) or [PROPOSAL]})


def decide(somebody: User, placed: Order, accepted: bool = True) -> Reply:
    ref = Substitution.objects.get(order=placed).public_id
    return put(somebody, placed, "/substitutions", {"decisions": [{"substitution_id": ref, "accepted": accepted}]})


# spec: O6, T1
def test_a_store_proposes_and_the_customer_decides():
    placed = dinner()
    buyer = signed_in(placed.customer)
    reply = propose(staff_of(placed.store), placed)
    assert (reply.status, reply.body["current_status"]) == (200, "SUBSTITUTIONS_NEEDED")
    (shown,) = reply.body["substitutions"]
    row = Substitution.objects.get()
    assert shown["substitution_id"] == row.public_id
    assert shown["item"] == {"id": "i0", "name": "Thali", "quantity": 2, "price_minor": 20_000, "position": 0}
    assert (shown["replacement"], shown["reason"], shown["status"]) == (BIRYANI, "sold out", "proposed")
    assert (shown["decided_at"], shown["decided_by"], shown["how"]) == (None, "", "")
    assert call(buyer, "get", path(placed)).body["substitutions"] == [shown]

    told = decide(buyer, placed).body
    assert (told["current_status"], told["total_minor"], told["authorised_minor"]) == (
        "PICKING_IN_PROGRESS",
        41_750,
        57_500,
    )
    assert [(item["position"], item["name"], item["state"]) for item in told["items"]] == [
        (0, "Biryani", "replaced"),
        (1, "Lassi", "ordered"),
    ]
    (shown,) = told["substitutions"]
    assert (shown["status"], shown["decided_by"], shown["how"]) == ("accepted", "person", "api")
    assert shown["item"]["name"] == "Thali"


# spec: O6, T1, S1
def test_who_may_propose_and_who_may_decide():
    for who, may_propose, may_decide in (
        ("store_staff", True, False),
        ("storefront", True, True),
        ("customer", False, True),
        ("ops", True, True),
    ):
        placed = dinner()
        somebody = {
            "store_staff": staff_of(placed.store),
            "storefront": placed.storefront,
            "customer": signed_in(placed.customer),
            "ops": user(),
        }[who]
        reply = propose(somebody, placed)
        assert reply.status == (200 if may_propose else 403), who
        if not may_propose:
            assert reply.message == "A customer may not propose"
            propose(placed.storefront, placed)
        reply = decide(somebody, placed)
        assert reply.status == (200 if may_decide else 403), who
        if who == "ops":
            assert Substitution.objects.get(order=placed).how == "ops"
        if not may_decide:
            assert reply.message == "A store may not decide for the customer"
            assert status_of(placed) == OrderStatus.SUBSTITUTIONS_NEEDED


# spec: O6, T1
def test_other_peoples_orders_are_not_there():
    placed = dinner()
    propose(placed.storefront, placed)
    for stranger in (signed_in(customer()), signed_in(customer(placed.storefront)), staff_of(store())):
        assert decide(stranger, placed).status == 404
    assert call(rider().user, "put", path(placed, "/substitutions"), {}).status == 403


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Send either proposals or decisions"),
        ({"proposals": [PROPOSAL], "decisions": []}, "decisions: Ensure this field has at least 1 elements."),
        (
            {"proposals": [PROPOSAL], "decisions": [{"substitution_id": "s_1", "accepted": True}]},
            "Send either proposals or decisions",
        ),
        ({"proposals": [{"item": 0}]}, "proposals[0].replacement: This field is required."),
        ({"proposals": [{**PROPOSAL, "item": True}]}, "proposals[0].item: Must be an item's position or its id."),
        ({"proposals": [{**PROPOSAL, "item": 0.5}]}, "proposals[0].item: Must be an item's position or its id."),
        ({"proposals": [{**PROPOSAL, "item": 9}]}, "proposals[0].item: is not an item of this order"),
        (
            {"proposals": [PROPOSAL, {**PROPOSAL, "replacement": {**BIRYANI, "price_minor": "1"}}]},
            "proposals[1].replacement.price_minor: A valid integer is required.",
        ),
        (
            {"decisions": [{"substitution_id": "s_1", "accepted": "yes"}]},
            "decisions[0].accepted: Must be a valid boolean.",
        ),
        (
            {"decisions": [{"substitution_id": "s_1", "accepted": True}]},
            "decisions[0].substitution_id: There is no such suggestion for this order",
        ),
    ],
)
def test_what_is_wrong_is_named(body: Any, message: str):
    placed = dinner()
    reply = put(placed.storefront, placed, "/substitutions", body)
    assert (reply.status, reply.code, reply.message) == (400, "VALIDATION_ERROR", message)
    assert not Substitution.objects.exists()


# spec: O6, O1
def test_proposals_come_while_picking_alone():
    placed = ready(dinner())
    reply = propose(placed.storefront, placed)
    assert (reply.status, reply.code) == (400, "INVALID_STATUS_TRANSITION")


# spec: O6
def test_another_answer_is_refused_with_a_code_of_its_own():
    placed = dinner()
    propose(placed.storefront, placed)
    assert decide(placed.storefront, placed, True).status == 200
    assert decide(placed.storefront, placed, True).status == 200
    reply = decide(placed.storefront, placed, False)
    assert (reply.status, reply.code) == (409, "ALREADY_DECIDED")


# spec: O6, O1
def test_a_store_that_says_picking_again_takes_its_proposals_back():
    placed = dinner()
    staff = staff_of(placed.store)
    propose(staff, placed)
    reply = put(staff, placed, "/status", {"status": "PICKING_IN_PROGRESS"})
    assert (reply.status, reply.body["current_status"]) == (200, "PICKING_IN_PROGRESS")
    assert [one["status"] for one in reply.body["substitutions"]] == ["withdrawn"]
    version = reply.body["version"]
    assert put(staff, placed, "/status", {"status": "PICKING_IN_PROGRESS"}).body["version"] == version


# spec: O6
def test_the_answer_tells_the_standing_preference():
    placed = dinner(substitution_preference=SubstitutionPreference.ACCEPT)
    assert call(placed.storefront, "get", path(placed)).body["substitution_preference"] == "accept"


# spec: O6, R1, R2
def test_riders_fetch_what_is_in_the_bag():
    placed = dinner()
    propose(placed.storefront, placed)
    decide(placed.storefront, placed)
    one = rider()
    assigned(one, searching(ready(placed)))
    shown = call(one.user, "get", f"/api/v1/rider/orders/{placed.public_id}").body["data"]
    assert [(item["name"], item["quantity"]) for item in shown["items"]] == [("Biryani", 1), ("Lassi", 1)]
    listed = call(one.user, "get", "/api/v1/rider/orders").body["data"][0]
    assert (listed["itemCount"], listed["totalPaise"]) == (2, 41_750)


# ── the customer hears of it ─────────────────────────────────────────────────────────────────────────────────────
def asked(placed: Order) -> list[Message]:
    return list(Message.objects.filter(order_ref=placed.public_id, event="order.substitutions_proposed").order_by("id"))


# spec: O6, N4
def test_the_customer_is_asked_with_a_link_to_the_page():
    placed = dinner(of=store(time_zone="Asia/Kolkata"))
    propose(placed.storefront, placed)
    assert Job.objects.filter(handler="deliveries.ask_customer", subject=f"order:{placed.pk}").exists()
    for _ in range(2):
        reactions.ask_customer(placed.pk)
    (message,) = asked(placed)
    assert message.recipient == placed.customer.recipient
    assert message.params["link"] == links.url_of(placed, by=TEST)
    local = Substitution.objects.get().decide_by.astimezone(ZoneInfo("Asia/Kolkata"))
    assert message.params["until"] == f"{local:%H:%M}"
    suggested(placed, (1, RequestedItem(name="Curd", quantity=1, price_minor=1)))
    reactions.ask_customer(placed.pk)
    assert len(asked(placed)) == 2


def test_nobody_is_asked_about_what_is_decided():
    placed = dinner()
    propose(placed.storefront, placed)
    decide(placed.storefront, placed)
    reactions.ask_customer(placed.pk)
    assert asked(placed) == []


# spec: O6, T2
def test_watchers_hear_of_proposals_and_decisions():
    placed = dinner()
    (one,) = suggested(placed, (0, RequestedItem(name="Biryani", quantity=1, price_minor=25_000)))
    decision = SubstitutionDecision(substitution_id=one.public_id, accepted=True)
    substitutions.decide_substitutions(placed.pk, [decision], how=Substitution.How.API, by=TEST)
    events = Event.objects.filter(subject=f"order:{placed.pk}", name__startswith="order.substitution")
    names = ("order:substitutions_proposed", "order:substitution_decided")
    for event, name in zip(events.order_by("version"), names, strict=True):
        about = (event.name, event.subject, event.order_ref, event.version, event.data)
        told = hints_of(*about, placed.store.slug, placed.storefront_id)
        assert {hint["name"] for hint in told} == {name}
