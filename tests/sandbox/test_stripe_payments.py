"""Payments and refunds through Stripe's own SDK."""

from __future__ import annotations

import pytest
import requests
import stripe

from tests.sandbox.process import Receiver, Sandbox
from tests.sandbox.stripe_words import event_types, pay


def test_create_then_confirm_succeeds_and_tells_handoff(client, sandbox: Sandbox, handoff: Receiver):
    intent = client.v1.payment_intents.create({"amount": 1999, "currency": "USD", "metadata": {"order_id": "o-1"}})
    assert (intent.status, intent.currency, intent.livemode) == ("requires_payment_method", "usd", False)
    confirmed = client.v1.payment_intents.confirm(
        intent.id, {"payment_method": "pm_card_visa", "expand": ["latest_charge"]}
    )
    assert (confirmed.status, confirmed.amount_received) == ("succeeded", 1999)
    assert confirmed.latest_charge.paid
    assert confirmed.latest_charge.metadata["order_id"] == "o-1"
    assert client.v1.payment_intents.retrieve(intent.id).metadata["order_id"] == "o-1"
    assert event_types(sandbox, handoff, 3) == [
        "charge.succeeded",
        "payment_intent.created",
        "payment_intent.succeeded",
    ]


def test_customer_confirms_with_the_publishable_key(client, sandbox: Sandbox):
    intent = client.v1.payment_intents.create({"amount": 1999, "currency": "usd"})
    url = f"{sandbox.env['STRIPE_API_BASE']}/v1/payment_intents/{intent.id}"
    form = {"key": sandbox.env["STRIPE_PUBLISHABLE_KEY"], "payment_method": "pm_card_visa"}
    stranger = requests.post(f"{url}/confirm", data=form | {"client_secret": "pi_x_secret_y"}, timeout=5)
    assert stranger.status_code == 404
    paid = requests.post(f"{url}/confirm", data=form | {"client_secret": intent.client_secret}, timeout=5)
    assert paid.json()["status"] == "succeeded"
    read = requests.get(url, params={"client_secret": intent.client_secret}, auth=(form["key"], ""), timeout=5)
    assert read.json()["status"] == "succeeded"
    other = requests.get(url.rpartition("/")[0], auth=(form["key"], ""), timeout=5)
    assert (other.status_code, other.json()["error"]["code"]) == (403, "secret_key_required")


def test_decline_answers_402_and_the_customer_may_try_again(client, sandbox: Sandbox, handoff: Receiver):
    intent = client.v1.payment_intents.create({"amount": 1999, "currency": "usd"})
    with pytest.raises(stripe.CardError) as declined:
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_chargeDeclined"})
    assert (declined.value.http_status, declined.value.code) == (402, "card_declined")
    after = client.v1.payment_intents.retrieve(intent.id)
    assert (after.status, after.last_payment_error.decline_code) == ("requires_payment_method", "generic_decline")
    assert client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}).status == "succeeded"
    assert event_types(sandbox, handoff, 5) == [
        "charge.failed",
        "charge.succeeded",
        "payment_intent.created",
        "payment_intent.payment_failed",
        "payment_intent.succeeded",
    ]
    assert sandbox.control("GET", "stripe/summary")["captured"] == {"usd": 1999}


def test_manual_capture(client, sandbox: Sandbox, handoff: Receiver):
    intent = pay(client, capture_method="manual")
    assert (intent.status, intent.amount_capturable) == ("requires_capture", 2500)
    captured = client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 2000})
    assert (captured.status, captured.amount_received) == ("succeeded", 2000)
    assert sandbox.control("GET", "stripe/summary")["captured"] == {"usd": 2000}


def test_cancel(client, sandbox: Sandbox, handoff: Receiver):
    intent = client.v1.payment_intents.create({"amount": 1999, "currency": "usd"})
    canceled = client.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
    assert "payment_intent.canceled" in event_types(sandbox, handoff, 2)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert refused.value.code == "payment_intent_unexpected_state"


