"""Connected accounts, transfers, reversals, bank payouts."""

from __future__ import annotations

import pytest
import stripe

from tests.sandbox.process import Receiver, Sandbox, until
from tests.sandbox.stripe_words import WEBHOOKS, onboarded, pay, type_of, verified

CONNECT = "STRIPE_CONNECT_WEBHOOK_SECRET"


def test_onboarding_completes_and_is_told_with_the_connect_secret(client, sandbox: Sandbox, handoff: Receiver):
    sandbox.control("PUT", "stripe/onboarding", {"after_s": 0.1})
    account = client.v1.accounts.create(
        {"country": "US", "email": "s@example.com", "capabilities": {"transfers": {"requested": True}}}
    )
    assert (account.charges_enabled, account.requirements.disabled_reason) == (False, "requirements.past_due")
    [told] = handoff.at(WEBHOOKS)
    event = verified(sandbox, told, CONNECT)
    assert (event.type, event.account) == ("account.updated", account.id)
    assert event.data.object["payouts_enabled"]
    assert event.to_dict()["data"]["previous_attributes"]["charges_enabled"] is False
    with pytest.raises(stripe.SignatureVerificationError):
        verified(sandbox, told)
    ready = client.v1.accounts.retrieve(account.id)
    assert (ready.charges_enabled, ready.capabilities.transfers) == (True, "active")


def test_stripe_can_restrict_an_account(client, sandbox: Sandbox, handoff: Receiver):
    account = onboarded(sandbox, client)
    sandbox.control("PUT", f"stripe/accounts/{account.id}", {"payouts_enabled": False})
    events = [verified(sandbox, one, CONNECT) for one in handoff.at(WEBHOOKS, 2)]
    changed = [event for event in events if not event.data.object["payouts_enabled"]]
    assert changed[0].to_dict()["data"]["previous_attributes"] == {"payouts_enabled": True}
    renamed = client.v1.accounts.update(account.id, {"metadata": {"store": "7"}})
    assert renamed.metadata["store"] == "7"


def test_transfers_and_listing_by_group(client, sandbox: Sandbox, handoff: Receiver):
    pay(client, 5000)
    store, rider = onboarded(sandbox, client), onboarded(sandbox, client)
    made = client.v1.transfers.create(
        {
            "amount": 3000,
            "currency": "usd",
            "destination": store.id,
            "transfer_group": "payout-1",
            "metadata": {"payout_id": "1"},
        },
        {"idempotency_key": "payout-1"},
    )
    client.v1.transfers.create({"amount": 1500, "currency": "usd", "destination": rider.id})
    found = client.v1.transfers.list({"transfer_group": "payout-1"}).data
    assert [(transfer.id, transfer.metadata["payout_id"]) for transfer in found] == [(made.id, "1")]
    assert [transfer.amount for transfer in client.v1.transfers.list({"destination": rider.id}).data] == [1500]
    assert client.v1.transfers.retrieve(made.id).destination == store.id
    with pytest.raises(stripe.InvalidRequestError) as poor:
        client.v1.transfers.create({"amount": 501, "currency": "usd", "destination": store.id})
    assert (poor.value.http_status, poor.value.code) == (400, "balance_insufficient")
    balance = client.v1.balance.retrieve({}, {"stripe_account": store.id})
    assert balance.available[0].amount == 3000
    summary = sandbox.control("GET", "stripe/summary")
    assert (summary["transferred"], summary["available"]) == ({"usd": 4500}, {"usd": 500})
    first = summary["transfers"][0]
    assert (first["id"], first["idempotency_key"], first["reversed"]) == (made.id, "payout-1", False)
    until(lambda: sandbox.control("GET", "stripe/summary")["events"]["pending"] == 0, "all events to arrive")
    assert sandbox.control("GET", "stripe/summary")["events"]["failed"] == 0


def test_top_up_ends_a_shortage(client, sandbox: Sandbox, handoff: Receiver):
    account = onboarded(sandbox, client)
    answer = sandbox.control("POST", "stripe/topup", {"amount": 700, "currency": "usd"})
    assert answer == {"available": {"usd": 700}}
    until(lambda: "balance.available" in [type_of(one) for one in handoff.at(WEBHOOKS)], "balance.available")
    assert client.v1.transfers.create({"amount": 700, "currency": "usd", "destination": account.id}).amount == 700


