"""The courier companies' webhook endpoints, /webhooks/{name}: each company verifies and reads,
deliveries/couriers/updates.py takes."""

from collections.abc import Sequence
from typing import Any

from deliveries.couriers import providers, updates
from deliveries.couriers.providers.base import CourierProvider
from foundation.evidence import EventOutcome
from foundation.webhook import IncomingEvent, VerifiedSignature, WebhookProvider, WebhookRequest


class CourierWebhooks(WebhookProvider):
    def __init__(self, company: CourierProvider) -> None:
        self.provider_module = company
        self.provider = company.name  # type: ignore[misc]  # one door's own word, not the class's
        self.accepted = company.accepted  # type: ignore[misc]

    def verify_signature(self, request: WebhookRequest) -> VerifiedSignature:
        return self.provider_module.verify_signature(request)

    def list_events(self, payload: Any, verified: VerifiedSignature) -> Sequence[IncomingEvent]:
        return self.provider_module.list_events(payload, verified)

    def handle(self, event_type: str, event_id: str, payload: Any) -> EventOutcome:
        return updates.apply_event(self.provider_module, IncomingEvent(event_type, event_id, payload))

    def handle_all(self, events: Sequence[IncomingEvent]) -> Sequence[EventOutcome]:
        return updates.apply_events(self.provider_module, events)


def webhook_providers() -> list[CourierWebhooks]:
    """One for each company, whether it is configured or not: those that are not answer 503."""
    return [CourierWebhooks(company) for company in providers.courier_providers().values()]
