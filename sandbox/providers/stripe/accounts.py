"""Connected accounts (docs.stripe.com/api/accounts): created unverified; onboarding completes by itself after a delay
that the control API sets, and sends account.updated as a connected account's event."""

from __future__ import annotations

from typing import Any

from sandbox.engine import runtime
from sandbox.engine.store import Transaction
from sandbox.providers.stripe import errors, events, resources
from sandbox.providers.stripe.operation import Call, stripe_operation

ONBOARDING = ("stripe.setting", "onboarding")
DEFAULT_ONBOARDING: dict[str, Any] = {"after_s": 2.0, "outcome": "complete"}
OUTCOMES = ("complete", "restricted", "silent")
WRITABLE = "business_profile business_type capabilities company email external_account individual metadata settings"
CREATE = f"{WRITABLE} type country controller default_currency tos_acceptance"
FIRST_REQUIREMENTS = ["external_account", "tos_acceptance.date", "tos_acceptance.ip"]

Account = dict[str, Any]


@stripe_operation(CREATE)
def create_account(call: Call) -> Account:
    params = call.params
    account: Account = {
        "id": resources.new_id("account"),
        "object": "account",
        "business_profile": params.get_mapping("business_profile"),
        "business_type": params.get_text("business_type"),
        "capabilities": dict.fromkeys(("card_payments", "transfers", *params.get_mapping("capabilities")), "inactive"),
        "charges_enabled": False,
        "controller": params.get_mapping("controller"),
        "country": params.get_text("country", "US"),
        "created": int(call.tx.now),
        "default_currency": (params.get_text("default_currency") or "usd").lower(),
        "details_submitted": False,
        "email": params.get_text("email"),
        "external_accounts": {"object": "list", "data": [], "has_more": False, "url": ""},
        "metadata": params.get_metadata(),
        "payouts_enabled": False,
        "requirements": _requirements_body(FIRST_REQUIREMENTS, "requirements.past_due"),
        "settings": params.get_mapping("settings"),
        "type": params.one_of("type", ("custom", "express", "standard"), "express"),
    }
    resources.save(call.tx, account)
    plan = call.tx.get(*ONBOARDING) or DEFAULT_ONBOARDING
    if plan["outcome"] != "silent":
        runtime.current_runtime().dispatcher.schedule_action(
            call.tx,
            "stripe",
            "onboard",
            subject=account["id"],
            payload={"account": account["id"], "outcome": plan["outcome"]},
            due_at=call.tx.now + plan["after_s"],
        )
    return account


@stripe_operation()
def retrieve_account(call: Call, object_id: str) -> Account:
    return resources.fetch_object(call.tx, "account", object_id, param="account")


@stripe_operation(WRITABLE)
def update_account(call: Call, object_id: str) -> Account:
    account = resources.fetch_object(call.tx, "account", object_id, param="account")
    for name in ("business_type", "email"):
        if name in call.params:
            account[name] = call.params.get_text(name)
    for name in ("business_profile", "settings"):
        account[name] = {**account[name], **call.params.get_mapping(name)}
    account["metadata"] = call.params.get_metadata(account["metadata"])
    resources.save(call.tx, account)
    events.emit_event(call.tx, "account.updated", account, account=object_id, call=call)
    return account


@stripe_operation(resources.LIST_PARAMS)
def list_all(call: Call) -> Account:
    return resources.list_objects(call.tx, "account", call.params, "/v1/accounts", {})


def finish_onboarding(tx: Transaction, payload: dict[str, Any]) -> None:
    """The action that ends onboarding: `complete` may do all, `restricted` still owes a document."""
    account = tx.get(resources.kind_of("account"), payload["account"])
    if account is None:
        return
    complete = payload["outcome"] == "complete"
    owed = [] if complete else ["individual.verification.document"]
    change_account(
        tx,
        account,
        {
            "charges_enabled": complete,
            "payouts_enabled": complete,
            "details_submitted": True,
            "capabilities": dict.fromkeys(account["capabilities"], "active" if complete else "pending"),
            "requirements": _requirements_body(owed, None if complete else "requirements.past_due"),
        },
    )


def change_account(tx: Transaction, account: Account, fields: dict[str, Any]) -> Account:
    """Change an account from Stripe's side and tell the platform, with what was there before."""
    previous = {name: account.get(name) for name, value in fields.items() if account.get(name) != value}
    account |= fields
    resources.save(tx, account)
    events.emit_event(tx, "account.updated", account, account=account["id"], previous=previous)
    return account


def with_transfers(tx: Transaction, account_id: str) -> Account:
    """A destination that may receive transfers; refused as Stripe does where it may not."""
    account = resources.fetch_object(tx, "account", account_id, param="destination", status=400)
    if account["capabilities"].get("transfers") != "active":
        raise errors.refused_request(
            "Your destination account needs to have at least one of the following capabilities enabled: transfers,"
            " crypto_transfers, legacy_payments",
            code="insufficient_capabilities_for_transfer",
        )
    return account


def _requirements_body(due: list[str], disabled_reason: str | None) -> dict[str, Any]:
    return {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": due,
        "disabled_reason": disabled_reason,
        "errors": [],
        "eventually_due": due,
        "past_due": due,
        "pending_verification": [],
    }
