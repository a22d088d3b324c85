"""COOCO: the contract's three calls and five events, and what a courier company does to one's day."""

from __future__ import annotations

import csv
import io
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import stripe

from tests.sandbox.courier_words import (
    HOME,
    STORE,
    behave,
    ended,
    jobs,
    let_go,
    move,
    refused_control,
    states_of_webhooks,
)
from tests.sandbox.process import Received, Receiver, Sandbox, until

DOOR = "/webhooks/cooco"


def wish(external_id: str = "order-1", **changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "external_id": external_id,
        "pickup": {
            "address": "123 Chef St, Austin, TX 78701",
            "latitude": STORE["lat"],
            "longitude": STORE["lng"],
            "contact_name": "Chef John",
            "contact_phone": "+15555551234",
            "instructions": "Ring",
        },
        "dropoff": {
            "address": "456 Customer Ave, Austin, TX 78702",
            "latitude": HOME["lat"],
            "longitude": HOME["lng"],
            "contact_name": "José Doe",
            "contact_phone": "+15555559999",
        },
        "delivery_window": {
            "pickup_after": now.isoformat(),
            "deliver_by": (now + timedelta(days=400)).isoformat(),
        },
        "package": {"description": "Food order (2 items)", "requires_signature": False, "fragile": True},
        **changes,
    }


