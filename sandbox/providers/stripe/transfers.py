"""Transfers: platform balance to connected balance (docs.stripe.com/connect/separate-charges-and-transfers).

Refused with balance_insufficient where the platform has too little, unless source_transaction names a charge. There is
no transfer.paid and no transfer.failed: a transfer happens at once or not at all. Reversals take money back, as far as
the transfer is not yet reversed and the destination still has it.
"""

from __future__ import annotations

from typing import Any

from sandbox.providers.stripe import accounts, balance, errors, events, resources
from sandbox.providers.stripe.operation import Call, stripe_operation

Transfer = dict[str, Any]


@stripe_operation("amount currency destination description metadata source_transaction source_type transfer_group")
def create_transfer(call: Call) -> Transfer:
    tx, params = call.tx, call.params
    amount, currency = params.required_amount(), params.get_currency()
    destination = accounts.with_transfers(tx, params.require_text("destination"))
    source, group = params.get_text("source_transaction"), params.get_text("transfer_group")
    if source:
        charge = resources.fetch_object(tx, "charge", source, param="source_transaction", status=400)
        group = group or charge["transfer_group"]
    elif amount > balance.available_amounts(tx, balance.PLATFORM).get(currency, 0):
        raise errors.refused_request(
            "You have insufficient available funds in your Stripe account.", code="balance_insufficient"
        )
    transfer_id = resources.new_id("transfer")
    transfer: Transfer = {
        "id": transfer_id,
        "object": "transfer",
        "amount": amount,
        "amount_reversed": 0,
        "balance_transaction": None,
        "created": int(tx.now),
        "currency": currency,
        "description": params.get_text("description"),
        "destination": destination["id"],
        "destination_payment": f"py_{transfer_id[3:]}",
        "livemode": False,
        "metadata": params.get_metadata(),
        "reversals": {"object": "list", "data": [], "has_more": False, "url": f"/v1/transfers/{transfer_id}/reversals"},
        "reversed": False,
        "source_transaction": source,
        "source_type": "card",
        "transfer_group": group,
    }
    resources.save(tx, transfer)
    tx.put("stripe.transfer_key", transfer_id, {"idempotency_key": call.key})
    balance.book_amount(tx, balance.PLATFORM, currency, "transferred", amount)
    balance.book_amount(tx, destination["id"], currency, "received", amount)
    events.emit_event(tx, "transfer.created", transfer, call=call)
    return transfer


@stripe_operation()
def retrieve_transfer(call: Call, object_id: str) -> Transfer:
    return resources.fetch_object(call.tx, "transfer", object_id, param="transfer")


@stripe_operation("description metadata")
def update_transfer(call: Call, object_id: str) -> Transfer:
    transfer = resources.fetch_object(call.tx, "transfer", object_id, param="transfer")
    transfer["metadata"] = call.params.get_metadata(transfer["metadata"])
    if "description" in call.params:
        transfer["description"] = call.params.get_text("description")
    resources.save(call.tx, transfer)
    events.emit_event(call.tx, "transfer.updated", transfer, call=call)
    return transfer


@stripe_operation(f"{resources.LIST_PARAMS} destination transfer_group")
def list_all(call: Call) -> Transfer:
    where = {name: value for name in ("transfer_group", "destination") if (value := call.params.get_text(name))}
    return resources.list_objects(call.tx, "transfer", call.params, "/v1/transfers", where)


@stripe_operation("amount description metadata refund_application_fee")
def reverse_transfer(call: Call, object_id: str) -> Transfer:
    """All that is left of the transfer unless `amount` says less."""
    tx = call.tx
    transfer = resources.fetch_object(tx, "transfer", object_id, param="transfer")
    left = transfer["amount"] - transfer["amount_reversed"]
    amount = call.params.get_amount() or left
    if left == 0:
        raise errors.refused_request(
            f"Transfer {object_id} has already been fully reversed.", code="transfer_already_reversed"
        )
    if amount > left:
        raise errors.refused_request("Reversal amount is greater than unreversed amount on transfer.", param="amount")
    if amount > balance.available_amounts(tx, transfer["destination"]).get(transfer["currency"], 0):
        raise errors.refused_request("The destination account has too little balance.", code="balance_insufficient")
    reversal: Transfer = {
        "id": resources.new_id("transfer_reversal"),
        "object": "transfer_reversal",
        "amount": amount,
        "balance_transaction": None,
        "created": int(tx.now),
        "currency": transfer["currency"],
        "metadata": call.params.get_metadata(),
        "source_refund": None,
        "transfer": object_id,
    }
    resources.save(tx, reversal)
    previous = {"amount_reversed": transfer["amount_reversed"], "reversed": transfer["reversed"]}
    transfer["amount_reversed"] += amount
    transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
    transfer["reversals"]["data"].insert(0, reversal)
    resources.save(tx, transfer)
    balance.book_amount(tx, balance.PLATFORM, transfer["currency"], "reversed", amount)
    balance.book_amount(tx, transfer["destination"], transfer["currency"], "returned", amount)
    events.emit_event(tx, "transfer.reversed", transfer, previous=previous, call=call)
    return reversal


@stripe_operation(resources.LIST_PARAMS)
def list_reversals(call: Call, object_id: str) -> Transfer:
    resources.fetch_object(call.tx, "transfer", object_id, param="transfer")
    url = f"/v1/transfers/{object_id}/reversals"
    return resources.list_objects(call.tx, "transfer_reversal", call.params, url, {"transfer": object_id})
