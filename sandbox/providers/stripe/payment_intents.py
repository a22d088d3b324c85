"""PaymentIntents: create, retrieve, update, confirm, capture, cancel, list, search.

The life cycle is docs.stripe.com/payments/paymentintents/lifecycle: requires_payment_method, requires_confirmation,
requires_capture (manual capture), succeeded, canceled. A decline answers 402, sends payment_intent.payment_failed and
goes back to requires_payment_method, so that the customer may try another card.
"""

from __future__ import annotations

import hmac
import re
import secrets
from typing import Any

from sandbox.providers.stripe import balance, charges, errors, events, resources
from sandbox.providers.stripe.operation import Call, stripe_operation
from sandbox.providers.stripe.payment_methods import OUTCOMES

CREATE = (
    "amount currency automatic_payment_methods capture_method confirm confirmation_method customer description"
    " metadata off_session payment_method payment_method_types receipt_email return_url setup_future_usage shipping"
    " statement_descriptor statement_descriptor_suffix transfer_group use_stripe_sdk"
)
UPDATE = "amount currency customer description metadata payment_method receipt_email shipping transfer_group"
CONFIRM = "payment_method return_url off_session receipt_email use_stripe_sdk client_secret"
CANCEL_REASONS = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")
SMALLEST_AMOUNT = 50  # docs.stripe.com/currencies: 0.50 usd; close enough for the others
CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = (*CONFIRMABLE, "requires_capture")
SEARCHABLE = ("status", "currency", "amount", "customer", "created")

Intent = dict[str, Any]