def call(sandbox: Sandbox, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
    headers = {
        "Authorization": f"Bearer {sandbox.env['COOCO_API_KEY']}",
        "X-RideNDine-Request-ID": str(uuid.uuid4()),
        **headers,
    }
    return requests.request(method, f"{sandbox.env['COOCO_API_BASE']}{path}", json=body, headers=headers, timeout=5)


def create(sandbox: Sandbox, external_id: str = "order-1", **changes: Any) -> str:
    response = call(sandbox, "POST", "/deliveries", wish(external_id, **changes))
    assert response.status_code == 201, response.text
    return response.json()["delivery_id"]


def cancel(sandbox: Sandbox, delivery_id: str) -> requests.Response:
    return call(sandbox, "PATCH", f"/deliveries/{delivery_id}/cancel", {"reason": "Customer cancelled order"})


def verified(sandbox: Sandbox, one: Received) -> dict[str, Any]:
    """Checked with Stripe's code, which signs alike."""
    scheme, _, digest = one.headers["X-COOCO-Signature"].partition("=")
    assert scheme == "sha256"
    header = f"t={one.headers['X-COOCO-Timestamp']},v1={digest}"
    assert stripe.WebhookSignature.verify_header(
        one.body.decode(), header, sandbox.env["COOCO_WEBHOOK_SECRET"], tolerance=60
    )
    return json.loads(one.body)


def events(sandbox: Sandbox, handoff: Receiver, count: int) -> list[dict[str, Any]]:
    return [verified(sandbox, one) for one in handoff.at(DOOR, count)]


def test_created_as_documented(sandbox: Sandbox):
    answer = call(sandbox, "POST", "/deliveries", wish())
    assert answer.status_code == 201
    told = answer.json()
    assert set(told) == {
        "delivery_id",
        "status",
        "estimated_pickup_time",
        "estimated_delivery_time",
        "tracking_url",
    }
    assert told["status"] == "pending"
    assert told["estimated_pickup_time"] < told["estimated_delivery_time"]
    seen = call(sandbox, "GET", f"/deliveries/{told['delivery_id']}").json()
    assert (seen["external_id"], seen["status"], seen["driver"]) == ("order-1", "pending", None)
    assert [step["status"] for step in seen["timeline"]] == ["pending"]


def test_five_events_by_hand(sandbox: Sandbox, handoff: Receiver):
    job = create(sandbox)
    move(sandbox, "cooco", job, "driver_assigned", "picked_up", "in_transit", "completed")
    told = {one["event"]: one for one in events(sandbox, handoff, 4)}
    assert all((one["delivery_id"], one["external_id"]) == (job, "order-1") for one in told.values())
    assert set(told["delivery.assigned"]["data"]["driver"]) == {"id", "name", "phone", "vehicle"}
    assert told["delivery.picked_up"]["data"]["pickup_signature"] == "Chef John"
    assert told["delivery.in_transit"]["data"]["driver_latitude"] == pytest.approx(STORE["lat"], abs=1e-3)
    assert told["delivery.completed"]["data"]["recipient_signature"] == "José Doe"
    assert told["delivery.completed"]["data"]["delivered_at"] == {
        "latitude": HOME["lat"],
        "longitude": HOME["lng"],
    }
    move(sandbox, "cooco", create(sandbox, "order-2"), "in_transit", "failed", reason="customer_not_available")
    failed = next(one for one in events(sandbox, handoff, 6) if one["event"] == "delivery.failed")
    assert failed["data"]["reason"] == "customer_not_available"
    assert failed["data"]["driver_notes"]
    assert failed["data"]["attempted_at"] == {"latitude": HOME["lat"], "longitude": HOME["lng"]}


def test_a_whole_delivery_by_itself(sandbox: Sandbox, handoff: Receiver):
    let_go(sandbox, "cooco")
    ready_at = datetime.now(UTC) + timedelta(seconds=2.5)
    window = {"pickup_after": ready_at.isoformat(), "deliver_by": (ready_at + timedelta(hours=1)).isoformat()}
    job = create(sandbox, delivery_window=window)
    ended(sandbox, "cooco")
    handoff.at(DOOR, 4)
    until(lambda: "pending" not in states_of_webhooks(sandbox, "cooco"), "the last webhook")
    arrived = {verified(sandbox, one)["event"]: one.at for one in handoff.at(DOOR)}
    assert sorted(arrived, key=arrived.__getitem__) == [
        "delivery.assigned",
        "delivery.picked_up",
        "delivery.in_transit",
        "delivery.completed",
    ]
    assert arrived["delivery.picked_up"] >= ready_at.timestamp()
    seen = call(sandbox, "GET", f"/deliveries/{job}").json()
    assert [step["status"] for step in seen["timeline"]] == [
        "pending",
        "driver_assigned",
        "picked_up",
        "in_transit",
        "completed",
    ]


def test_the_driver_moves_between_store_and_customer(sandbox: Sandbox, handoff: Receiver):
    job = create(sandbox)
    move(sandbox, "cooco", job, "in_transit")
    sandbox.control("POST", "cooco/pace", {"speed": 60})

    def on_the_way() -> dict[str, Any] | None:
        driver = call(sandbox, "GET", f"/deliveries/{job}").json()["driver"]
        return driver if STORE["lat"] < driver["latitude"] < HOME["lat"] else None

    driver = until(on_the_way, "a driver between the two")
    assert HOME["lng"] < driver["longitude"] < STORE["lng"]
    let_go(sandbox, "cooco", 60)
    reports = [one for one in events(sandbox, handoff, 3) if one["event"] == "delivery.in_transit"]
    assert len({one["data"]["driver_latitude"] for one in reports}) > 1


def test_by_hand_nothing_moves_by_itself_and_only_forward(sandbox: Sandbox, handoff: Receiver):
    sandbox.control("POST", "cooco/pace", {"speed": 100_000})
    job = create(sandbox)
    move(sandbox, "cooco", job, "picked_up")
    handoff.at(DOOR, 1)
    assert refused_control(sandbox, f"cooco/jobs/{job}/move", {"to": "driver_assigned"}) == "to"
    assert refused_control(sandbox, f"cooco/jobs/{job}/move", {"to": "flown"}) == "to"
    assert refused_control(sandbox, "cooco/jobs/none/move", {"to": "failed"}) == "id"
    assert refused_control(sandbox, "cooco/pace", {"speed": 0}) == "speed"
    assert refused_control(sandbox, "cooco/behaviour", {"fail": 2}) == "fail"
    assert [found["status"] for found in jobs(sandbox, "cooco")] == ["picked_up"]
    move(sandbox, "cooco", "order-1", "delivered")  # our id will do, and the other word for completed
    assert refused_control(sandbox, f"cooco/jobs/{job}/move", {"to": "failed"}) == "to"


def test_asking_again_is_the_same_delivery(sandbox: Sandbox):
    first = create(sandbox)
    assert create(sandbox) == first
    again = call(sandbox, "POST", "/deliveries", wish("order-7"), **{"X-RideNDine-Request-ID": "same"})
    twice = call(sandbox, "POST", "/deliveries", wish("order-8"), **{"X-RideNDine-Request-ID": "same"})
    assert (again.status_code, twice.status_code) == (201, 201)
    assert again.json()["delivery_id"] == twice.json()["delivery_id"] != first
    assert sorted(job["times_created"] for job in jobs(sandbox, "cooco")) == [2, 2]


@pytest.mark.parametrize("kind", ["lost_answer", "timeout"])
def test_a_lost_answer_made_the_delivery(sandbox: Sandbox, kind):
    sandbox.fault("cooco", "answer", kind, path="/v2/deliveries", seconds=6)
    with pytest.raises((requests.ConnectionError, requests.ReadTimeout)):
        create(sandbox)
    create(sandbox)
    assert [job["times_created"] for job in jobs(sandbox, "cooco")] == [2]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"external_id": ""}, "external_id"),
        ({"pickup": "the store"}, "pickup"),
        ({"pickup": {**wish()["pickup"], "latitude": 95}}, "pickup.latitude"),
        ({"pickup": {**wish()["pickup"], "longitude": "west"}}, "pickup.longitude"),
        ({"dropoff": {**wish()["dropoff"], "contact_phone": "call me"}}, "dropoff.contact_phone"),
        ({"dropoff": {**wish()["dropoff"], "address": " "}}, "dropoff.address"),
        ({"delivery_window": {"pickup_after": "2026-01-31 noon"}}, "delivery_window.pickup_after"),
        (
            {"delivery_window": {"pickup_after": "2026-01-31T12:00:00Z", "deliver_by": "2026-01-31T11:00:00Z"}},
            "delivery_window.deliver_by",
        ),
        ({"package": {}}, "package.description"),
        ({"package": {"description": "food", "fragile": "very"}}, "package.fragile"),
        ({"callback_url": "nowhere"}, "callback_url"),
        ({"metadata": []}, "metadata"),
    ],
)
def test_what_is_wrong_is_named(sandbox: Sandbox, changes, field):
    response = call(sandbox, "POST", "/deliveries", wish(**changes))
    assert (response.status_code, response.json()["error"]["field"]) == (400, field)
    assert jobs(sandbox, "cooco") == []


