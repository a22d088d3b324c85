"""The webhook lane of the worker: stored events are read and handed to the rooms that own the facts (SPEC W4, W5).

A chunk of events is one commit. That is safe because every room's `take` may see an event twice, late and in any order;
one that fails takes the chunk back, and each is then done alone.
"""

import structlog

from foundation.evidence import Verdict
from foundation.lanes import Lane
from foundation.webhook import Reader
from foundation.work import Backoff, Release, WorkState
from webhooks import registry
from webhooks.models import WebhookEvent

DEPLOY_WAIT_S = 5.0


def apply(event: WebhookEvent) -> str:
    """Let the provider's reader handle a stored event, in the caller's transaction; returns the row's final state."""
    with structlog.contextvars.bound_contextvars(webhook=f"{event.provider}:{event.event_id}"):
        verdict = reader_of(event).handle(event.event_type, event.event_id, event.payload)
    return WorkState.IGNORED if verdict is Verdict.IGNORED else WorkState.DONE


def reader_of(event: WebhookEvent) -> Reader:
    """A provider unknown here may be known to the next deploy: its events are released, never killed."""
    try:
        return registry.readers()[event.provider]
    except KeyError:
        raise Release(DEPLOY_WAIT_S, f"no reader for {event.provider}") from None


LANE = Lane(
    name="webhooks",
    model=WebhookEvent,
    apply=apply,
    batch=200,
    chunk=50,
    lease_s=30,
    poll_s=0.02,
    schedule=Backoff(first_s=1, cap_s=600, tries=12),
)
