"""Charges: one try to take money for a PaymentIntent (docs.stripe.com/api/charges)."""

from __future__ import annotations

from typing import Any

from sandbox.providers.stripe import events, resources
from sandbox.providers.stripe.operation import Call, stripe_operation
from sandbox.providers.stripe.payment_methods import Decline

Charge = dict[str, Any]


def create_charge(call: Call, intent: dict[str, Any], decline: Decline | None, *, captured: bool) -> Charge:
    """Recorded whether it succeeds or not; emits charge.succeeded or charge.failed."""
    amount = intent["amount"]
    charge: Charge = {
        "id": resources.new_id("charge"),
        "object": "charge",
        "amount": amount,
        "amount_captured": amount if captured and not decline else 0,
        "amount_refunded": 0,
        "balance_transaction": None,
        "billing_details": {"address": None, "email": intent["receipt_email"], "name": None, "phone": None},
        "captured": captured and not decline,
        "created": int(call.tx.now),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
        "livemode": False,
        "metadata": intent["metadata"],
        "outcome": {
            "network_status": "declined_by_network" if decline else "approved_by_network",
            "reason": decline.decline_code if decline else None,
            "risk_level": "normal",
            "type": "issuer_declined" if decline else "authorized",
        },
        "paid": decline is None,
        "payment_intent": intent["id"],
        "payment_method": intent["payment_method"],
        "refunded": False,
        "status": "failed" if decline else "succeeded",
        "transfer_group": intent["transfer_group"],
    }
    resources.save(call.tx, charge)
    events.emit_event(call.tx, "charge.failed" if decline else "charge.succeeded", charge, call=call)
    return charge


def capture_charge(call: Call, charge_id: str, amount: int) -> None:
    charge = resources.fetch_object(call.tx, "charge", charge_id)
    charge |= {"captured": True, "amount_captured": amount}
    resources.save(call.tx, charge)
    events.emit_event(call.tx, "charge.captured", charge, call=call)


@stripe_operation()
def retrieve_charge(call: Call, object_id: str) -> Charge:
    return resources.fetch_object(call.tx, "charge", object_id, param="charge")


@stripe_operation(f"{resources.LIST_PARAMS} payment_intent transfer_group")
def list_all(call: Call) -> Charge:
    where = {name: value for name in ("payment_intent", "transfer_group") if (value := call.params.get_text(name))}
    return resources.list_objects(call.tx, "charge", call.params, "/v1/charges", where)
