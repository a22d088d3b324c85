"""Stripe's part of the control API, at /_control/stripe/: what in life only Stripe or a bank can do."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from sandbox.engine import runtime
from sandbox.engine.control import body_of, control_view
from sandbox.engine.http import BadRequest, parse_number
from sandbox.engine.provider import Route
from sandbox.engine.store import Transaction
from sandbox.providers.stripe import accounts, balance, events, idempotency, payouts, resources

CHANGEABLE = ("charges_enabled", "payouts_enabled", "details_submitted", "capabilities", "requirements", "metadata")


@control_view
def show_summary(request: HttpRequest) -> dict[str, Any]:
    """Sums in minor units by currency; `transferred` is net of reversals; `refunded_for` by the reference that was
    given with a refund, as far as its first colon. Transfers oldest first."""
    with runtime.current_runtime().store.transaction() as tx:
        kinds = ("captured", "refunded", "transferred", "reversed", "topped_up")
        sums = {kind: balance.sum_by_currency(tx, balance.PLATFORM, kind) for kind in kinds}
        for currency, amount in sums["reversed"].items():
            sums["transferred"][currency] -= amount
        return {
            **sums,
            "refunded_for": _refunds_by_reference(tx),
            "available": balance.available_amounts(tx, balance.PLATFORM),
            "transfers": [_transfer_shown(tx, transfer) for transfer in _all_transfers(tx)],
            "events": event_counts(tx),
        }


def _refunds_by_reference(tx: Transaction) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for refund in tx.find_documents(resources.kind_of("refund"), newest_first=False, limit=-1):
        sums = found.setdefault(str(refund["metadata"].get("reference", "")).partition(":")[0], {})
        sums[refund["currency"]] = sums.get(refund["currency"], 0) + refund["amount"]
    return found


def event_counts(tx: Transaction) -> dict[str, int]:
    """`failed` are those that Stripe has given up on, `pending` wait for their first or next try."""
    rows = tx.sql.execute("SELECT state, count(*) AS n FROM webhooks WHERE provider = 'stripe' GROUP BY state")
    by_state = {row["state"]: row["n"] for row in rows}
    return {
        "created": sum(by_state.values()),
        "delivered": by_state.get("delivered", 0),
        "failed": by_state.get("failed", 0) + by_state.get("dropped", 0),
        "pending": by_state.get("pending", 0),
    }


def _all_transfers(tx: Transaction) -> list[dict[str, Any]]:
    return tx.find_documents(resources.kind_of("transfer"), newest_first=False, limit=-1)


def _transfer_shown(tx: Transaction, transfer: dict[str, Any]) -> dict[str, Any]:
    shown = ("id", "amount", "currency", "destination", "transfer_group", "metadata", "reversed", "amount_reversed")
    key = tx.get("stripe.transfer_key", transfer["id"]) or {"idempotency_key": None}
    return {name: transfer[name] for name in shown} | key


@control_view
def top_up_balance(request: HttpRequest) -> dict[str, Any]:
    """{"amount", "currency"}: money from the platform's bank; emits balance.available."""
    body = body_of(request)
    amount, currency = int(parse_number(body, "amount", 0)), str(body.get("currency", "usd")).lower()
    if amount < 1:
        raise BadRequest("amount", "must be a positive number of minor units")
    with runtime.current_runtime().store.transaction() as tx:
        balance.book_amount(tx, balance.PLATFORM, currency, "topped_up", amount)
        available = balance.available_amounts(tx, balance.PLATFORM)
        events.emit_event(tx, "balance.available", balance.as_object(available))
    return {"available": available}


@control_view
def bank_payout(request: HttpRequest) -> dict[str, Any]:
    """{"account", "outcome": "paid|failed"}: the day's automatic payout of all the account's balances."""
    body = body_of(request)
    outcome = body.get("outcome", "paid")
    if outcome not in ("paid", "failed"):
        raise BadRequest("outcome", "paid or failed")
    with runtime.current_runtime().store.transaction() as tx:
        account = _load_account(tx, body)
        done = []
        for currency, amount in sorted(balance.available_amounts(tx, account["id"]).items()):
            if amount > 0:
                payout = payouts.start_payout(tx, account["id"], amount, currency, automatic=True)
                done.append(payouts.finish_payout(tx, payout, paid=outcome == "paid"))
    return {"payouts": done}


@control_view
def send_event(request: HttpRequest) -> dict[str, Any]:
    """{"type", "object", "account": null}: any event, signed and sent as the others."""
    body = body_of(request)
    event_type, obj, account = body.get("type"), body.get("object"), body.get("account")
    if not isinstance(event_type, str) or "." not in event_type:
        raise BadRequest("type", "an event type such as charge.refunded")
    if not isinstance(obj, dict):
        raise BadRequest("object", "must be a JSON object")
    with runtime.current_runtime().store.transaction() as tx:
        return {"id": events.emit_event(tx, event_type, obj, account=account)["id"]}


@control_view
def forget_keys(request: HttpRequest) -> dict[str, Any]:
    """As if 24 hours had passed."""
    with runtime.current_runtime().store.transaction() as tx:
        return {"forgotten": idempotency.forget_all(tx)}


@control_view
def set_onboarding(request: HttpRequest) -> dict[str, Any]:
    """{"after_s": 2.0, "outcome": "complete|restricted|silent"}: for the accounts created from now on."""
    body = body_of(request)
    plan = {
        "after_s": parse_number(body, "after_s", accounts.DEFAULT_ONBOARDING["after_s"]),
        "outcome": body.get("outcome", "complete"),
    }
    if plan["outcome"] not in accounts.OUTCOMES:
        raise BadRequest("outcome", f"one of {', '.join(accounts.OUTCOMES)}")
    with runtime.current_runtime().store.transaction() as tx:
        tx.put(*accounts.ONBOARDING, plan)
    return plan


@control_view
def change_account(request: HttpRequest, object_id: str) -> dict[str, Any]:
    """Fields such as {"payouts_enabled": false}: Stripe changes its mind and sends account.updated."""
    body = body_of(request)
    for name in body:
        if name not in CHANGEABLE:
            raise BadRequest(name, f"one of {', '.join(CHANGEABLE)}")
    with runtime.current_runtime().store.transaction() as tx:
        return accounts.change_account(tx, _load_account(tx, {"account": object_id}), body)


def _load_account(tx: Transaction, body: dict[str, Any]) -> dict[str, Any]:
    account = tx.get(resources.kind_of("account"), str(body.get("account")))
    if account is None:
        raise BadRequest("account", "no such account")
    return account


ROUTES = (
    Route("GET", "summary", show_summary),
    Route("POST", "topup", top_up_balance),
    Route("POST", "bank_payout", bank_payout),
    Route("POST", "events", send_event),
    Route("POST", "forget_keys", forget_keys),
    Route("PUT", "onboarding", set_onboarding),
    Route("PUT", "accounts/<str:object_id>", change_account),
)
