"""The customer's page as it is served (SPEC T3, T4, R6): what it shows at each stage, its forms, its headers."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from deliveries.fulfilment import location_reports
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery, Rating, TrackingLink
from deliveries.realtime import authentication, subscriptions
from deliveries.tracking import links
from deliveries.tracking.page import subscription, texts
from deliveries.tracking.page.state import state_of
from foundation import clock
from foundation.errors import APIError
from foundation.models import Event, Role
from orders.lifecycle import OrderStatus
from orders.models import Order, OrderItem
from riders.positions import PositionFix
from tests.builders import TEST, assigned, moved, near, order, paid_order, ready, rider, searching, signed_in, user
from tests.deliveries.api.tracking_calls import step
from tests.phone_calls import call, token_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def swift(settings) -> None:
    settings.PLAUSIBLE_SPEED_M_PER_S = 1e9


def address(placed: Order) -> str:
    url = links.url_of(placed, by=TEST)
    assert url is not None
    return "/" + url.split("/", 3)[3]


def shown(placed: Order, client: Client | None = None) -> str:
    answer = (client or Client()).get(address(placed))
    assert answer.status_code == 200
    return answer.content.decode()


def state(placed: Order) -> dict[str, Any]:
    return call(None, "get", address(placed) + "/state").body


def send(placed: Order, what: str, **form: str) -> Any:
    token = re.search(r'name="form_token" value="(\w+)"', shown(placed))
    assert token is not None
    return Client(enforce_csrf_checks=True).post(f"{address(placed)}/{what}", {"form_token": token[1], **form})


def carried(to: DeliveryStatus = DeliveryStatus.IN_TRANSIT, **facts: Any) -> Delivery:
    delivery = assigned(rider("Ravi Kumar", phone="+919812345610", **facts), searching())
    return delivery if to == DeliveryStatus.ASSIGNED else moved(delivery, to)


# spec: T3
def test_the_page_is_whole_without_javascript():
    placed = order(customer_name="Asha")
    OrderItem.objects.create(order=placed, position=1, name="Dosa <b>", quantity=2, price_minor=100)
    page = shown(placed)
    for part in (
        'lang="en"',
        "<main",
        'aria-live="polite"',
        "Waiting for your payment",
        "2 × Dosa &lt;b&gt;",
        "₹450.00",
    ):
        assert part in page
    assert placed.store.name in page
    assert '<noscript><meta http-equiv="refresh" content="30; url=' in page
    assert "<script>" not in page
    assert not re.search(r"\sstyle=|\son\w+=", page)
    assert not re.search(r"(?:src|href)=\"https?:", page)
    assert 'http-equiv="refresh"' not in Client().get(address(placed) + "?stay=1").content.decode()


# spec: T3, S2
def test_the_page_keeps_to_itself(settings):
    settings.SOCKETS_URL = "wss://live.example"
    settings.TRACKING_TILES_URL = "https://{s}.tiles.example/{z}/{x}/{y}.png"
    placed = paid_order()
    for path in ("", "/state", "/ticket"):
        headers = call(None, "get", address(placed) + path).headers
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Robots-Tag"] == "noindex, nofollow"
        assert headers["Cache-Control"] == "private, no-store"
        rules = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == rules["style-src"] == rules["form-action"] == "'self'"
        assert rules["connect-src"] == "'self' wss://live.example"
        assert rules["img-src"] == "'self' data: https://*.tiles.example"
        assert "Set-Cookie" not in headers


# spec: T3
@pytest.mark.parametrize("status", OrderStatus)
def test_every_status_has_words_and_steps(status: OrderStatus):
    placed = order()
    placed.status = status
    made = state_of(placed)
    assert made["headline"]
    assert made["following"]
    assert [step["key"] for step in made["steps"]] == list(texts.STEPS)
    assert sum(step["state"] == "now" for step in made["steps"]) == (0 if status in texts.STOPPED else 1) - (
        status == OrderStatus.DELIVERED
    )
    json.dumps(made)


# spec: T4
def test_where_the_rider_is_only_on_the_way():
    delivery = carried(DeliveryStatus.ASSIGNED)
    at = near(north_m=60)  # not so far that the system says the rider has left
    for to in (DeliveryStatus.ASSIGNED, DeliveryStatus.PICKED_UP, DeliveryStatus.IN_TRANSIT, DeliveryStatus.DELIVERED):
        if to != DeliveryStatus.ASSIGNED:
            step(delivery, to)
        seen = PositionFix(at, clock.now(), 5.0)
        location_reports.take_report(delivery.rider, [seen])
        made = state(delivery.order)
        on_the_way = to in (DeliveryStatus.PICKED_UP, DeliveryStatus.IN_TRANSIT)
        where = {"lat": at.lat, "lng": at.lng, "recorded_at": clock.format_wire(seen.recorded_at)}
        assert made["position"] == (where if on_the_way else None), to
        assert made["away"] == ("1.9 km away from you" if on_the_way else ""), to
        carried_now = to != DeliveryStatus.DELIVERED
        assert "9812345610" not in shown(delivery.order), to
        assert (made["driver"] or {}).get("name") == ("Ravi" if carried_now else None)
        assert "Kumar" not in shown(delivery.order)


# spec: T2, T3
def test_the_state_has_an_etag_and_changes_with_the_order():
    placed = ready(paid_order())
    first = call(None, "get", address(placed) + "/state")
    etag = first.headers["ETag"]
    assert call(None, "get", address(placed) + "/state", if_none_match=etag).status == 304
    assigned(rider(), searching(placed))
    second = call(None, "get", address(placed) + "/state", if_none_match=etag)
    assert (second.status, second.body["version"] > first.body["version"]) == (200, True)
    assert second.body["status"] == "DRIVER_ASSIGNED"


# spec: T3
def test_a_link_opens_only_its_order():
    mine, other = paid_order(), paid_order()
    assert other.order_id not in shown(mine)
    assert mine.order_id in shown(mine)
    token = re.search(r'name="form_token" value="(\w+)"', shown(mine))[1]
    form = {"form_token": token, "contact_free": "on", "entrance": "B"}
    assert Client().post(address(other) + "/preferences", form).status_code == 403
    assert Client().post(address(mine) + "/preferences", {"entrance": "B"}).status_code == 403
    assert not Event.objects.filter(name="order.preferences_changed").exists()


# spec: T1
def test_preferences_are_changed_until_picked_up():
    delivery = carried(DeliveryStatus.ASSIGNED)
    placed = delivery.order
    answer = send(placed, "preferences", contact_free="on", entrance="Gate B")
    assert (answer.status_code, answer["Location"]) == (303, address(placed))
    placed.refresh_from_db()
    assert placed.delivery_preferences == {"contact_free": True, "call_before_arriving": False, "entrance": "Gate B"}
    event = Event.objects.get(name="order.preferences_changed")
    assert "Gate B" not in json.dumps(event.data)
    assert event.version == placed.version
    send(placed, "preferences", contact_free="on", entrance="Gate B")  # the same again changes nothing
    assert Event.objects.filter(name="order.preferences_changed").count() == 1
    assert send(placed, "preferences", entrance="x" * 201).status_code == 400
    moved(delivery, DeliveryStatus.PICKED_UP)
    late = send(placed, "preferences", entrance="Gate C")
    assert (late.status_code, "too late" in late.content.decode()) == (409, True)


# spec: R6, T1
def test_a_delivery_is_rated_once_on_the_page():
    delivery = carried()
    placed = delivery.order
    assert send(placed, "rating", stars="5").status_code == 409
    step(delivery, DeliveryStatus.DELIVERED)
    assert state(placed)["may_rate"] is True
    for wrong in ({}, {"stars": "6"}, {"stars": "0"}, {"stars": "x"}, {"stars": "3", "comment": "x" * 501}):
        assert send(placed, "rating", **wrong).status_code == 400
    assert send(placed, "rating", stars="4", comment="Quick, kind").status_code == 303
    kept = Rating.objects.get()
    assert (kept.stars, kept.comment, kept.rider, kept.courier) == (4, "Quick, kind", delivery.rider, "in_house")
    assert send(placed, "rating", stars="1").status_code == 409
    made = state(placed)
    assert (made["may_rate"], "4 of 5" in made["rating"]) == (False, True)


# spec: R6, T1
@pytest.mark.parametrize("who", ["customer", "storefront"])
def test_a_delivery_is_rated_once_by_the_api(who: str):
    delivery = carried()
    placed = delivery.order
    customer = signed_in(placed.customer)
    somebody = customer if who == "customer" else placed.storefront
    path = f"/orders/tracking/{placed.public_id}/rating"
    assert call(somebody, "post", path, {"stars": 5}).code == "NOT_DELIVERED"
    step(delivery, DeliveryStatus.DELIVERED)
    made = call(somebody, "post", path, {"stars": 5, "comment": "thanks"})
    assert (made.status, made.body["stars"], made.body["comment"]) == (201, 5, "thanks")
    assert call(somebody, "post", path, {"stars": 1}).code == "ALREADY_RATED"
    assert call(user(Role.CUSTOMER), "post", path, {"stars": 1}).status == 404
    assert call(user(Role.OPS_LEAD), "post", path, {"stars": 1}).status == 403


# spec: D7
def test_who_waits_longer_than_promised_is_told():
    placed = paid_order(promised_at=clock.now() + timedelta(hours=3))
    assert state(placed)["late"] == ""
    Order.objects.filter(pk=placed.pk).update(promised_at=clock.now())
    assert "later than promised" in state(placed)["late"]
    assert "later than promised" in shown(placed)


# spec: T2, T3
def test_a_ticket_opens_its_links_socket_for_a_minute():
    placed = paid_order()
    url = call(None, "get", address(placed) + "/ticket").body["url"]
    ticket = url.partition("?ticket=")[2]
    visitor = subscription.admit_ticket(ticket)
    assert visitor.topic == f"order:{placed.public_id}"
    assert visitor.load_snapshot() == state(placed)
    assert 0 < visitor.seconds_left() <= subscription.LONGEST_S
    refused = ["", "x", ticket[:-1], address(placed).rpartition("/")[2], token_of(placed.storefront)]
    with time_machine.travel(clock.now() + timedelta(seconds=subscription.TICKET_S + 1)):
        for wrong in [*refused, ticket]:
            with pytest.raises(APIError) as problem:
                subscription.admit_ticket(wrong)
            assert problem.value.status == 401
    assert subscriptions.find_refused([visitor]) == {}
    links.revoke_link(TrackingLink.objects.get().pk, "leaked", by=TEST)
    assert subscriptions.find_refused([visitor]) == {visitor: (4403, "link is over")}
    with pytest.raises(links.LinkExpired):
        subscription.admit_ticket(ticket)


# spec: S1
def test_neither_link_nor_ticket_opens_the_api():
    placed = paid_order()
    ticket = call(None, "get", address(placed) + "/ticket").body["url"].partition("?ticket=")[2]
    for bearer in (address(placed).rpartition("/")[2], ticket):
        reply = call(None, "get", f"/orders/tracking/{placed.public_id}", authorization=f"Bearer {bearer}")
        assert reply.status == 401
        for query in (f"token={bearer}", f"ticket={bearer}"):
            with pytest.raises(APIError):
                authentication.admit_socket(f"/ws/orders/{placed.public_id}", query, {})