def test_update_before_payment(client):
    intent = client.v1.payment_intents.create({"amount": 1999, "currency": "usd", "metadata": {"a": "1", "b": "2"}})
    changed = client.v1.payment_intents.update(intent.id, {"amount": 1500, "metadata": {"a": "", "c": "3"}})
    assert (changed.amount, changed.metadata.to_dict()) == (1500, {"b": "2", "c": "3"})


def test_partial_and_full_refund(client, sandbox: Sandbox, handoff: Receiver):
    intent = pay(client, 2500)
    first = client.v1.refunds.create({"payment_intent": intent.id, "amount": 500, "metadata": {"refund_id": "r-1"}})
    assert (first.status, first.amount, first.payment_intent) == ("succeeded", 500, intent.id)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 2001})
    rest = client.v1.refunds.create({"payment_intent": intent.id, "reason": "requested_by_customer"})
    assert rest.amount == 2000
    with pytest.raises(stripe.InvalidRequestError) as twice:
        client.v1.refunds.create({"payment_intent": intent.id})
    assert twice.value.code == "charge_already_refunded"
    charge = client.v1.charges.retrieve(intent.latest_charge)
    assert (charge.amount_refunded, charge.refunded) == (2500, True)
    listed = client.v1.refunds.list({"payment_intent": intent.id})
    assert [refund.id for refund in listed.data] == [rest.id, first.id]
    assert client.v1.refunds.retrieve(first.id).metadata["refund_id"] == "r-1"
    types = event_types(sandbox, handoff, 7)
    assert (types.count("charge.refunded"), types.count("refund.created")) == (2, 2)
    assert sandbox.control("GET", "stripe/summary")["refunded"] == {"usd": 2500}


def test_lists_have_pages_and_search_finds_metadata(client):
    made = [pay(client, 1000 + number, metadata={"order_id": f"o-{number}"}) for number in range(5)]
    page = client.v1.payment_intents.list({"limit": 2})
    assert page.has_more
    everything = [intent.id for intent in page.auto_paging_iter()]
    assert everything == [intent.id for intent in reversed(made)]
    newer = client.v1.payment_intents.list({"ending_before": made[2].id, "limit": 10})
    assert [intent.id for intent in newer.data] == [made[4].id, made[3].id]
    found = client.v1.payment_intents.search({"query": "metadata['order_id']:'o-3' AND status:'succeeded'"})
    assert [intent.id for intent in found.data] == [made[3].id]
    since = client.v1.payment_intents.list({"created": {"gte": made[0].created}})
    assert len(since.data) == 5


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"currency": "usd"}, "amount", "parameter_missing"),
        ({"amount": 1000}, "currency", "parameter_missing"),
        ({"amount": "ten", "currency": "usd"}, "amount", "parameter_invalid_integer"),
        ({"amount": 10, "currency": "usd"}, "amount", "amount_too_small"),
        ({"amount": 1000, "currency": "dollars"}, "currency", None),
        ({"amount": 1000, "currency": "usd", "colour": "red"}, "colour", "parameter_unknown"),
        ({"amount": 1000, "currency": "usd", "payment_method": "pm_nobody"}, "payment_method", "resource_missing"),
        ({"amount": 1000, "currency": "usd", "metadata": {"a": "x" * 501}}, "metadata[a]", None),
    ],
)
def test_bad_parameters_are_named(client, params, param, code):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.create(params)
    assert (refused.value.http_status, refused.value.param, refused.value.code) == (400, param, code)


def test_wrong_key_and_unknown_things(client, sandbox: Sandbox):
    stranger = stripe.StripeClient("sk_test_nobody", base_addresses={"api": sandbox.env["STRIPE_API_BASE"]})
    with pytest.raises(stripe.AuthenticationError):
        stranger.v1.payment_intents.list()
    with pytest.raises(stripe.InvalidRequestError) as missing:
        client.v1.payment_intents.retrieve("pi_nobody")
    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        client.v1.customers.list()
