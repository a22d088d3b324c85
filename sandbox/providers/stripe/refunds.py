"""Refunds of platform charges (docs.stripe.com/api/refunds). They do not touch separate transfers: reversing those is
another call (docs.stripe.com/connect/charges-transfers)."""

from __future__ import annotations

from typing import Any

from sandbox.providers.stripe import balance, errors, events, resources
from sandbox.providers.stripe.operation import Call, stripe_operation

REASONS = ("duplicate", "fraudulent", "requested_by_customer")

Refund = dict[str, Any]


@stripe_operation("payment_intent charge amount currency reason metadata instructions_email")
def create_refund(call: Call) -> Refund:
    charge = _charge_of(call)
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount = call.params.get_amount() or left
    reason = call.params.one_of("reason", REASONS)
    if left == 0 and charge["refunded"]:
        raise errors.refused_request(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    if not charge["captured"]:
        raise errors.refused_request(f"Charge {charge['id']} has not been captured.", param="charge")
    if amount > left:
        raise errors.refused_request(
            f"Refund amount ({_format_money(amount)}) is greater than unrefunded amount on charge"
            f" ({_format_money(left)})",
            param="amount",
        )
    refund: Refund = {
        "id": resources.new_id("refund"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": int(call.tx.now),
        "currency": charge["currency"],
        "metadata": call.params.get_metadata(),
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }
    previous = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
    refunded = charge["amount_refunded"] + amount
    charge |= {"amount_refunded": refunded, "refunded": refunded == charge["amount_captured"]}
    resources.save(call.tx, refund)
    resources.save(call.tx, charge)
    balance.book_amount(call.tx, balance.PLATFORM, charge["currency"], "refunded", amount)
    events.emit_event(call.tx, "charge.refunded", charge, previous=previous, call=call)
    events.emit_event(call.tx, "refund.created", refund, call=call)
    return refund


@stripe_operation()
def retrieve_refund(call: Call, object_id: str) -> Refund:
    return resources.fetch_object(call.tx, "refund", object_id)


@stripe_operation(f"{resources.LIST_PARAMS} payment_intent charge")
def list_all(call: Call) -> Refund:
    where = {name: value for name in ("payment_intent", "charge") if (value := call.params.get_text(name))}
    return resources.list_objects(call.tx, "refund", call.params, "/v1/refunds", where)


def _charge_of(call: Call) -> dict[str, Any]:
    if charge_id := call.params.get_text("charge"):
        return resources.fetch_object(call.tx, "charge", charge_id, param="charge", status=400)
    if "payment_intent" not in call.params:
        raise errors.invalid_request(
            "One of the following params should be provided for this request: payment_intent or charge.",
            code="parameter_missing",
        )
    intent = resources.fetch_object(
        call.tx, "payment_intent", call.params.require_text("payment_intent"), param="payment_intent", status=400
    )
    if intent["status"] != "succeeded":
        raise errors.refused_request(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
            code="payment_intent_unexpected_state",
        )
    return resources.fetch_object(call.tx, "charge", intent["latest_charge"])


def _format_money(amount: int) -> str:
    return f"${amount / 100:,.2f}"