def test_source_transaction_needs_no_balance(client, sandbox: Sandbox):
    intent = pay(client, 5000, transfer_group="order-1")
    client.v1.refunds.create({"payment_intent": intent.id})
    account = onboarded(sandbox, client)
    transfer = client.v1.transfers.create(
        {"amount": 100, "currency": "usd", "destination": account.id, "source_transaction": intent.latest_charge}
    )
    assert transfer.transfer_group == "order-1"


def test_destinations_that_may_not_receive(client, sandbox: Sandbox):
    sandbox.control("POST", "stripe/topup", {"amount": 5000})
    sandbox.control("PUT", "stripe/onboarding", {"outcome": "silent"})
    unready = client.v1.accounts.create({})
    for destination, code in (
        ("acct_nobody", "resource_missing"),
        (unready.id, "insufficient_capabilities_for_transfer"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.transfers.create({"amount": 100, "currency": "usd", "destination": destination})
        assert refused.value.code == code


def test_reversals_in_parts(client, sandbox: Sandbox, handoff: Receiver):
    sandbox.control("POST", "stripe/topup", {"amount": 5000})
    account = onboarded(sandbox, client)
    transfer = client.v1.transfers.create({"amount": 1000, "currency": "usd", "destination": account.id})
    part = client.v1.transfers.reversals.create(transfer.id, {"amount": 400})
    assert (part.amount, part.transfer) == (400, transfer.id)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unreversed"):
        client.v1.transfers.reversals.create(transfer.id, {"amount": 601})
    client.v1.transfers.reversals.create(transfer.id, {})
    after = client.v1.transfers.retrieve(transfer.id)
    assert (after.reversed, after.amount_reversed, len(after.reversals.data)) == (True, 1000, 2)
    assert len(client.v1.transfers.reversals.list(transfer.id).data) == 2
    summary = sandbox.control("GET", "stripe/summary")
    assert (summary["transferred"], summary["reversed"]) == ({"usd": 0}, {"usd": 1000})


def test_reversal_needs_the_money_to_be_there(client, sandbox: Sandbox):
    sandbox.control("POST", "stripe/topup", {"amount": 5000})
    account = onboarded(sandbox, client)
    transfer = client.v1.transfers.create({"amount": 1000, "currency": "usd", "destination": account.id})
    sandbox.control("POST", "stripe/bank_payout", {"account": account.id})
    with pytest.raises(stripe.InvalidRequestError) as gone:
        client.v1.transfers.reversals.create(transfer.id, {})
    assert gone.value.code == "balance_insufficient"


@pytest.mark.parametrize(("outcome", "left"), [("paid", 0), ("failed", 1000)])
def test_bank_payout_of_a_day(client, sandbox: Sandbox, handoff: Receiver, outcome, left):
    sandbox.control("POST", "stripe/topup", {"amount": 5000})
    account = onboarded(sandbox, client)
    client.v1.transfers.create({"amount": 1000, "currency": "usd", "destination": account.id})
    handoff.received.clear()
    sandbox.control("POST", "stripe/bank_payout", {"account": account.id, "outcome": outcome})
    wanted = f"payout.{outcome}"
    [told] = until(lambda: [one for one in handoff.received if type_of(one) == wanted], f"the event {wanted}")
    event = verified(sandbox, told, CONNECT)
    assert (event.account, event.data.object["amount"]) == (account.id, 1000)
    options = {"stripe_account": account.id}
    assert client.v1.balance.retrieve({}, options).available[0].amount == left
    assert [payout.status for payout in client.v1.payouts.list({}, options).data] == [outcome]


def test_manual_payout_arrives_later(client, sandbox: Sandbox):
    sandbox.control("POST", "stripe/topup", {"amount": 5000})
    account = onboarded(sandbox, client)
    client.v1.transfers.create({"amount": 1000, "currency": "usd", "destination": account.id})
    options = {"stripe_account": account.id}
    payout = client.v1.payouts.create({"amount": 600, "currency": "usd"}, options)
    assert payout.status == "in_transit"
    with pytest.raises(stripe.InvalidRequestError) as poor:
        client.v1.payouts.create({"amount": 600, "currency": "usd"}, options)
    assert poor.value.code == "balance_insufficient"
    until(lambda: client.v1.payouts.retrieve(payout.id, {}, options).status == "paid", "the payout to arrive")
