"""Every provider that may tell us something: webhook endpoints at /webhooks/{provider}, and readers of what was stored.

One more provider is one module in the room that uses it, and one line here.
"""

from functools import cache

from deliveries.couriers import webhooks
from foundation.webhook import EventReader, WebhookProvider
from notifications import webhooks as message_webhooks
from orders.pos.stored_callbacks import PetPoojaReader
from webhooks.stripe import StripeWebhooks


@cache
def webhook_providers() -> dict[str, WebhookProvider]:
    """By the word in their URL."""
    return {
        provider.provider: provider
        for provider in (StripeWebhooks(), *webhooks.webhook_providers(), *message_webhooks.webhook_providers())
    }


@cache
def event_readers() -> dict[str, EventReader]:
    """By the provider of a stored event: all webhook endpoints, and PetPooja, whose address is /pp_callback/{slug}/."""
    return {**webhook_providers(), PetPoojaReader.provider: PetPoojaReader()}