def test_keys_and_headers_are_checked(sandbox: Sandbox):
    assert call(sandbox, "POST", "/deliveries", wish(), Authorization="Bearer no").status_code == 401
    nameless = call(sandbox, "POST", "/deliveries", wish(), **{"X-RideNDine-Request-ID": ""})
    assert (nameless.status_code, nameless.json()["error"]["field"]) == (400, "X-RideNDine-Request-ID")
    assert call(sandbox, "GET", "/deliveries/cooco-delivery-1").status_code == 404
    assert cancel(sandbox, "cooco-delivery-1").status_code == 404
    assert call(sandbox, "DELETE", "/deliveries").status_code == 405


def test_cancelling_costs_once_a_driver_is_assigned(sandbox: Sandbox, handoff: Receiver):
    free, dear, late = (create(sandbox, name) for name in ("order-1", "order-2", "order-3"))
    move(sandbox, "cooco", dear, "driver_assigned")
    move(sandbox, "cooco", late, "picked_up")
    for job, fee in ((free, 0), (dear, 500)):
        for _ in range(2):
            answer = cancel(sandbox, job)
            expected = {"delivery_id": job, "status": "cancelled", "cancellation_fee": fee}
            assert (answer.status_code, answer.json()) == (200, expected)
    assert cancel(sandbox, late).status_code == 409
    move(sandbox, "cooco", late, "completed")
    assert cancel(sandbox, late).status_code == 409
    told = [one for one in events(sandbox, handoff, 5) if one["event"] == "delivery.failed"]
    assert {one["delivery_id"] for one in told} == {free, dear}
    assert all(one["data"]["attempted_at"] is None for one in told)


def test_it_may_refuse_to_cancel(sandbox: Sandbox):
    job = create(sandbox)
    behave(sandbox, "cooco", refuse_cancel=True)
    assert cancel(sandbox, job).status_code == 409
    behave(sandbox, "cooco", refuse_cancel=False)
    assert cancel(sandbox, job).status_code == 200


@pytest.mark.parametrize(
    ("how", "status", "reason"),
    [
        ({"fail": 1.0}, "failed", "customer_not_available"),
        ({"cancel": 1.0}, "cancelled", "cancelled_by_courier"),
        ({"no_couriers": True}, "cancelled", "no_driver_available"),
    ],
)
def test_it_may_let_one_down(sandbox: Sandbox, handoff: Receiver, how, status, reason):
    behave(sandbox, "cooco", **how)
    let_go(sandbox, "cooco")
    create(sandbox)
    (job,) = ended(sandbox, "cooco")
    assert (job["status"], job["reason"]) == (status, reason)
    assert ("picked_up" in [past["stage"] for past in job["history"]]) == (status == "failed")

    def told() -> list[dict[str, Any]]:
        return [one for one in events(sandbox, handoff, 1) if one["event"] == "delivery.failed"]

    assert until(told, "delivery.failed")[0]["data"]["reason"] == reason


def test_a_share_fails_and_the_same_one_each_time(sandbox: Sandbox):
    fates = []
    for _ in range(2):
        sandbox.control("POST", "reset")
        behave(sandbox, "cooco", fail=0.4)
        let_go(sandbox, "cooco", 100_000)
        for number in range(12):
            create(sandbox, f"order-{uuid.uuid4()}-{number}")
        fates.append({int(job["id"][-5:]): job["status"] for job in ended(sandbox, "cooco", 12)})
    assert fates[0] == fates[1]
    assert set(fates[0].values()) == {"failed", "completed"}


