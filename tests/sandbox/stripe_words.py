"""Short words for what the Stripe tests do over and over."""

from __future__ import annotations

import json
from typing import Any

import stripe

from tests.sandbox.process import Received, Receiver, Sandbox, until

WEBHOOKS = "/webhooks/stripe"


def pay(client: stripe.StripeClient, amount: int = 2500, **more: Any) -> stripe.PaymentIntent:
    """A succeeded payment."""
    params: Any = {"amount": amount, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True, **more}
    return client.v1.payment_intents.create(params)


def onboarded(sandbox: Sandbox, client: stripe.StripeClient) -> stripe.Account:
    """A connected account that may receive transfers."""
    sandbox.control("PUT", "stripe/onboarding", {"after_s": 0})
    account = client.v1.accounts.create({"type": "express", "email": "store@example.com"})
    until(lambda: client.v1.accounts.retrieve(account.id).payouts_enabled, "onboarding")
    return client.v1.accounts.retrieve(account.id)


def verified(sandbox: Sandbox, one: Received, secret: str = "STRIPE_WEBHOOK_SECRET") -> stripe.Event:
    return stripe.Webhook.construct_event(one.body, one.headers["Stripe-Signature"], sandbox.env[secret])


def type_of(one: Received) -> str:
    return json.loads(one.body)["type"]


def event_types(sandbox: Sandbox, handoff: Receiver, count: int) -> list[str]:
    """The sorted types of the events that arrived, each verified, once there are `count`."""
    return sorted(verified(sandbox, one).type for one in handoff.at(WEBHOOKS, count))
