"""Doing an event again (SPEC W4, W8): first to see what it would change, then for good, by the same code.

A dry run lets the reader handle the event in a transaction that is taken back. Handling is SQL alone (that is the rule
of the house), so nothing of it remains. What changed is asked of the database itself, not of the code that changed it.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from django.apps import apps
from django.db import connection, transaction
from django.db.models import Max

from foundation import events
from foundation.errors import IllegalMove
from foundation.events import Cause
from foundation.models import Event
from webhooks import processing
from webhooks.models import WebhookEvent

Counts = Mapping[str, tuple[int, int, int]]
_VERBS = ("new", "changed", "deleted")


@dataclass(frozen=True)
class ReplayPreview:
    """What handling the event would do now. `error`: it would fail, and why. `recorded`: names of events of history,
    with their subject. `rows`: "2 new orders.payment" and the like."""

    outcome: str = ""
    error: str = ""
    recorded: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        if self.error:
            return f"would fail: {self.error}"
        lines = [f"would be {self.outcome}"]
        lines += [f"records {name}" for name in self.recorded]
        return "\n".join([*lines, *self.rows] if self.rows else [*lines, "changes nothing"])


def dry_run(event: WebhookEvent) -> ReplayPreview:
    """Handle the event and take everything back."""
    with transaction.atomic(), structlog.contextvars.bound_contextvars(dry_run=True):
        preview = _preview_event(event)
        transaction.set_rollback(True)
    return preview


def _preview_event(event: WebhookEvent) -> ReplayPreview:
    newest = Event.objects.aggregate(newest=Max("pk"))["newest"] or 0
    before = _table_counts()
    try:
        with transaction.atomic():
            reader = processing.get_event_reader(event.provider)
            outcome = reader.handle(event.event_type, event.event_id, event.payload)
    except Exception as error:  # noqa: BLE001 - whatever would stop it is what one wants to see
        return ReplayPreview(error=repr(error)[:500])
    cause = f"webhook:{event.provider}:{event.event_id}"
    recorded = Event.objects.filter(pk__gt=newest, cause=cause).order_by("pk")
    return ReplayPreview(
        outcome=outcome.value,
        recorded=[f"{made.name} of {made.subject}" for made in recorded],
        rows=_describe_difference(before, _table_counts()),
    )


def _table_counts() -> Counts:
    """Rows inserted, updated and deleted per table, as this session counts them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_xact_user_tables")
        return {name: (inserted, updated, deleted) for name, inserted, updated, deleted in cursor.fetchall()}


def _describe_difference(before: Counts, after: Counts) -> list[str]:
    names = {model._meta.db_table: model._meta.label_lower for model in apps.get_models()}
    return [
        f"{count - was} {verb} {names.get(table, table)}"
        for table, counts in sorted(after.items())
        for verb, count, was in zip(_VERBS, counts, before.get(table, (0, 0, 0)), strict=True)
        if count > was
    ]


def replay_event(event_id: uuid.UUID, *, by: Cause, reason: str) -> None:
    """A dead or ignored event becomes due again, with all its tries. Raises IllegalMove for any other."""
    with transaction.atomic():
        event = _lock_event(event_id)
        if not WebhookEvent.replay_rows([event.pk]):
            raise IllegalMove(f"Only dead and ignored events can be replayed, this one is {event.state}")
        events.record_event("webhook_event.replayed", event, by=by, data={"reason": reason, "was": event.state})


def discard_event(event_id: uuid.UUID, *, by: Cause, reason: str) -> None:
    """A dead letter is put aside for good. Raises IllegalMove for any other event."""
    with transaction.atomic():
        event = _lock_event(event_id)
        if not WebhookEvent.discard_rows([event.pk], reason=reason):
            raise IllegalMove(f"Only dead letters can be discarded, this one is {event.state}")
        events.record_event("webhook_event.discarded", event, by=by, data={"reason": reason})


def _lock_event(event_id: uuid.UUID) -> WebhookEvent:
    return WebhookEvent.objects.select_for_update(no_key=True, of=("self",)).get(pk=event_id)
