"""Payouts: a connected account's balance to its bank (docs.stripe.com/api/payouts). Not a transfer.

Created by the account's schedule (the control API plays the day's end) or by a call with Stripe-Account; events carry
the account at top level. A failed one gives the money back and sends payout.failed.
"""

from __future__ import annotations

from typing import Any

from sandbox.engine import runtime
from sandbox.engine.store import Transaction
from sandbox.providers.stripe import balance, errors, events, resources
from sandbox.providers.stripe.operation import Call, operation

ARRIVES_AFTER_S = 2.0
FAILURE = {"failure_code": "account_closed", "failure_message": "The bank account has been closed."}

Payout = dict[str, Any]


@operation("amount currency description metadata method statement_descriptor destination source_type")
def create(call: Call) -> Payout:
    account = call.account or balance.PLATFORM
    amount, currency = call.params.required_amount(), call.params.currency()
    if amount > balance.available(call.tx, account).get(currency, 0):
        raise errors.refused(
            "You have insufficient funds in your Stripe account for this transfer.", code="balance_insufficient"
        )
    payout = start(call.tx, account, amount, currency, automatic=False, metadata=call.params.metadata(), call=call)
    runtime.current().dispatcher.schedule(
        call.tx,
        "stripe",
        "arrive",
        subject=payout["id"],
        payload={"payout": payout["id"], "account": account},
        due_at=call.tx.now + ARRIVES_AFTER_S,
    )
    return payout


@operation()
def retrieve(call: Call, object_id: str) -> Payout:
    return resources.fetch(call.tx, "payout", object_id, param="payout")


@operation(f"{resources.LIST_PARAMS} status")
def list_all(call: Call) -> Payout:
    where: dict[str, Any] = {"stripe_account": call.account or balance.PLATFORM}
    if status := call.params.text("status"):
        where["status"] = status
    return resources.listing(call.tx, "payout", call.params, "/v1/payouts", where)


def start(
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
    balance.book(tx, account, currency, "paid_out", amount)
    events.emit(tx, "payout.created", payout, account=_connected(account), call=call)
    return payout


def finish(tx: Transaction, payout: Payout, *, paid: bool) -> Payout:
    """The bank took it, or sent it back; emits payout.paid or payout.failed."""
    payout |= {"status": "paid"} if paid else {"status": "failed", **FAILURE}
    resources.save(tx, payout)
    account = payout["stripe_account"]
    if not paid:
        balance.book(tx, account, payout["currency"], "bounced", payout["amount"])
    events.emit(tx, "payout.paid" if paid else "payout.failed", payout, account=_connected(account))
    return payout


def arrive(tx: Transaction, payload: dict[str, Any]) -> None:
    payout = tx.get(resources.kind_of("payout"), payload["payout"])
    if payout is not None and payout["status"] == "in_transit":
        finish(tx, payout, paid=True)


def _connected(account: str) -> str | None:
    return None if account == balance.PLATFORM else account
