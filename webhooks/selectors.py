"""Reads of this room for people (SPEC A3)."""

import uuid

from django.db.models import Q

from webhooks import registry


def matching_events(text: str) -> Q:
    """Events that a person means by `text`: a provider's event id or our own id, exactly (both are indexed)."""
    found = Q(provider__in=list(registry.event_readers()), event_id=text)
    try:
        return found | Q(pk=uuid.UUID(text))
    except ValueError:
        return found
