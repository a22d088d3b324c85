"""The webhook work queue of the worker: stored events are read and handed to the rooms that own the facts (SPEC W4,
W5).

A chunk of events is one commit. That is safe because every room's service may see an event twice, late and in any
order; one that fails takes the chunk back, and each is then done alone.
"""

import uuid
from collections.abc import Sequence

from foundation.evidence import EventOutcome
from foundation.webhook import EventReader, IncomingEvent
from foundation.work import Backoff, Release, WorkState
from foundation.work_queues import WorkQueue
from webhooks import registry
from webhooks.models import WebhookEvent

DEPLOY_WAIT_S = 5.0


def apply_event(event: WebhookEvent) -> str:
    """Let the provider's reader handle a stored event, in the caller's transaction; returns the row's final state."""
    return apply_all([event])[0]


def apply_all(events: Sequence[WebhookEvent]) -> list[str]:
    """The same for a chunk of events, whatever their providers: a state for each, in their order."""
    states: dict[uuid.UUID, str] = {}
    for provider in {event.provider: None for event in events}:
        mine = [event for event in events if event.provider == provider]
        incoming = [IncomingEvent(event.event_type, event.event_id, event.payload) for event in mine]
        for event, outcome in zip(mine, get_event_reader(provider).handle_all(incoming), strict=True):
            states[event.pk] = WorkState.IGNORED if outcome is EventOutcome.IGNORED else WorkState.DONE
    return [states[event.pk] for event in events]


def get_event_reader(provider: str) -> EventReader:
    """A provider unknown here may be known to the next deploy: its events are released, never killed."""
    try:
        return registry.event_readers()[provider]
    except KeyError:
        raise Release(DEPLOY_WAIT_S, f"no reader for {provider}") from None


QUEUE = WorkQueue(
    name="webhooks",
    model=WebhookEvent,
    apply=apply_event,
    apply_all=apply_all,
    batch=200,
    chunk=50,
    lease_s=30,
    poll_s=0.02,
    schedule=Backoff(first_s=1, cap_s=600, tries=12),
)
