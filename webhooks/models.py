"""Tables of the webhook endpoint: WebhookEvent (accepted: the queue of record) and WebhookAttempt (what was
rejected)."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Case, Value, When
from django.db.models.functions import Now

from foundation.work import WorkItem, WorkState


class RandomUUID(models.Func):
    """PostgreSQL's own gen_random_uuid(): the contract's INSERT gives no id."""

    function = "gen_random_uuid"
    template = "%(function)s()"


class WebhookEvent(WorkItem):
    """What a provider told us, once (SPEC W2). Table and column names are the contract's: its example SQL runs.

    `body` are the raw bytes as they came (None where a request held several events), `payload` the same as JSON. After
    30 days `body_sha256` takes the body's place. An event type that nobody handles ends as ignored; a dead letter is
    state dead.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False)
    provider = models.CharField(max_length=50)
    event_type = models.CharField(max_length=100)
    event_id = models.CharField(max_length=255)
    payload = models.JSONField()
    body = models.BinaryField(null=True)
    body_sha256 = models.CharField(max_length=64, blank=True, default="", db_default="")
    signature = models.CharField(max_length=255, blank=True, default="", db_default="")
    processed = models.GeneratedField(
        expression=Case(
            When(state__in=[WorkState.DONE, WorkState.IGNORED, WorkState.DISCARDED], then=Value(True)),
            default=Value(False),
        ),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta(WorkItem.Meta):
        db_table = "webhook_events"
        constraints = [models.UniqueConstraint(fields=["provider", "event_id"], name="webhook_event_once")]
        indexes: ClassVar = [
            *WorkItem.Meta.indexes,
            models.Index(fields=["provider", "-created_at"], name="webhook_of_provider"),
            models.Index(fields=["-created_at"], name="webhook_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.event_type} {self.event_id}"


class WebhookAttempt(models.Model):
    """Requests that were refused (SPEC W2): counted and explained, not a byte of them trusted or kept.

    `count` of one kind within a second are one row, which describes the first (webhooks/rejections.py).
    """

    provider = models.CharField(max_length=50)
    status = models.PositiveSmallIntegerField()
    reason = models.CharField(max_length=60)
    detail = models.CharField(max_length=200, blank=True, default="")
    remote_addr = models.CharField(max_length=60, blank=True, default="")
    body_bytes = models.PositiveIntegerField(default=0)
    body_sha256 = models.CharField(max_length=64, blank=True, default="")
    count = models.PositiveIntegerField(default=1, db_default=1)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["provider", "-created_at"], name="attempt_of_provider"),
            models.Index(fields=["-created_at"], name="attempt_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.status} {self.reason}"
