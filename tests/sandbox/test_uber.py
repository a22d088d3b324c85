"""Uber Direct: tokens, quotes, deliveries, their webhooks, and the ways they end."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from tests.sandbox.courier_words import (
    HOME,
    STORE,
    behave,
    bodies,
    ended,
    hmac_sha256,
    jobs,
    let_go,
    move,
    states_of_webhooks,
)
from tests.sandbox.process import Received, Receiver, Sandbox, until

DOOR = "/webhooks/uber"


def form(sandbox: Sandbox, **changes: str) -> dict[str, str]:
    return {
        "client_id": sandbox.env["UBER_CLIENT_ID"],
        "client_secret": sandbox.env["UBER_CLIENT_SECRET"],
        "grant_type": "client_credentials",
        "scope": "eats.deliveries direct.organizations",
        **changes,
    }


def grant(sandbox: Sandbox, **changes: str) -> requests.Response:
    return requests.post(f"{sandbox.env['UBER_AUTH_BASE']}/oauth/v2/token", data=form(sandbox, **changes), timeout=5)


@pytest.fixture
def token(sandbox: Sandbox) -> str:
    return grant(sandbox).json()["access_token"]


def call(sandbox: Sandbox, token: str, method: str, path: str, body: Any = None) -> requests.Response:
    url = f"{sandbox.env['UBER_API_BASE']}/customers/{sandbox.env['UBER_CUSTOMER_ID']}{path}"
    return requests.request(method, url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=5)


def address(street: str) -> str:
    return json.dumps({"street_address": [street], "city": "Austin", "state": "TX", "zip_code": "78701"})


def ends(**changes: Any) -> dict[str, Any]:
    return {
        "pickup_address": address("123 Chef St"),
        "pickup_latitude": STORE["lat"],
        "pickup_longitude": STORE["lng"],
        "dropoff_address": address("456 Customer Ave"),
        "dropoff_latitude": HOME["lat"],
        "dropoff_longitude": HOME["lng"],
        **changes,
    }


def wish(external_id: str = "order-1", **changes: Any) -> dict[str, Any]:
    return ends(
        pickup_name="Chef John",
        pickup_phone_number="+15555551234",
        dropoff_name="Jane",
        dropoff_phone_number="+15555559999",
        manifest_items=[{"name": "Soup", "quantity": 2, "size": "small", "price": 900}],
        external_id=external_id,
        idempotency_key=external_id,
        **changes,
    )


def create(sandbox: Sandbox, token: str, external_id: str = "order-1", **changes: Any) -> str:
    response = call(sandbox, token, "POST", "/deliveries", wish(external_id, **changes))
    assert response.status_code == 200, response.text
    return response.json()["id"]


def look(sandbox: Sandbox, token: str, delivery_id: str) -> dict[str, Any]:
    return call(sandbox, token, "GET", f"/deliveries/{delivery_id}").json()


def error_of(response: requests.Response) -> tuple[int, str, dict[str, Any]]:
    body = response.json()
    assert set(body) == {"code", "message", "kind", "metadata"}
    assert body["kind"] == "error"
    return response.status_code, body["code"], body["metadata"]


def is_signed(sandbox: Sandbox, one: Received, header: str = "x-uber-signature") -> bool:
    expected = hmac_sha256(sandbox.env["UBER_WEBHOOK_SIGNING_KEY"].encode(), one.body).hex()
    return one.headers.get(header) == expected


def test_the_documented_signature():
    key = b"c5c26d5a-70d6-46c7-a652-d7c09825ad29"
    body = b'{"kind": "event.courier_update", "location": {"lat": 37.7974109, "lng": -122.424145}}'
    expected = "cdff8133fb065f8d37a2c1c94c3331b6a82766d14e7ea4faacc4886558cedd65"
    assert hmac_sha256(key, body).hex() == expected


def test_tokens(sandbox: Sandbox):
    told = grant(sandbox).json()
    assert told["token_type"] == "Bearer"
    assert told["expires_in"] > 3600
    assert grant(sandbox, client_secret="wrong").status_code == 401
    assert grant(sandbox, client_id="wrong").status_code == 401
    assert grant(sandbox, scope="profile").json()["error"] == "invalid_scope"
    assert grant(sandbox, grant_type="password").json()["error"] == "unsupported_grant_type"
    as_json = requests.post(f"{sandbox.env['UBER_AUTH_BASE']}/oauth/v2/token", json=form(sandbox), timeout=5)
    assert as_json.status_code == 400
    assert call(sandbox, told["access_token"], "GET", "/deliveries").status_code == 200
    assert sandbox.control("GET", "uber/tokens") == {"issued": 1}
    sandbox.control("POST", "uber/tokens/expire")
    assert error_of(call(sandbox, told["access_token"], "GET", "/deliveries"))[:2] == (401, "unauthorized")
    assert error_of(call(sandbox, "none", "GET", "/deliveries"))[0] == 401


def test_another_customer_is_not_found(sandbox: Sandbox, token: str):
    url = f"{sandbox.env['UBER_API_BASE']}/customers/somebody/deliveries"
    response = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=5)
    assert error_of(response)[:2] == (404, "customer_not_found")


def test_quote_and_delivery(sandbox: Sandbox, token: str):
    quote = call(sandbox, token, "POST", "/delivery_quotes", ends()).json()
    assert (quote["kind"], quote["id"][:4], quote["currency_type"]) == ("delivery_quote", "dqt_", "USD")
    lasts = datetime.fromisoformat(quote["expires"]) - datetime.fromisoformat(quote["created"])
    assert lasts == timedelta(minutes=15)
    made = call(sandbox, token, "POST", "/deliveries", wish(quote_id=quote["id"], tip=200)).json()
    assert (made["kind"], made["status"], made["courier"]) == ("delivery", "pending", None)
    assert (made["external_id"], made["quote_id"], made["fee"]) == ("order-1", quote["id"], quote["fee"] + 200)
    assert look(sandbox, token, made["id"]) == made
    second = wish("order-2", quote_id=quote["id"])
    assert error_of(call(sandbox, token, "POST", "/deliveries", second))[:2] == (400, "used_quote")
    late = call(sandbox, token, "POST", "/delivery_quotes", ends()).json()["id"]
    sandbox.control("POST", "uber/quotes/expire")
    answer = call(sandbox, token, "POST", "/deliveries", wish("order-2", quote_id=late))
    assert error_of(answer)[:2] == (400, "expired_quote")
    here = call(sandbox, token, "POST", "/delivery_quotes", ends(external_store_id="a")).json()["id"]
    answer = call(sandbox, token, "POST", "/deliveries", wish("order-2", quote_id=here, external_store_id="b"))
    assert "external_store_id" in error_of(answer)[2]


def in_minutes(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"pickup_address": "123 Chef St, Austin"}, "invalid_params", "pickup_address"),
        ({"dropoff_address": {"street_address": ["1"]}}, "invalid_params", "dropoff_address"),
        ({"dropoff_address": '{"street_address": []}'}, "invalid_params", "dropoff_address"),
        ({"pickup_phone_number": "call me"}, "invalid_params", "pickup_phone_number"),
        ({"dropoff_name": ""}, "invalid_params", "dropoff_name"),
        ({"manifest_items": []}, "invalid_params", "manifest_items"),
        ({"manifest_items": [{"name": "Soup", "quantity": 0}]}, "invalid_params", "manifest_items[0].quantity"),
        ({"manifest_items": [{"name": "Soup", "quantity": 1, "size": "huge"}]}, "invalid_params", None),
        ({"undeliverable_action": "eat"}, "invalid_params", "undeliverable_action"),
        ({"pickup_notes": "x" * 281}, "invalid_params", "pickup_notes"),
        ({"manifest_total_value": 9.5}, "invalid_params", "manifest_total_value"),
        ({"pickup_ready_dt": "noon"}, "invalid_params", "pickup_ready_dt"),
        ({"quote_id": "dqt_none"}, "invalid_params", "quote_id"),
        ({"pickup_ready_dt": in_minutes(60), "pickup_deadline_dt": in_minutes(65)}, "pickup_window_too_small", None),
        ({"pickup_deadline_dt": in_minutes(5)}, "pickup_window_too_small", None),
        ({"dropoff_latitude": 32.0}, "address_undeliverable", None),
    ],
)
def test_what_is_wrong_is_named(sandbox: Sandbox, token: str, changes, code, field):
    status, said, metadata = error_of(call(sandbox, token, "POST", "/deliveries", {**wish(), **changes}))
    assert (status, said) == (400, code)
    assert field is None or field in metadata
    assert jobs(sandbox, "uber") == []


def test_asking_again_names_the_first_delivery(sandbox: Sandbox, token: str):
    first = create(sandbox, token)
    by_key = call(sandbox, token, "POST", "/deliveries", {**wish(), "external_id": "other"})
    by_id = call(sandbox, token, "POST", "/deliveries", {**wish(), "idempotency_key": "other"})
    for answer in (by_key, by_id):
        assert error_of(answer) == (409, "duplicate_delivery", {"delivery_id": first})
    assert [job["times_created"] for job in jobs(sandbox, "uber")] == [3]


def test_a_lost_answer_made_the_delivery(sandbox: Sandbox, token: str):
    sandbox.fault("uber", "answer", "lost_answer", path=f"/v1/customers/{sandbox.env['UBER_CUSTOMER_ID']}/deliveries")
    with pytest.raises(requests.ConnectionError):
        create(sandbox, token)
    status, _, metadata = error_of(call(sandbox, token, "POST", "/deliveries", wish()))
    assert status == 409
    assert look(sandbox, token, metadata["delivery_id"])["external_id"] == "order-1"


def test_webhooks_by_hand(sandbox: Sandbox, handoff: Receiver, token: str):
    job = create(sandbox, token)
    way = ("pickup", "pickup_imminent", "pickup_complete", "dropoff", "dropoff_imminent", "delivered")
    for count, word in enumerate(way, 1):
        move(sandbox, "uber", job, word)
        handoff.at(DOOR, count)
    told = bodies(handoff, "uber", 6)
    assert all(is_signed(sandbox, one) for one in handoff.at(DOOR, 6))
    assert {one["kind"] for one in told} == {"event.delivery_status"}
    assert [(one["status"], one["data"]["courier_imminent"]) for one in told] == [
        ("pickup", False),
        ("pickup", True),
        ("pickup_complete", False),
        ("dropoff", False),
        ("dropoff", True),
        ("delivered", False),
    ]
    last = told[-1]
    assert (last["delivery_id"], last["data"]["id"], last["data"]["external_id"]) == (job, job, "order-1")
    assert last["data"]["complete"] is True
    assert set(told[0]["data"]["courier"]) >= {"name", "phone_number", "vehicle_type", "location", "img_href"}


def test_a_whole_delivery_by_itself(sandbox: Sandbox, handoff: Receiver, token: str):
    let_go(sandbox, "uber")
    create(sandbox, token, pickup_ready_dt=in_minutes(0.05), pickup_deadline_dt=in_minutes(50))
    (job,) = ended(sandbox, "uber")
    when = {past["stage"]: datetime.fromisoformat(past["at"]) for past in job["history"]}
    assert job["status"] == "delivered"
    assert when["picked_up"] - when["waiting"] >= timedelta(seconds=2)
    until(lambda: "pending" not in states_of_webhooks(sandbox, "uber"), "the last webhook")
    told = bodies(handoff, "uber", 6)
    assert {one["status"] for one in told if one["kind"] == "event.delivery_status"} == {
        "pickup",
        "pickup_complete",
        "dropoff",
        "delivered",
    }


def test_the_courier_says_where_he_is(sandbox: Sandbox, handoff: Receiver, token: str):
    sandbox.control("POST", "uber/pace", {"speed": 20})  # every 20 seconds is once a second
    move(sandbox, "uber", create(sandbox, token), "dropoff")
    told = [one for one in bodies(handoff, "uber", 4) if one["kind"] == "event.courier_update"]
    assert all(is_signed(sandbox, one) for one in handoff.at(DOOR, 4))
    latitudes = [one["location"]["lat"] for one in told]
    assert latitudes == sorted(latitudes)
    assert STORE["lat"] < latitudes[0] < latitudes[-1] <= HOME["lat"]
    assert told[0]["data"]["courier"]["location"] == told[0]["location"]


def test_cancel_until_pickup(sandbox: Sandbox, handoff: Receiver, token: str):
    early, late = create(sandbox, token), create(sandbox, token, "order-2")
    move(sandbox, "uber", early, "pickup")
    move(sandbox, "uber", late, "pickup_complete")
    answer = call(sandbox, token, "POST", f"/deliveries/{early}/cancel", {})
    assert (answer.status_code, answer.json()["status"], answer.json()["complete"]) == (200, "canceled", True)
    for job in (early, late):
        answer = call(sandbox, token, "POST", f"/deliveries/{job}/cancel", {})
        assert error_of(answer)[:2] == (400, "noncancelable_delivery")
    unknown = call(sandbox, token, "POST", "/deliveries/del_none/cancel", {})
    assert error_of(unknown)[:2] == (404, "delivery_not_found")
    assert "canceled" in [one["status"] for one in bodies(handoff, "uber", 3)]
    behave(sandbox, "uber", refuse_cancel=True)
    third = create(sandbox, token, "order-3")
    assert call(sandbox, token, "POST", f"/deliveries/{third}/cancel", {}).status_code == 400


def test_a_customer_who_is_not_there_gets_it_returned(sandbox: Sandbox, handoff: Receiver, token: str):
    behave(sandbox, "uber", fail=1.0)
    let_go(sandbox, "uber")
    job = create(sandbox, token)
    ended(sandbox, "uber", 2)
    original = look(sandbox, token, job)
    assert (original["status"], original["undeliverable_action"]) == ("returned", "returned")
    assert original["undeliverable_reason"] == "customer_unavailable"
    (related,) = original["related_deliveries"]
    assert (related["relationship"], related["id"][:4]) == ("return", "ret_")
    back = look(sandbox, token, related["id"])
    assert back["related_deliveries"] == [{"id": job, "relationship": "original"}]
    assert (back["status"], back["dropoff"]["location"]) == ("delivered", STORE)
    until(lambda: "pending" not in states_of_webhooks(sandbox, "uber"), "the last webhook")
    told = [(one["delivery_id"], one.get("status")) for one in bodies(handoff, "uber", 8)]
    assert (job, "returned") in told
    assert (related["id"], "delivered") in told


@pytest.mark.parametrize(("action", "status"), [("leave_at_door", "delivered"), ("discard", "canceled")])
def test_or_what_else_was_asked_for(sandbox: Sandbox, token: str, action, status):
    behave(sandbox, "uber", fail=1.0)
    let_go(sandbox, "uber")
    create(sandbox, token, undeliverable_action=action)
    (job,) = ended(sandbox, "uber")
    assert (job["status"], job["reason"]) == (status, "customer_unavailable")


def test_no_couriers_and_given_up(sandbox: Sandbox, token: str):
    behave(sandbox, "uber", no_couriers=True)
    for path, body in (("/delivery_quotes", ends()), ("/deliveries", wish())):
        assert error_of(call(sandbox, token, "POST", path, body))[:2] == (503, "couriers_busy")
    behave(sandbox, "uber", no_couriers=False, cancel=1.0)
    let_go(sandbox, "uber")
    create(sandbox, token)
    assert [job["status"] for job in ended(sandbox, "uber")] == ["canceled"]


def test_signatures_by_the_older_name_and_wrong_ones(sandbox: Sandbox, handoff: Receiver, token: str):
    behave(sandbox, "uber", postmates_header=True)
    job = create(sandbox, token)
    move(sandbox, "uber", job, "pickup")
    (one,) = handoff.at(DOOR)
    assert is_signed(sandbox, one, "X-Postmates-Signature")
    assert "x-uber-signature" not in one.headers
    behave(sandbox, "uber", postmates_header=False)
    sandbox.fault("uber", "webhook", "wrong_signature")
    move(sandbox, "uber", job, "pickup_complete")
    assert not is_signed(sandbox, handoff.at(DOOR, 2)[1])


def test_webhooks_are_repeated(sandbox: Sandbox, handoff: Receiver, token: str):
    sandbox.control("POST", "uber/pace", {"speed": 100})
    handoff.answers[:] = [500]
    move(sandbox, "uber", create(sandbox, token), "canceled")
    assert [one["status"] for one in bodies(handoff, "uber", 2)] == ["canceled"] * 2


def test_webhooks_are_dropped_and_doubled(sandbox: Sandbox, handoff: Receiver, token: str):
    job = create(sandbox, token)
    behave(sandbox, "uber", drop_webhooks=1.0)
    move(sandbox, "uber", job, "pickup")
    behave(sandbox, "uber", drop_webhooks=0.0)
    sandbox.fault("uber", "webhook", "duplicate", path="event.delivery_status")
    move(sandbox, "uber", job, "pickup_complete")
    assert [one["status"] for one in bodies(handoff, "uber", 2)] == ["pickup_complete"] * 2


def test_listing_and_outage(sandbox: Sandbox, token: str):
    for number in range(3):
        create(sandbox, token, f"order-{number}")
    move(sandbox, "uber", "order-0", "canceled")
    page = call(sandbox, token, "GET", "/deliveries?limit=2").json()
    assert ([one["external_id"] for one in page["data"]], page["total_count"]) == (["order-2", "order-1"], 3)
    assert "offset=2" in page["next_href"]
    rest = call(sandbox, token, "GET", "/deliveries?limit=2&offset=2").json()
    assert (len(rest["data"]), rest["next_href"]) == (1, "")
    live = call(sandbox, token, "GET", "/deliveries?filter=ongoing").json()
    assert live["total_count"] == 2
    sandbox.fault("uber", "answer", "error_500", share=1.0, status=503)
    assert error_of(call(sandbox, token, "GET", "/deliveries"))[:2] == (503, "service_unavailable")
    assert grant(sandbox).status_code == 503
    sandbox.control("DELETE", "faults?provider=uber")
    assert grant(sandbox).status_code == 200
