"""System checks of the money room: payouts.W001 and on."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register  # noqa: A004 - Django's own name


@register()
def check_connect_secret(**_: Any) -> list[CheckMessage]:
    if settings.STRIPE_SECRET_KEY and not settings.STRIPE_CONNECT_WEBHOOK_SECRETS:
        return [
            Warning(
                "Stripe is configured without STRIPE_CONNECT_WEBHOOK_SECRET",
                hint="Accounts never become able to receive payouts: their events are refused by the webhook endpoint.",
                id="payouts.W001",
            )
        ]
    return []
