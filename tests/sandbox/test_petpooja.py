"""The point of sale: documented shapes in both directions."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from tests.sandbox.process import Receiver, Sandbox, until

CALLBACK = "/pp_callback/pizza/"


def relay(sandbox: Sandbox, handoff: Receiver, order_id: str = "A-1", **changes: Any) -> dict[str, Any]:
    order = {
        "orderID": order_id,
        "preorder_date": "2026-11-20",
        "preorder_time": "15:50:00",
        "order_type": "H",
        "payment_type": "ONLINE",
        "total": "560.00",
        "tax_total": "65.52",
        "created_on": "2026-11-20 15:49:00",
        "enable_delivery": 0,
        "callback_url": handoff.url + CALLBACK,
        **changes,
    }
    item = {"id": "7765862", "name": "Garlic Bread", "price": "140.00", "final_price": "140.00", "quantity": "1"}
    return {
        **credentials(sandbox),
        "orderinfo": {
            "OrderInfo": {
                "Restaurant": {"details": {"res_name": "Pizza", "restID": "r1"}},
                "Customer": {"details": {"name": "Advait", "phone": "9090909090", "address": "2, Amin Society"}},
                "Order": {"details": order},
                "OrderItem": {"details": [item]},
                "Tax": {"details": []},
                "Discount": {"details": []},
            }
        },
        "udid": "",
        "device_type": "Web",
    }


def credentials(sandbox: Sandbox) -> dict[str, str]:
    names = ("APP_KEY", "APP_SECRET", "ACCESS_TOKEN")
    return {name.lower(): sandbox.env[f"PETPOOJA_{name}"] for name in names}


def post(sandbox: Sandbox, path: str, body: Any) -> dict[str, Any]:
    response = requests.post(f"{sandbox.env['PETPOOJA_API_BASE']}{path}", json=body, timeout=5)
    assert response.status_code == 200
    return response.json()


def callbacks(handoff: Receiver, count: int) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in handoff.at(CALLBACK, count)]


def test_saved_accepted_ready(sandbox: Sandbox, handoff: Receiver):
    plan = {"accept_after_s": 0.1, "ready_after_s": 0.4, "prep_minutes": 20}
    sandbox.control("PUT", "petpooja/orders/A-1", plan)
    assert post(sandbox, "/V1/save_order", relay(sandbox, handoff)) == {
        "success": "1",
        "message": "Your order is saved.",
        "restID": "r1",
        "clientOrderID": "A-1",
        "orderID": "1",
    }
    accepted, ready = callbacks(handoff, 2)
    assert accepted == {
        "restID": "r1",
        "orderID": "A-1",
        "status": "1",
        "cancel_reason": "",
        "minimum_prep_time": 20,
        "minimum_delivery_time": "",
        "rider_name": "",
        "rider_phone_number": "",
        "is_modified": "No",
    }
    assert (ready["status"], ready["orderID"]) == ("5", "A-1")


def test_same_order_again_is_the_same_order(sandbox: Sandbox, handoff: Receiver):
    sandbox.control("PUT", "petpooja/default", {"accept_after_s": 0, "ready_after_s": 0})
    first = post(sandbox, "/V1/save_order", relay(sandbox, handoff))
    assert post(sandbox, "/V1/save_order", relay(sandbox, handoff)) == first
    callbacks(handoff, 2)
    assert sandbox.control("GET", "petpooja/orders/A-1")["order"]["times_saved"] == 2
    assert len(handoff.received) == 2


@pytest.mark.parametrize(
    ("outcome", "statuses"), [("cancel", ["-1"]), ("cancel_late", ["1", "-1"]), ("silent", []), ("ready", ["1", "5"])]
)
def test_outcomes(sandbox: Sandbox, handoff: Receiver, outcome, statuses):
    plan = {"accept_after_s": 0, "ready_after_s": 0.2, "outcome": outcome, "cancel_reason": "out of dough"}
    sandbox.control("PUT", "petpooja/default", plan)
    assert post(sandbox, "/V1/save_order", relay(sandbox, handoff))["success"] == "1"
    told = callbacks(handoff, len(statuses)) if statuses else []
    assert [one["status"] for one in told] == statuses
    assert [one["cancel_reason"] for one in told if one["status"] == "-1"] == ["out of dough"] * statuses.count("-1")


def test_a_plan_may_change_under_way(sandbox: Sandbox, handoff: Receiver):
    sandbox.control("PUT", "petpooja/default", {"accept_after_s": 0, "ready_after_s": 3600})
    post(sandbox, "/V1/save_order", relay(sandbox, handoff))
    callbacks(handoff, 1)
    sandbox.control("PUT", "petpooja/orders/A-1", {"ready_after_s": 0})
    assert [one["status"] for one in callbacks(handoff, 2)] == ["1", "5"]


def test_callback_is_repeated_until_it_is_answered(sandbox: Sandbox, handoff: Receiver):
    sandbox.control("PUT", "petpooja/default", {"accept_after_s": 0, "outcome": "cancel"})
    handoff.answers[:] = [500]
    post(sandbox, "/V1/save_order", relay(sandbox, handoff))
    assert [one["status"] for one in callbacks(handoff, 2)] == ["-1", "-1"]


def test_we_cancel_and_the_kitchen_stops(sandbox: Sandbox, handoff: Receiver):
    sandbox.control("PUT", "petpooja/default", {"accept_after_s": 0.5})
    post(sandbox, "/V1/save_order", relay(sandbox, handoff))
    cancel = {**credentials(sandbox), "restID": "r1", "orderID": "", "clientorderID": "A-1", "status": "-1"}
    answer = post(sandbox, "/update_order_status", {**cancel, "cancelReason": "customer"})
    assert (answer["success"], answer["clientOrderID"]) == ("1", "A-1")
    order = sandbox.control("GET", "petpooja/orders/A-1")["order"]
    assert (order["state"], order["cancel_reason"]) == ("cancelled", "customer")
    assert post(sandbox, "/update_order_status", {**cancel, "status": "5"})["success"] == "0"
    assert post(sandbox, "/update_order_status", {**cancel, "clientorderID": "A-2"})["success"] == "0"
    with pytest.raises(AssertionError):
        until(lambda: handoff.received, "a callback that must not come", patience_s=0.8)


def test_rider_status(sandbox: Sandbox, handoff: Receiver):
    post(sandbox, "/V1/save_order", relay(sandbox, handoff))
    update = {**credentials(sandbox), "order_id": "A-1", "rider_data": {"name": "Ravi"}}
    assert post(sandbox, "/rider_status_update", {**update, "status": "pickedup"})["success"] == "success"
    assert sandbox.control("GET", "petpooja/orders/A-1")["order"]["rider"] == "pickedup"
    assert post(sandbox, "/rider_status_update", {**update, "status": "flying"})["success"] != "success"


def test_failures_are_http_200(sandbox: Sandbox, handoff: Receiver):
    good = relay(sandbox, handoff)
    wrong_key = post(sandbox, "/V1/save_order", {**good, "app_key": "x"})
    assert (wrong_key["success"], wrong_key["errorCode"]) == ("0", "GN_105")
    bad = relay(sandbox, handoff, order_type="X", total="many", callback_url="", created_on="")
    answer = post(sandbox, "/V1/save_order", bad)
    assert (answer["success"], answer["errorCode"]) == ("0", "SO_105")
    assert set(answer["validation_errors"]) == {
        "Order.order_type",
        "Order.total",
        "Order.callback_url",
        "Order.created_on",
    }
    assert post(sandbox, "/V1/save_order", {**good, "orderinfo": "?"})["success"] == "0"
    sandbox.control("PUT", "petpooja/orders/A-9", {"outcome": "refuse", "cancel_reason": "closed"})
    refused = post(sandbox, "/V1/save_order", relay(sandbox, handoff, "A-9"))
    assert (refused["success"], refused["message"]) == ("0", "closed")


@pytest.mark.parametrize(
    ("plan", "field"),
    [({"outcome": "burn"}, "outcome"), ({"accept_after_s": -1}, "accept_after_s"), ({"colour": "red"}, "colour")],
)
def test_bad_plans_are_named(sandbox: Sandbox, plan, field):
    response = requests.put(f"{sandbox.url}/_control/petpooja/default", json=plan, timeout=5)
    assert (response.status_code, response.json()["error"]["field"]) == (400, field)
