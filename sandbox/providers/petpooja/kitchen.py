"""The kitchen behind the POS: what becomes of a saved order, and the callbacks about it.

A plan says when the store answers and when the food is ready, both counted from the moment the order was saved:
  ready        "1" accepted, then "5" food ready
  cancel       "-1" instead of accepting
  cancel_late  "1", then "-1" when the food should have been ready
  silent       nothing at all
  refuse       save_order itself fails
A callback is `{restID, orderID (the storefront's), status, cancel_reason, minimum_prep_time, minimum_delivery_time,
rider_name, rider_phone_number, is_modified}`, posted to the order's own callback_url, unsigned.
"""

from __future__ import annotations

import json
from typing import Any

from sandbox.engine import runtime
from sandbox.engine.store import Transaction

KIND = "petpooja.order"
PLAN = "petpooja.plan"
DEFAULT = "default"
SAVED, ACCEPTED, READY, CANCELLED = "saved", "accepted", "ready", "cancelled"
STATUS = {ACCEPTED: "1", READY: "5", CANCELLED: "-1"}
OUTCOMES = {
    "ready": (ACCEPTED, READY),
    "cancel": (CANCELLED, None),
    "cancel_late": (ACCEPTED, CANCELLED),
    "silent": (None, None),
    "refuse": (None, None),
}
FIRST_PLAN = {
    "accept_after_s": 1.0,
    "ready_after_s": 8.0,
    "prep_minutes": 12,
    "outcome": "ready",
    "cancel_reason": "",
}

Order = dict[str, Any]


def plan_for(tx: Transaction, client_order_id: str) -> dict[str, Any]:
    """The order's own plan over the default one."""
    default = {**FIRST_PLAN, **(tx.get(PLAN, DEFAULT) or {})}
    return {**default, **(tx.get(PLAN, client_order_id) or {})}


def begin_plan(tx: Transaction, order: Order, plan: dict[str, Any]) -> None:
    """Schedule the moves of the plan that the order has not made yet."""
    dispatcher = runtime.current_runtime().dispatcher
    dispatcher.cancel_actions(tx, "petpooja", order["clientOrderID"])
    first, second = OUTCOMES[plan["outcome"]]
    accept_at = order["saved_at"] + plan["accept_after_s"]
    ready_at = max(accept_at, order["saved_at"] + plan["ready_after_s"])
    for state, due_at in ((first, accept_at), (second, ready_at)):
        if state is not None and state != order["state"]:
            payload = {
                "order": order["clientOrderID"],
                "state": state,
                "prep_minutes": plan["prep_minutes"],
                "cancel_reason": plan["cancel_reason"],
            }
            dispatcher.schedule_action(
                tx, "petpooja", "move", subject=order["clientOrderID"], payload=payload, due_at=due_at
            )


def change_plan(tx: Transaction, client_order_id: str) -> None:
    """A plan that comes after the order: what has not happened yet happens by the new one."""
    order = tx.get(KIND, client_order_id)
    if order is not None and order["state"] in (SAVED, ACCEPTED):
        begin_plan(tx, order, plan_for(tx, client_order_id))


def move_order(tx: Transaction, payload: dict[str, Any]) -> None:
    """The action: the order takes its next step and the storefront is called back."""
    order = tx.get(KIND, payload["order"])
    if order is None or order["state"] == CANCELLED:
        return
    order["state"] = payload["state"]
    tx.put(KIND, order["clientOrderID"], order)
    call_back(tx, order, payload)


def call_back(tx: Transaction, order: Order, about: dict[str, Any]) -> None:
    status = STATUS[order["state"]]
    body = {
        "restID": order["restID"],
        "orderID": order["clientOrderID"],
        "status": status,
        "cancel_reason": about["cancel_reason"] if order["state"] == CANCELLED else "",
        "minimum_prep_time": about["prep_minutes"],
        "minimum_delivery_time": "",
        "rider_name": "",
        "rider_phone_number": "",
        "is_modified": "No",
    }
    runtime.current_runtime().dispatcher.send_webhook(
        tx,
        "petpooja",
        topic=f"status {status}",
        url=order["callback_url"],
        body=json.dumps(body),
        reference=order["clientOrderID"],
    )
