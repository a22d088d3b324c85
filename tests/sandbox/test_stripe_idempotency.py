"""Idempotency keys as Stripe documents them; what payouts and refunds lean on."""

from __future__ import annotations

import threading

import pytest
import stripe

from tests.sandbox.process import Sandbox, until
from tests.sandbox.stripe_words import onboarded, pay

PARAMS = {"amount": 1500, "currency": "usd"}


def test_same_key_and_parameters_replay(client, sandbox: Sandbox):
    first = client.v1.payment_intents.create(PARAMS, {"idempotency_key": "k-1"})
    again = client.v1.payment_intents.create(PARAMS, {"idempotency_key": "k-1"})
    assert again.id == first.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert len(client.v1.payment_intents.list().data) == 1


def test_other_parameters_or_endpoint_are_refused(client):
    client.v1.payment_intents.create(PARAMS, {"idempotency_key": "k-1"})
    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        client.v1.payment_intents.create({**PARAMS, "amount": 1501}, {"idempotency_key": "k-1"})
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        client.v1.accounts.create({}, {"idempotency_key": "k-1"})


def test_refused_parameters_leave_the_key_free(client):
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.create({"amount": 1500}, {"idempotency_key": "k-1"})
    assert client.v1.payment_intents.create(PARAMS, {"idempotency_key": "k-1"}).amount == 1500


def test_a_refusal_of_execution_is_remembered(client, sandbox: Sandbox):
    account = onboarded(sandbox, client)
    params = {"amount": 900, "currency": "usd", "destination": account.id}
    replayed = []
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError) as poor:
            client.v1.transfers.create(params, {"idempotency_key": "k-1"})
        assert poor.value.code == "balance_insufficient"
        replayed.append((poor.value.headers or {}).get("Idempotent-Replayed"))
        sandbox.control("POST", "stripe/topup", {"amount": 5000, "currency": "usd"})
    assert replayed == [None, "true"]
    assert client.v1.transfers.create(params, {"idempotency_key": "k-2"}).amount == 900


def test_a_500_is_remembered_unless_it_stood_in_front(client, sandbox: Sandbox):
    sandbox.fault("stripe", "answer", "error_500", path="/v1/payment_intents")
    for _ in range(2):
        with pytest.raises(stripe.APIError) as broken:
            client.v1.payment_intents.create(PARAMS, {"idempotency_key": "k-1"})
        assert broken.value.http_status == 500
    sandbox.fault("stripe", "answer", "error_500", saved=False)
    with pytest.raises(stripe.APIError):
        client.v1.payment_intents.create(PARAMS, {"idempotency_key": "k-2"})
    assert client.v1.payment_intents.create(PARAMS, {"idempotency_key": "k-2"}).amount == 1500


def test_a_key_in_use_is_a_conflict(client, sandbox: Sandbox):
    sandbox.fault("stripe", "answer", "timeout", seconds=1)
    done: list[stripe.PaymentIntent] = []
    slow = threading.Thread(
        target=lambda: done.append(client.v1.payment_intents.create(PARAMS, {"idempotency_key": "k-1"}))
    )
    slow.start()
    until(lambda: sandbox.control("GET", "faults")["faults"][0]["fired"], "the slow request to meet its fault")
    until(lambda: client.v1.payment_intents.list().data, "the slow request to execute")
    with pytest.raises(stripe.APIError) as conflict:
        client.v1.payment_intents.create(PARAMS, {"idempotency_key": "k-1"})
    assert (conflict.value.http_status, conflict.value.error.code) == (409, "idempotency_key_in_use")
    slow.join()
    assert client.v1.payment_intents.create(PARAMS, {"idempotency_key": "k-1"}).id == done[0].id


def test_forgotten_keys_execute_again(client, sandbox: Sandbox):
    first = client.v1.payment_intents.create(PARAMS, {"idempotency_key": "k-1"})
    assert sandbox.control("POST", "stripe/forget_keys") == {"forgotten": 1}
    assert client.v1.payment_intents.create(PARAMS, {"idempotency_key": "k-1"}).id != first.id


def test_lost_answer_then_replay_pays_once(client, sandbox: Sandbox):
    pay(client, 5000)
    account = onboarded(sandbox, client)
    params = {"amount": 900, "currency": "usd", "destination": account.id, "transfer_group": "payout-7"}
    sandbox.fault("stripe", "answer", "lost_answer", path="/v1/transfers")
    with pytest.raises(stripe.APIConnectionError):
        client.v1.transfers.create(params, {"idempotency_key": "payout-7"})
    lost = client.v1.transfers.list({"transfer_group": "payout-7"}).data
    assert len(lost) == 1
    assert client.v1.transfers.create(params, {"idempotency_key": "payout-7"}).id == lost[0].id
    assert sandbox.control("GET", "stripe/summary")["transferred"] == {"usd": 900}
