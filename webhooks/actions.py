"""The verbs of this room as people use them: who may, with which fields, what was done (foundation/actions.py)."""

from foundation.actions import ActionRequest, action
from webhooks import replay
from webhooks.models import WebhookEvent


@action("Replay", permission="webhooks.replay_webhookevent", preview=lambda event: str(replay.dry_run(event)))
def replay_event(event: WebhookEvent, request: ActionRequest) -> str:
    replay.replay_event(event.pk, by=request.by, reason=request.reason)
    return "will be handled again"


@action("Discard", permission="webhooks.discard_webhookevent")
def discard_event(event: WebhookEvent, request: ActionRequest) -> str:
    replay.discard_event(event.pk, by=request.by, reason=request.reason)
    return "discarded"