def test_webhooks_may_be_dropped(sandbox: Sandbox, handoff: Receiver):
    sandbox.control("POST", "cooco/webhooks", {"drop": 1.0})
    job = create(sandbox)
    move(sandbox, "cooco", job, "driver_assigned", "picked_up")
    sandbox.control("POST", "cooco/webhooks", {"drop": 0})
    move(sandbox, "cooco", job, "in_transit")
    assert [one["event"] for one in events(sandbox, handoff, 1)] == ["delivery.in_transit"]
    assert states_of_webhooks(sandbox, "cooco")[:2] == ["dropped", "dropped"]
    assert call(sandbox, "GET", f"/deliveries/{job}").json()["status"] == "in_transit"


def test_webhooks_are_repeated_and_signed_anew(sandbox: Sandbox, handoff: Receiver):
    sandbox.control("POST", "cooco/pace", {"speed": 50})
    handoff.answers[:] = [500, 500]
    move(sandbox, "cooco", create(sandbox), "driver_assigned")
    at_once, again, later = handoff.at(DOOR, 3)
    assert again.at - at_once.at < 0.5
    assert later.at - again.at > 1.1
    assert at_once.headers["X-COOCO-Timestamp"] < later.headers["X-COOCO-Timestamp"]
    assert len({verified(sandbox, one)["timestamp"] for one in (at_once, again, later)}) == 1


def test_to_its_own_address_and_with_a_wrong_signature(sandbox: Sandbox, handoff: Receiver):
    sandbox.fault("cooco", "webhook", "wrong_signature")
    job = create(sandbox, callback_url=f"{handoff.url}/elsewhere")
    move(sandbox, "cooco", job, "driver_assigned")
    (one,) = handoff.at("/elsewhere")
    with pytest.raises(stripe.SignatureVerificationError):
        verified(sandbox, one)


def test_an_outage_begins_and_ends(sandbox: Sandbox):
    sandbox.fault("cooco", "answer", "error_500", share=1.0, status=503)
    sandbox.fault("uber", "answer", "drop", share=1.0)
    for _ in range(3):
        assert call(sandbox, "POST", "/deliveries", wish()).status_code == 503
    assert jobs(sandbox, "cooco") == []
    sandbox.control("DELETE", "faults?provider=cooco")
    create(sandbox)
    active = {fault["provider"]: fault["active"] for fault in sandbox.control("GET", "faults")["faults"]}
    assert active == {"cooco": False, "uber": True}


def test_invoice(sandbox: Sandbox):
    evening = {"pickup_after": "2026-01-31T23:30:00Z", "deliver_by": "2026-02-01T01:00:00Z"}  # 17:30 in Austin
    morning = {"pickup_after": "2026-01-31T16:00:00Z", "deliver_by": "2026-01-31T18:00:00Z"}
    begun = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    peak, plain = create(sandbox, "peak", delivery_window=evening), create(sandbox, "plain", delivery_window=morning)
    stopped, spared, lost = (create(sandbox, name) for name in ("stopped", "spared", "lost"))
    move(sandbox, "cooco", peak, "completed")
    move(sandbox, "cooco", plain, "completed")
    move(sandbox, "cooco", stopped, "driver_assigned")
    cancel(sandbox, stopped)
    cancel(sandbox, spared)
    move(sandbox, "cooco", lost, "failed")
    zone = "time_zone=America/Chicago"
    period = {"from": begun, "to": (datetime.now(UTC) + timedelta(seconds=1)).isoformat()}
    url = f"{sandbox.url}/_control/cooco/invoice?{zone}"
    response = requests.get(url, params=period, timeout=5)
    assert response.headers["Content-Type"].startswith("text/csv")
    lines = {line["external_id"]: line for line in csv.DictReader(io.StringIO(response.text))}
    assert set(lines) == {"peak", "plain", "stopped"}
    # 1.091 km of straight line: 54.55 cents on top of 300, three tenths more of both in the evening
    assert [lines["plain"][name] for name in ("distance_km", "base", "distance_fee", "surcharge", "total")] == [
        "1.091",
        "300",
        "55",
        "0",
        "355",
    ]
    assert [lines["peak"][name] for name in ("surcharge", "total", "kind")] == ["106", "461", "delivery"]
    assert [lines["stopped"][name] for name in ("kind", "total", "currency")] == ["cancellation", "500", "USD"]
    before = requests.get(url, params={"from": "2020-01-01T00:00:00Z", "to": begun}, timeout=5)
    assert len(before.text.splitlines()) == 1
    for wrong in ({**period, "time_zone": "Mars"}, {**period, "to": "soon"}):
        assert requests.get(f"{sandbox.url}/_control/cooco/invoice", params=wrong, timeout=5).status_code == 400


def test_the_desk_shows_jobs(sandbox: Sandbox):
    job = create(sandbox, "order-desk")
    page = requests.get(sandbox.url, timeout=5).text
    assert "COOCO jobs" in page
    assert job in page
