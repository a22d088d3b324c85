"""How events travel: signed, resent, recoverable, and broken on request."""

from __future__ import annotations

import json
import time

import pytest
import stripe

from tests.sandbox.process import Receiver, Sandbox, until
from tests.sandbox.stripe_words import WEBHOOKS, pay, verified


def send(sandbox: Sandbox, event_type: str = "charge.refunded", **more) -> str:
    return sandbox.control("POST", "stripe/events", {"type": event_type, "object": {"id": "ch_1"}, **more})["id"]


def ids(received) -> list[str]:
    return [json.loads(one.body)["id"] for one in received]


def test_any_event_signed_now(sandbox: Sandbox, handoff: Receiver):
    event_id = send(sandbox, account="acct_1")
    [told] = handoff.at(WEBHOOKS)
    event = verified(sandbox, told, "STRIPE_CONNECT_WEBHOOK_SECRET")
    assert (event.id, event.type, event.livemode, event.account) == (event_id, "charge.refunded", False, "acct_1")
    signed_at = int(told.headers["Stripe-Signature"].split(",")[0].removeprefix("t="))
    assert abs(signed_at - time.time()) < 5


def test_resent_with_growing_delay_and_a_fresh_signature(sandbox: Sandbox, handoff: Receiver):
    handoff.answers[:] = [500, 503]
    event_id = send(sandbox)
    tries = handoff.at(WEBHOOKS, 3)
    assert ids(tries) == [event_id] * 3
    first, second, third = (one.at for one in tries)
    assert second - first > 0.9
    assert third - second > 1.8
    assert len({one.headers["Stripe-Signature"] for one in tries}) == 3
    counts = until(
        lambda: (c := sandbox.control("GET", "stripe/summary")["events"])["delivered"] == 1 and c, "delivery"
    )
    assert counts == {"created": 1, "delivered": 1, "failed": 0, "pending": 0}


def test_missed_events_can_be_listed(client, sandbox: Sandbox, handoff: Receiver):
    sandbox.fault("stripe", "webhook", "drop", path="payment_intent.succeeded")
    intent = pay(client)
    handoff.at(WEBHOOKS, 2)
    until(lambda: sandbox.control("GET", "stripe/summary")["events"]["pending"] == 0, "the others to arrive")
    missed = client.v1.events.list({"delivery_success": False}).data
    assert [(event.type, event.data.object["id"]) for event in missed] == [("payment_intent.succeeded", intent.id)]
    assert len(client.v1.events.list({"delivery_success": True}).data) == 2
    assert [event.type for event in client.v1.events.list({"type": "charge.*"}).data] == ["charge.succeeded"]
    assert client.v1.events.retrieve(missed[0].id).id == missed[0].id
    older = client.v1.events.list({"ending_before": missed[0].id}).data
    assert older == []
    assert sandbox.control("GET", "stripe/summary")["events"]["failed"] == 1


def test_duplicate(sandbox: Sandbox, handoff: Receiver):
    sandbox.fault("stripe", "webhook", "duplicate")
    event_id = send(sandbox)
    assert ids(handoff.at(WEBHOOKS, 2)) == [event_id, event_id]


def test_delay(sandbox: Sandbox, handoff: Receiver):
    sandbox.fault("stripe", "webhook", "delay", seconds=0.6, path="charge.")
    late, prompt = send(sandbox), send(sandbox, "refund.created")
    received = handoff.at(WEBHOOKS, 2)
    assert ids(received) == [prompt, late]
    assert received[1].at - received[0].at > 0.4


def test_reorder(sandbox: Sandbox, handoff: Receiver):
    sandbox.fault("stripe", "webhook", "reorder", seconds=5, path="charge.")
    overtaken = send(sandbox)
    until(lambda: sandbox.control("GET", "faults")["faults"][0]["fired"], "the fault to fire")
    started = time.monotonic()
    first = send(sandbox, "refund.created")
    assert ids(handoff.at(WEBHOOKS, 2)) == [first, overtaken]
    assert time.monotonic() - started < 3


def test_wrong_signature_then_right(sandbox: Sandbox, handoff: Receiver):
    sandbox.fault("stripe", "webhook", "wrong_signature")
    handoff.answers[:] = [400]
    event_id = send(sandbox)
    forged, genuine = handoff.at(WEBHOOKS, 2)
    with pytest.raises(stripe.SignatureVerificationError):
        verified(sandbox, forged)
    assert verified(sandbox, genuine).id == event_id


def test_our_answer_is_lost(sandbox: Sandbox, handoff: Receiver):
    sandbox.fault("stripe", "webhook", "lost_answer")
    event_id = send(sandbox)
    assert ids(handoff.at(WEBHOOKS, 2)) == [event_id, event_id]
