"""System checks of the webhook endpoint: providers that are not let in are said so, secrets that prove nothing are
refused (S5)."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Info, register

from webhooks import stripe

VARIABLES = {stripe.PLATFORM: "STRIPE_WEBHOOK_SECRET", stripe.CONNECT: "STRIPE_CONNECT_WEBHOOK_SECRET"}


@register()
def check_missing_secrets(**_: Any) -> list[CheckMessage]:
    return [
        Info(
            f"Stripe's {endpoint} events are refused: {VARIABLES[endpoint]} is not set",
            hint="Set the signing secret that Stripe shows for the endpoint /webhooks/stripe.",
            id=f"webhooks.provider.stripe_{endpoint}",
        )
        for endpoint, secrets in stripe.live_secrets().items()
        if not secrets
    ]


@register()
def check_payment_events(**_: Any) -> list[CheckMessage]:
    if not settings.STRIPE_SECRET_KEY or settings.STRIPE_WEBHOOK_SECRETS:
        return []
    return [
        checks.Warning(
            "Stripe takes payments, but its events are refused: no order would ever be paid",
            hint="Set STRIPE_WEBHOOK_SECRET.",
            id="webhooks.W001",
        )
    ]


@register()
def check_distinct_secrets(**_: Any) -> list[CheckMessage]:
    secrets = stripe.live_secrets()
    if not set(secrets[stripe.PLATFORM]) & set(secrets[stripe.CONNECT]):
        return []
    return [
        Error(
            "STRIPE_WEBHOOK_SECRET and STRIPE_CONNECT_WEBHOOK_SECRET share a secret",
            hint="Each endpoint at Stripe has its own; whoever held both could speak for any account.",
            id="webhooks.E001",
        )
    ]
