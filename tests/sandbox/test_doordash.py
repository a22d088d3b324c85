"""DoorDash Drive: signed tokens, quotes that are accepted, deliveries, and webhooks that nobody signed."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from tests.sandbox.courier_words import (
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
from tests.sandbox.process import Receiver, Sandbox, until

DOOR = "/webhooks/doordash"


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(sandbox: Sandbox, header: dict[str, Any] | None = None, key: bytes | None = None, **claims: Any) -> str:
    """A token made by hand, as RFC 7515 says; a claim of None is left out."""
    secret = sandbox.env["DOORDASH_SIGNING_SECRET"]
    now = int(time.time()) - 1
    payload = {
        "aud": "doordash",
        "iss": sandbox.env["DOORDASH_DEVELOPER_ID"],
        "kid": sandbox.env["DOORDASH_KEY_ID"],
        "iat": now,
        "exp": now + 300,
        **claims,
    }
    payload = {name: value for name, value in payload.items() if value is not None}
    head = {"alg": "HS256", "typ": "JWT", "dd-ver": "DD-JWT-V1"} if header is None else header
    text = ".".join(base64url(json.dumps(part).encode()) for part in (head, payload))
    key = key or base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    return f"{text}.{base64url(hmac_sha256(key, text.encode()))}"


def call(sandbox: Sandbox, method: str, path: str, body: Any = None, token: str = "") -> requests.Response:
    headers = {"Authorization": f"Bearer {token or signed(sandbox)}"}
    url = f"{sandbox.env['DOORDASH_API_BASE']}/drive/v2{path}"
    return requests.request(method, url, json=body, headers=headers, timeout=5)


def wish(external_id: str = "order-1", **changes: Any) -> dict[str, Any]:
    return {
        "external_delivery_id": external_id,
        "pickup_address": "123 Chef St, Austin, TX 78701",
        "pickup_business_name": "Chef",
        "pickup_phone_number": "+15555551234",
        "dropoff_address": "456 Customer Ave, Austin, TX 78702",
        "dropoff_phone_number": "+15555559999",
        "order_value": 1900,
        **changes,
    }


def create(sandbox: Sandbox, external_id: str = "order-1", **changes: Any) -> str:
    response = call(sandbox, "POST", "/deliveries", wish(external_id, **changes))
    assert response.status_code == 200, response.text
    return response.json()["external_delivery_id"]


def look(sandbox: Sandbox, external_id: str) -> dict[str, Any]:
    return call(sandbox, "GET", f"/deliveries/{external_id}").json()


def cancel(sandbox: Sandbox, external_id: str) -> requests.Response:
    return call(sandbox, "PUT", f"/deliveries/{external_id}/cancel", {})


def refusal(response: requests.Response) -> tuple[int, str, str | None]:
    body = response.json()
    assert body["message"]
    return response.status_code, body["code"], body.get("reason")


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "uber"},
        {"iss": "somebody"},
        {"kid": None},
        {"kid": "another"},
        {"iat": None},
        {"exp": None},
        {"iat": int(time.time()) + 3600, "exp": int(time.time()) + 3700},
        {"iat": 1_700_000_000, "exp": 1_700_000_300},
        {"header": {"alg": "HS256", "typ": "JWT"}},
        {"key": b"another secret"},
    ],
)
def test_tokens_are_checked(sandbox: Sandbox, changes):
    answer = call(sandbox, "GET", "/deliveries/none", token=signed(sandbox, **changes))
    assert refusal(answer)[:2] == (401, "authentication_error")


@pytest.mark.parametrize(("life_s", "status"), [(1800, 404), (1801, 401)])
def test_a_token_lives_half_an_hour_at_most(sandbox: Sandbox, life_s, status):
    now = int(time.time()) - 1
    token = signed(sandbox, iat=now, exp=now + life_s)
    assert call(sandbox, "GET", "/deliveries/none", token=token).status_code == status


def test_the_secret_is_decoded_first(sandbox: Sandbox):
    raw = signed(sandbox, key=sandbox.env["DOORDASH_SIGNING_SECRET"].encode())
    assert call(sandbox, "GET", "/deliveries/none", token=raw).status_code == 401
    assert refusal(call(sandbox, "GET", "/deliveries/none"))[:2] == (404, "unknown_delivery_id")


def test_quote_and_acceptance(sandbox: Sandbox):
    quote = call(sandbox, "POST", "/quotes", {k: v for k, v in wish().items() if k != "dropoff_phone_number"}).json()
    assert (quote["delivery_status"], quote["currency"]) == ("quote", "USD")
    assert sum(part["amount"] for part in quote["fee_components"]) == quote["fee"]
    assert look(sandbox, "order-1")["delivery_status"] == "quote"
    for path in ("/quotes", "/deliveries"):
        assert refusal(call(sandbox, "POST", path, wish()))[:2] == (409, "duplicate_delivery_id")
    assert jobs(sandbox, "doordash") == []
    assert refusal(call(sandbox, "POST", "/quotes/order-1/accept", {}))[:2] == (400, "validation_error")
    made = call(sandbox, "POST", "/quotes/order-1/accept", {"dropoff_phone_number": "+15555559999", "tip": 300}).json()
    assert (made["delivery_status"], made["fee"], made["tip"]) == ("created", quote["fee"], 300)
    again = call(sandbox, "POST", "/quotes/order-1/accept", {})
    assert refusal(again)[:2] == (409, "duplicate_delivery_id")
    assert again.json()["external_delivery_id"] == "order-1"


def test_a_quote_lapses(sandbox: Sandbox):
    call(sandbox, "POST", "/quotes", wish())
    sandbox.control("POST", "doordash/quotes/expire")
    assert refusal(call(sandbox, "POST", "/quotes/order-1/accept", {}))[:2] == (404, "unknown_delivery_id")
    assert call(sandbox, "GET", "/deliveries/order-1").status_code == 404
    create(sandbox)


def test_created_once(sandbox: Sandbox):
    sandbox.fault("doordash", "answer", "lost_answer", path="/drive/v2/deliveries")
    with pytest.raises(requests.ConnectionError):
        create(sandbox)
    assert refusal(call(sandbox, "POST", "/deliveries", wish()))[:2] == (409, "duplicate_delivery_id")
    assert look(sandbox, "order-1")["dropoff_address"] == wish()["dropoff_address"]
    assert [job["times_created"] for job in jobs(sandbox, "doordash")] == [2]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"external_delivery_id": ""}, "external_delivery_id"),
        ({"external_delivery_id": "order 1"}, "external_delivery_id"),
        ({"dropoff_address": ""}, "dropoff_address"),
        ({"dropoff_phone_number": None}, "dropoff_phone_number"),
        ({"pickup_phone_number": "call me"}, "pickup_phone_number"),
        ({"pickup_address": ""}, "pickup_address"),
        ({"pickup_external_store_id": "s1"}, "pickup_external_business_id"),
        ({"order_value": 19.5}, "order_value"),
        ({"pickup_time": "noon"}, "pickup_time"),
        ({"action_if_undeliverable": "eat"}, "action_if_undeliverable"),
        ({"contactless_dropoff": "yes"}, "contactless_dropoff"),
    ],
)
def test_what_is_wrong_is_named(sandbox: Sandbox, changes, field):
    response = call(sandbox, "POST", "/deliveries", wish(**changes))
    assert refusal(response)[:2] == (400, "validation_error")
    assert field in [one["field"] for one in response.json()["field_errors"]]
    assert jobs(sandbox, "doordash") == []


def test_too_far(sandbox: Sandbox):
    sandbox.control("POST", "doordash/places", {"address": wish()["pickup_address"], **STORE})
    sandbox.control("POST", "doordash/places", {"address": wish()["dropoff_address"], "lat": 32.0, "lng": -97.7})
    answer = call(sandbox, "POST", "/deliveries", wish())
    assert refusal(answer) == (422, "invalid_delivery_parameters", "distance_too_long")


def test_change_until_pickup(sandbox: Sandbox):
    job = create(sandbox)
    changed = call(sandbox, "PATCH", f"/deliveries/{job}", {"dropoff_instructions": "Blue door", "tip": 500})
    assert (changed.status_code, changed.json()["dropoff_instructions"], changed.json()["tip"]) == (
        200,
        "Blue door",
        500,
    )
    for word, reason in (("picked_up", "delivery_picked_up"), ("delivered", "delivery_completed")):
        move(sandbox, "doordash", job, word)
        late = call(sandbox, "PATCH", f"/deliveries/{job}", {"tip": 1})
        assert refusal(late) == (409, "update_not_allowed", reason)


def test_cancel_until_a_dasher_is_assigned(sandbox: Sandbox, handoff: Receiver):
    early, late = create(sandbox), create(sandbox, "order-2")
    answer = cancel(sandbox, early)
    assert (answer.status_code, answer.json()["delivery_status"]) == (200, "cancelled")
    assert answer.json()["cancellation_reason"] == "cancelled_by_creator"
    assert refusal(cancel(sandbox, early)) == (409, "cancel_not_allowed", "delivery_cancelled")
    for word, reason in (
        ("confirmed", "cancellation_window_closed"),
        ("picked_up", "delivery_picked_up"),
        ("delivered", "delivery_completed"),
    ):
        move(sandbox, "doordash", late, word)
        assert refusal(cancel(sandbox, late)) == (409, "cancel_not_allowed", reason)
    assert refusal(cancel(sandbox, "order-9"))[:2] == (404, "unknown_delivery_id")
    behave(sandbox, "doordash", refuse_cancel=True)
    assert refusal(cancel(sandbox, create(sandbox, "order-3")))[1] == "cancel_not_allowed"
    assert bodies(handoff, "doordash", 1)[0]["event_name"] == "DELIVERY_CANCELLED"


def test_webhooks_by_hand(sandbox: Sandbox, handoff: Receiver):
    job = create(sandbox)
    way = (
        ("confirmed", "DASHER_CONFIRMED"),
        ("arrived_at_pickup", "DASHER_CONFIRMED_PICKUP_ARRIVAL"),
        ("picked_up", "DASHER_PICKED_UP"),
        ("arrived_at_dropoff", "DASHER_CONFIRMED_DROPOFF_ARRIVAL"),
        ("delivered", "DASHER_DROPPED_OFF"),
    )
    for count, (word, event) in enumerate(way, 1):
        move(sandbox, "doordash", job, word)
        told = bodies(handoff, "doordash", count)[-1]
        assert (told["event_name"], told["delivery_status"]) == (event, word)
        assert told["external_delivery_id"] == "order-1"
        assert told["created_at"]
        assert not [name for name, value in told.items() if value in (None, "", [])]
    agreed = sandbox.env["DOORDASH_WEBHOOK_AUTHORIZATION"]
    assert {one.headers["Authorization"] for one in handoff.at(DOOR, 5)} == {agreed}
    first, last = bodies(handoff, "doordash", 5)[0], bodies(handoff, "doordash", 5)[-1]
    assert set(first["dasher_location"]) == {"lat", "lng"}
    assert "dropoff_time_actual" not in first
    assert last["dropoff_time_actual"] >= last["pickup_time_actual"]


def test_events_by_choice(sandbox: Sandbox, handoff: Receiver):
    behave(sandbox, "doordash", enroute_events=True)
    move(sandbox, "doordash", create(sandbox), "enroute_to_pickup")
    assert bodies(handoff, "doordash", 1)[0]["event_name"] == "dasher_enroute_to_pickup"


def test_a_whole_delivery_by_itself(sandbox: Sandbox, handoff: Receiver):
    let_go(sandbox, "doordash")
    ready_at = datetime.now(UTC) + timedelta(seconds=3)
    create(sandbox, pickup_time=ready_at.isoformat())
    (job,) = ended(sandbox, "doordash")
    when = {past["stage"]: datetime.fromisoformat(past["at"]) for past in job["history"]}
    assert when["picked_up"] - when["waiting"] >= timedelta(seconds=2)
    assert look(sandbox, "order-1")["delivery_status"] == "delivered"
    until(lambda: "pending" not in states_of_webhooks(sandbox, "doordash"), "the last webhook")
    assert len(bodies(handoff, "doordash", 5)) == 5


@pytest.mark.parametrize(
    ("action", "status", "reason", "events"),
    [
        (
            "return_to_pickup",
            "returned",
            None,
            {"DELIVERY_RETURN_INITIALIZED", "DASHER_CONFIRMED_RETURN_ARRIVAL", "DELIVERY_RETURNED"},
        ),
        ("dispose", "cancelled", "failed_to_deliver", {"DELIVERY_CANCELLED"}),
    ],
)
def test_a_customer_who_is_not_there(sandbox: Sandbox, handoff: Receiver, action, status, reason, events):
    behave(sandbox, "doordash", fail=1.0)
    let_go(sandbox, "doordash")
    create(sandbox, action_if_undeliverable=action)
    ended(sandbox, "doordash")
    seen = look(sandbox, "order-1")
    assert (seen["delivery_status"], seen.get("cancellation_reason")) == (status, reason)
    until(lambda: "pending" not in states_of_webhooks(sandbox, "doordash"), "the last webhook")
    assert events <= {one["event_name"] for one in bodies(handoff, "doordash", 5)}


@pytest.mark.parametrize(
    ("how", "reason"),
    [({"no_couriers": True}, "failed_to_assign_and_refunded"), ({"cancel": 1.0}, "failed_to_pickup")],
)
def test_it_may_let_one_down(sandbox: Sandbox, how, reason):
    behave(sandbox, "doordash", **how)
    let_go(sandbox, "doordash")
    create(sandbox)
    ended(sandbox, "doordash")
    seen = look(sandbox, "order-1")
    assert (seen["delivery_status"], seen["cancellation_reason"]) == ("cancelled", reason)


def test_webhooks_are_sent_three_times_and_may_be_lost(sandbox: Sandbox, handoff: Receiver):
    sandbox.control("POST", "doordash/pace", {"speed": 50})
    handoff.answers[:] = [500, 500, 500]
    job = create(sandbox)
    move(sandbox, "doordash", job, "confirmed")
    until(lambda: states_of_webhooks(sandbox, "doordash") == ["failed"], "an end of the tries")
    assert len(handoff.at(DOOR, 3)) == 3
    behave(sandbox, "doordash", drop_webhooks=1.0)
    move(sandbox, "doordash", job, "picked_up")
    behave(sandbox, "doordash", drop_webhooks=0.0)
    sandbox.fault("doordash", "webhook", "wrong_signature")
    move(sandbox, "doordash", job, "delivered")
    last = handoff.at(DOOR, 4)[-1]
    assert last.headers["Authorization"] != sandbox.env["DOORDASH_WEBHOOK_AUTHORIZATION"]
    assert json.loads(last.body)["event_name"] == "DASHER_DROPPED_OFF"


def test_an_outage_begins_and_ends(sandbox: Sandbox):
    sandbox.fault("doordash", "answer", "error_500", share=1.0, status=503)
    assert refusal(call(sandbox, "POST", "/deliveries", wish()))[:2] == (503, "service_unavailable")
    sandbox.control("DELETE", "faults?provider=doordash")
    sandbox.fault("doordash", "answer", "timeout", share=1.0, seconds=6)
    with pytest.raises(requests.ReadTimeout):
        create(sandbox)
    sandbox.control("DELETE", "faults?provider=doordash")
    assert [job["times_created"] for job in jobs(sandbox, "doordash")] == [1]
