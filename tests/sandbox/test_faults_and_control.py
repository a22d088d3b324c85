"""Faults of answers, the call log, reset, the desk, and a restart that forgets nothing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe

from sandbox import keys
from tests.sandbox import process
from tests.sandbox.process import Receiver, Sandbox
from tests.sandbox.stripe_words import WEBHOOKS, verified

PARAMS: Any = {"amount": 1500, "currency": "usd"}


def intents(client: stripe.StripeClient) -> int:
    return len(client.v1.payment_intents.list().data)


def test_error_500_executes_nothing(client, sandbox: Sandbox):
    sandbox.fault("stripe", "answer", "error_500", times=2)
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            client.v1.payment_intents.create(PARAMS)
    assert intents(client) == 0


def test_drop_executes_nothing(client, sandbox: Sandbox):
    sandbox.fault("stripe", "answer", "drop")
    with pytest.raises(stripe.APIConnectionError):
        client.v1.payment_intents.create(PARAMS)
    assert intents(client) == 0


def test_lost_answer_executes(client, sandbox: Sandbox):
    sandbox.fault("stripe", "answer", "lost_answer")
    with pytest.raises(stripe.APIConnectionError):
        client.v1.payment_intents.create(PARAMS)
    assert intents(client) == 1


def test_timeout_executes_and_holds_the_answer(sandbox: Sandbox, client):
    sandbox.fault("stripe", "answer", "timeout", seconds=1.5)
    hasty = stripe.StripeClient(
        sandbox.env["STRIPE_SECRET_KEY"],
        base_addresses={"api": sandbox.env["STRIPE_API_BASE"]},
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=0.5),
    )
    with pytest.raises(stripe.APIConnectionError):
        hasty.v1.payment_intents.create(PARAMS)
    assert intents(client) == 1


def test_delay_waits_then_executes(client, sandbox: Sandbox):
    sandbox.fault("stripe", "answer", "delay", seconds=0.3)
    started = time.monotonic()
    client.v1.payment_intents.create(PARAMS)
    assert time.monotonic() - started > 0.3


def test_path_times_and_share(client, sandbox: Sandbox):
    narrow = sandbox.fault("stripe", "answer", "error_500", path="/v1/refunds", times=1)
    always = sandbox.fault("stripe", "answer", "error_500", path="/stripe/v1/balance", share=1.0)
    assert intents(client) == 0  # another path: untouched
    for _ in range(3):
        with pytest.raises(stripe.APIError):
            client.v1.balance.retrieve()
    fired = {rule["id"]: (rule["fired"], rule["active"]) for rule in sandbox.control("GET", "faults")["faults"]}
    assert fired == {narrow: (0, True), always: (3, True)}
    sandbox.control("DELETE", "faults")
    assert client.v1.balance.retrieve().object == "balance"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"provider": "acme"}, "provider"),
        ({"direction": "up"}, "direction"),
        ({"kind": "duplicate"}, "kind"),
        ({"provider": "petpooja", "direction": "webhook", "kind": "wrong_signature"}, "kind"),
        ({"share": 2}, "share"),
        ({"times": 0}, "times"),
        ({"seconds": "long"}, "seconds"),
        ({"kind": "error_500", "status": 200}, "status"),
    ],
)
def test_senseless_faults_are_named(sandbox: Sandbox, changes, field):
    rule = {"provider": "stripe", "direction": "answer", "kind": "delay", **changes}
    response = requests.post(f"{sandbox.url}/_control/faults", json=rule, timeout=5)
    assert (response.status_code, response.json()["error"]["field"]) == (400, field)


def test_calls_are_kept_without_secrets(client, sandbox: Sandbox):
    client.v1.payment_intents.create({**PARAMS, "metadata": {"order_id": "o-1"}}, {"idempotency_key": "k-1"})
    sandbox.fault("stripe", "answer", "drop")
    with pytest.raises(stripe.APIConnectionError):
        client.v1.balance.retrieve()
    bad = {"app_key": sandbox.env["PETPOOJA_APP_KEY"], "app_secret": sandbox.env["PETPOOJA_APP_SECRET"]}
    requests.post(f"{sandbox.env['PETPOOJA_API_BASE']}/V1/save_order", json=bad, timeout=5)
    answer = sandbox.control("GET", "calls?provider=stripe")
    made, dropped = answer["calls"]
    assert (made["method"], made["path"], made["status"]) == ("POST", "/v1/payment_intents", 200)
    assert "metadata[order_id]=o-1" in made["body"]
    assert '"status": "requires_payment_method"' in made["answer"]
    assert "k-1" in made["headers"]
    assert (dropped["status"], dropped["fault"]) == (None, "drop")
    assert sandbox.control("GET", f"calls?provider=stripe&after={answer['last_id']}")["calls"] == []
    everything = requests.get(f"{sandbox.url}/_control/calls", timeout=5).text
    assert not any(secret in everything for name, secret in keys.load_keys(sandbox.home).items() if "sid" not in name)


def test_desk_shows_the_day_and_breaks_things(client, sandbox: Sandbox, handoff: Receiver):
    intent = client.v1.payment_intents.create({**PARAMS, "metadata": {"note": "<b>bold</b>"}})
    handoff.at(WEBHOOKS)
    page = requests.get(sandbox.url, timeout=5).text
    assert intent.id in page
    assert "payment_intent.created" in page
    assert "<b>bold</b>" not in page
    form = {"provider": "stripe", "what": "answer error_500", "path": "/v1/balance", "times": "2"}
    assert "error_500" in requests.post(f"{sandbox.url}/faults", data=form, timeout=5).text
    assert sandbox.control("GET", "faults")["faults"][0]["times"] == 2
    requests.post(f"{sandbox.url}/faults", data={"clear": "1"}, timeout=5)
    assert not sandbox.control("GET", "faults")["faults"][0]["active"]


def test_unknown_control_calls_and_methods(sandbox: Sandbox):
    assert sandbox.control("GET", "health") == {"ok": True}
    assert requests.get(f"{sandbox.url}/_control/nothing", timeout=5).status_code == 404
    assert requests.post(f"{sandbox.url}/_control/health", timeout=5).status_code == 405
    assert requests.post(f"{sandbox.url}/_control/faults", data="{", timeout=5).status_code == 400


def test_killed_and_started_again_it_continues(tmp_path: Path):
    with process.receiver() as place:
        place.answers[:] = [500]
        first = process.start(tmp_path, place.url)
        first.control("PUT", "petpooja/default", {"outcome": "silent"})
        first.control("POST", "stripe/events", {"type": "charge.refunded", "object": {"id": "ch_1"}})
        place.at(WEBHOOKS, 1)
        first.process.kill()
        first.process.wait()
        assert first.process.stdout is not None
        first.process.stdout.close()
        second = process.start(tmp_path, place.url)
        try:
            assert second.env["STRIPE_SECRET_KEY"] == first.env["STRIPE_SECRET_KEY"]
            again = place.at(WEBHOOKS, 2)[1]
            assert verified(second, again).type == "charge.refunded"
            assert second.control("GET", "petpooja/orders/any")["plan"]["outcome"] == "silent"
            assert (tmp_path / keys.KEYS_FILE).stat().st_mode & 0o077 == 0
        finally:
            second.stop()
