"""Payouts: a connected account's balance to its bank (docs.stripe.com/api/payouts). Not a transfer.

Created by the account's schedule (the control API plays the day's end) or by a call with Stripe-Account; events carry
the account at top level. A failed one gives the money back and sends payout.failed.
"""

from __future__ import annotations

from typing import Any

from sandbox.engine import runtime
from sandbox.engine.store import Transaction
from sandbox.providers.stripe import balance, errors, events, resources
from sandbox.providers.stripe.operation import Call, stripe_operation

ARRIVES_AFTER_S = 2.0
FAILURE = {"failure_code": "account_closed", "failure_message": "The bank account has been closed."}

Payout = dict[str, Any]


@stripe_operation("amount currency description metadata method statement_descriptor destination source_type")
def create_payout(call: Call) -> Payout:
    account = call.account or balance.PLATFORM
    amount, currency = call.params.required_amount(), call.params.get_currency()
    if amount > balance.available_amounts(call.tx, account).get(currency, 0):
        raise errors.refused_request(
            "You have insufficient funds in your Stripe account for this transfer.", code="balance_insufficient"
        )
    payout = start_payout(
        call.tx, account, amount, currency, automatic=False, metadata=call.params.get_metadata(), call=call
    )
    runtime.current_runtime().dispatcher.schedule_action(
        call.tx,
        "stripe",
        "arrive",
        subject=payout["id"],
        payload={"payout": payout["id"], "account": account},
        due_at=call.tx.now + ARRIVES_AFTER_S,
    )
    return payout


@stripe_operation()
def retrieve_payout(call: Call, object_id: str) -> Payout:
    return resources.fetch_object(call.tx, "payout", object_id, param="payout")


@stripe_operation(f"{resources.LIST_PARAMS} status")
def list_all(call: Call) -> Payout:
    where: dict[str, Any] = {"stripe_account": call.account or balance.PLATFORM}
    if status := call.params.get_text("status"):
        where["status"] = status
    return resources.list_objects(call.tx, "payout", call.params, "/v1/payouts", where)


def start_payout(
    tx: Transaction,
    account: str,
    amount: int,
    currency: str,
    *,
    automatic: bool,
    metadata: dict[str, str] | None = None,
    call: Call | None = None,
) -> Payout:
    """Take the money from the account's balance; emits payout.created."""
    payout: Payout = {
        "id": resources.new_id("payout"),
        "object": "payout",
        "amount": amount,
        "arrival_date": int(tx.now + ARRIVES_AFTER_S),
        "automatic": automatic,
        "balance_transaction": None,
        "created": int(tx.now),
        "currency": currency,
        "description": None,
        "destination": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": metadata or {},
        "method": "standard",
        "reconciliation_status": "completed" if automatic else "not_applicable",
        "source_type": "card",
        "status": "in_transit",
        "stripe_account": account,  # the sandbox's own: whose payout this is
        "type": "bank_account",
    }
    resources.save(tx, payout)
    balance.book_amount(tx, account, currency, "paid_out", amount)
    events.emit_event(tx, "payout.created", payout, account=_connected_account(account), call=call)
    return payout


def finish_payout(tx: Transaction, payout: Payout, *, paid: bool) -> Payout:
    """The bank took it, or sent it back; emits payout.paid or payout.failed."""
    payout |= {"status": "paid"} if paid else {"status": "failed", **FAILURE}
    resources.save(tx, payout)
    account = payout["stripe_account"]
    if not paid:
        balance.book_amount(tx, account, payout["currency"], "bounced", payout["amount"])
    events.emit_event(tx, "payout.paid" if paid else "payout.failed", payout, account=_connected_account(account))
    return payout


def finish_due_payout(tx: Transaction, payload: dict[str, Any]) -> None:
    payout = tx.get(resources.kind_of("payout"), payload["payout"])
    if payout is not None and payout["status"] == "in_transit":
        finish_payout(tx, payout, paid=True)


def _connected_account(account: str) -> str | None:
    return None if account == balance.PLATFORM else account
