"""The customer's and Stripe's side of a payment, at the sandbox."""

from typing import Any

import requests
from django.conf import settings

from foundation import stripe
from orders.models import Order


def intent_for(order: Order) -> stripe.PaymentIntent:
    return stripe.create_payment_intent(
        amount_minor=order.total_minor,
        currency=order.currency,
        metadata={"order": order.public_id},
        reference="",
        idempotency_key=f"test-{order.public_id}",
    )


def all_intents() -> list[dict[str, Any]]:
    url = f"{settings.STRIPE_API_BASE}/v1/payment_intents"
    answer = requests.get(url, headers={"Authorization": f"Bearer {settings.STRIPE_SECRET_KEY}"}, timeout=10)
    answer.raise_for_status()
    return answer.json()["data"]


def pay(intent_id: str, *, card: str = "pm_card_visa") -> requests.Response:
    """What the customer's browser does, with our secret key instead of its publishable one."""
    return requests.post(
        f"{settings.STRIPE_API_BASE}/v1/payment_intents/{intent_id}/confirm",
        data={"payment_method": card},
        headers={"Authorization": f"Bearer {settings.STRIPE_SECRET_KEY}"},
        timeout=10,
    )


def charge(order: Order) -> str:
    """A paid PaymentIntent for the order; returns its id."""
    intent = intent_for(order)
    pay(intent.id).raise_for_status()
    return intent.id


def charged_refunds(order: Order) -> list[stripe.StripeRefund]:
    return stripe.list_refunds(order.stripe_payment_intent, reference="")