@stripe_operation(CREATE)
def create_intent(call: Call) -> Intent:
    params = call.params
    amount = params.required_amount()
    if amount < SMALLEST_AMOUNT:
        raise errors.invalid_request("Amount must be at least $0.50 usd", param="amount", code="amount_too_small")
    intent_id = resources.new_id("payment_intent")
    method = _known_method(params.get_text("payment_method"))
    intent: Intent = {
        "id": intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "automatic_payment_methods": {"enabled": True} if "automatic_payment_methods" in params else None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": params.one_of("capture_method", ("automatic", "automatic_async", "manual"), "automatic"),
        "client_secret": f"{intent_id}_secret_{secrets.token_hex(12)}",
        "confirmation_method": "automatic",
        "created": int(call.tx.now),
        "currency": params.get_currency(),
        "customer": params.get_text("customer"),
        "description": params.get_text("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": params.get_metadata(),
        "next_action": None,
        "payment_method": method,
        "payment_method_types": params.get_names("payment_method_types") or ["card"],
        "receipt_email": params.get_text("receipt_email"),
        "shipping": params.get_mapping("shipping") or None,
        "status": "requires_confirmation" if method else "requires_payment_method",
        "transfer_data": None,
        "transfer_group": params.get_text("transfer_group"),
    }
    confirm_now = params.get_flag("confirm")
    if confirm_now and method is None:
        raise _no_method()
    resources.save(call.tx, intent)
    events.emit_event(call.tx, "payment_intent.created", intent, call=call)
    return _charge_card(call, intent) if confirm_now else intent


@stripe_operation("client_secret", publishable=True)
def retrieve_intent(call: Call, object_id: str) -> Intent:
    return _open_intent(call, object_id)


@stripe_operation(UPDATE)
def update_intent(call: Call, object_id: str) -> Intent:
    intent, params = _open_intent(call, object_id), call.params
    if intent["status"] not in CONFIRMABLE and set(params.values) - {"metadata", "description", "expand"}:
        raise _unexpected_state(intent, "updated")
    if method := _known_method(params.get_text("payment_method")):
        intent |= {"payment_method": method, "status": "requires_confirmation"}
    for name in ("description", "customer", "receipt_email", "transfer_group"):
        if name in params:
            intent[name] = params.get_text(name)
    intent["amount"] = params.get_amount() or intent["amount"]
    intent["metadata"] = params.get_metadata(intent["metadata"])
    return resources.save(call.tx, intent)


@stripe_operation(CONFIRM, publishable=True)
def confirm_intent(call: Call, object_id: str) -> Intent:
    """Also what Stripe.js does in the customer's browser: publishable key and client_secret."""
    intent = _open_intent(call, object_id)
    method = _known_method(call.params.get_text("payment_method")) or intent["payment_method"]
    if intent["status"] not in CONFIRMABLE:
        raise _unexpected_state(intent, "confirmed")
    if method is None:
        raise _no_method()
    intent["payment_method"] = method
    return _charge_card(call, intent)


@stripe_operation("amount_to_capture")
def capture_intent(call: Call, object_id: str) -> Intent:
    intent = _open_intent(call, object_id)
    if intent["status"] != "requires_capture":
        raise _unexpected_state(intent, "captured")
    amount = call.params.get_amount("amount_to_capture") or intent["amount"]
    if amount > intent["amount"]:
        raise errors.invalid_request("amount_to_capture is above the authorized amount", param="amount_to_capture")
    charges.capture_charge(call, intent["latest_charge"], amount)
    return _succeed_intent(call, intent, amount)


@stripe_operation("cancellation_reason")
def cancel_intent(call: Call, object_id: str) -> Intent:
    intent = _open_intent(call, object_id)
    if intent["status"] not in CANCELABLE:
        raise _unexpected_state(intent, "canceled")
    intent |= {
        "status": "canceled",
        "canceled_at": int(call.tx.now),
        "cancellation_reason": call.params.one_of("cancellation_reason", CANCEL_REASONS),
        "amount_capturable": 0,
    }
    resources.save(call.tx, intent)
    events.emit_event(call.tx, "payment_intent.canceled", intent, call=call)
    return intent


@stripe_operation(f"{resources.LIST_PARAMS} customer")
def list_all(call: Call) -> Intent:
    customer = call.params.get_text("customer")
    return resources.list_objects(
        call.tx, "payment_intent", call.params, "/v1/payment_intents", {"customer": customer} if customer else {}
    )


@stripe_operation("query limit page")
def search_intents(call: Call) -> Intent:
    """`metadata['order_id']:'7' AND status:'succeeded'` (docs.stripe.com/search): equality joined by AND, one page."""
    query = call.params.require_text("query")
    clauses: list[tuple[str, Any]] = []
    for part in re.split(r"\s+AND\s+", query.strip()):
        found = re.fullmatch(r"""(\w+)(?:\[["']([\w.-]+)["']\])?\s*:\s*["']?([^"']*)["']?""", part)
        if found is None or (found[1] == "metadata") != (found[2] is not None):
            raise errors.invalid_request(f"We were unable to parse your search query: {part}", param="query")
        if found[1] != "metadata" and found[1] not in SEARCHABLE:
            raise errors.invalid_request(f"Field {found[1]} is an unsupported search field", param="query")
        field = f'metadata."{found[2]}"' if found[2] else found[1]
        clauses.append((f"CAST(json_extract(body, '$.{field}') AS TEXT) = ?", found[3]))
    limit = min(call.params.get_integer("limit", 10) or 10, 100)
    data = call.tx.find_documents(resources.kind_of("payment_intent"), clauses=clauses, limit=limit)
    url = "/v1/payment_intents/search"
    return {"object": "search_result", "url": url, "has_more": False, "next_page": None, "data": data}


def _charge_card(call: Call, intent: Intent) -> Intent:
    """Charge the card: succeeded, authorized for later capture, or declined (402)."""
    decline = OUTCOMES[intent["payment_method"]]
    manual = intent["capture_method"] == "manual"
    charge = charges.create_charge(call, intent, decline, captured=not manual)
    intent["latest_charge"] = charge["id"]
    if decline:
        error = errors.declined_card(
            decline.message,
            code=decline.code,
            decline_code=decline.decline_code,
            charge=charge["id"],
            intent=intent,
        )
        last_error = {name: value for name, value in error.body["error"].items() if name != "payment_intent"}
        intent |= {"status": "requires_payment_method", "payment_method": None, "last_payment_error": last_error}
        resources.save(call.tx, intent)
        events.emit_event(call.tx, "payment_intent.payment_failed", intent, call=call)
        raise error
    intent["last_payment_error"] = None
    if manual:
        intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        resources.save(call.tx, intent)
        events.emit_event(call.tx, "payment_intent.amount_capturable_updated", intent, call=call)
        return intent
    return _succeed_intent(call, intent, intent["amount"])


def _succeed_intent(call: Call, intent: Intent, amount: int) -> Intent:
    intent |= {"status": "succeeded", "amount_received": amount, "amount_capturable": 0}
    resources.save(call.tx, intent)
    balance.book_amount(call.tx, balance.PLATFORM, intent["currency"], "captured", amount)
    events.emit_event(call.tx, "payment_intent.succeeded", intent, call=call)
    return intent


def _open_intent(call: Call, object_id: str) -> Intent:
    """The intent; a browser must show its client_secret."""
    intent = resources.fetch_object(call.tx, "payment_intent", object_id, param="intent")
    if call.publishable:
        shown = call.params.require_text("client_secret")
        if not hmac.compare_digest(shown.encode(), intent["client_secret"].encode()):
            raise errors.missing_resource("payment_intent", object_id, param="intent")
    return intent


def _known_method(name: str | None) -> str | None:
    if name is not None and name not in OUTCOMES:
        raise errors.missing_resource("PaymentMethod", name, param="payment_method", status=400)
    return name


def _no_method() -> errors.StripeError:
    return errors.refused_request(
        "You cannot confirm this PaymentIntent because it's missing a payment method.",
        code="payment_intent_unexpected_state",
    )


def _unexpected_state(intent: Intent, what: str) -> errors.StripeError:
    return errors.refused_request(
        f"This PaymentIntent could not be {what} because it has a status of {intent['status']}.",
        code="payment_intent_unexpected_state",
        payment_intent=intent,
    )
