"""Tables of foundation: users, events, jobs, idempotency keys, outgoing calls, used-up limits."""

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Now

from foundation.work import WorkItem, WorkState


class Role(models.TextChoices):
    """What a user is; `ops/role_permissions.py` says what each role may do."""

    OPS_AGENT = "ops_agent", "Ops agent"
    OPS_LEAD = "ops_lead", "Ops lead"
    FINANCE = "finance", "Finance"
    READ_ONLY = "read_only", "Read-only"
    RIDER = "rider", "Rider"
    STORE_STAFF = "store_staff", "Store staff"
    STOREFRONT = "storefront", "Storefront service"
    CUSTOMER = "customer", "Customer"


STAFF_ROLES = frozenset({Role.OPS_AGENT, Role.OPS_LEAD, Role.FINANCE, Role.READ_ONLY})
OPS_ROLES = frozenset({Role.OPS_AGENT, Role.OPS_LEAD})


class User(AbstractUser):
    """Anybody who signs in: people, riders, staff, storefront services. Tokens name them by `public_id`."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    role = models.CharField(max_length=20, choices=Role.choices, default=Role.READ_ONLY)

    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]

    def save(self, *args: object, **kwargs: object) -> None:
        self.is_staff = self.is_superuser or self.role in STAFF_ROLES
        super().save(*args, **kwargs)  # type: ignore[arg-type]


class Event(models.Model):
    """One history for all rooms: history, audit and outbox in one (SPEC O2). Append-only.

    `subject` is "kind:id", `version` counts up per subject, `announced` says that live watchers were told.
    """

    name = models.CharField(max_length=60)
    subject = models.CharField(max_length=60)
    order_ref = models.CharField(max_length=40, blank=True, default="")
    version = models.PositiveIntegerField()
    data = models.JSONField(default=dict)
    actor = models.CharField(max_length=80)
    cause = models.CharField(max_length=300, blank=True, default="")
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    announced = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subject", "version"], name="event_version_once")]
        indexes = [
            models.Index(fields=["order_ref", "recorded_at"], condition=~models.Q(order_ref=""), name="event_of_order"),
            models.Index(fields=["id"], condition=models.Q(announced=False), name="event_unannounced"),
            models.Index(fields=["recorded_at"], name="event_recorded"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.subject} v{self.version}"


class Job(WorkItem):
    """A reaction or a deadline: `handler` shall look at `subject` when it is due (foundation/jobs.py)."""

    handler = models.CharField(max_length=80)
    subject = models.CharField(max_length=60)
    created_at = models.DateTimeField(db_default=Now())

    class Meta(WorkItem.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["handler", "subject"], condition=models.Q(state=WorkState.PENDING), name="job_pending_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.handler}({self.subject})"


class IdempotencyKey(models.Model):
    """What a request with an `Idempotency-Key` was answered, kept in the transaction of its effect (SPEC O4).

    `status` 0 means: the request is still being worked on.
    """

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, path and body.")
    status = models.PositiveSmallIntegerField(default=0)
    answer = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_once")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_age")]

    def __str__(self) -> str:
        return self.key


# What a failed call says about the provider, or about our account there; any other refusal is about what we asked.
FAILED_CALL = models.Q(outcome__in=["transient", "unknown"]) | models.Q(outcome="permanent", status_code__in=[401, 403])


class OutboundCall(models.Model):
    """Every outgoing call, masked (SPEC C8; the COOCO contract calls it external_delivery_logs).

    `outcome`: ok | permanent | transient | unknown. Bodies hold no secret and no personal data.
    """

    provider = models.CharField(max_length=20)
    purpose = models.CharField(max_length=60)
    reference = models.CharField(max_length=80, blank=True, default="", help_text="What it was about, say payout:12.")
    method = models.CharField(max_length=7)
    url = models.CharField(max_length=300)
    attempt = models.PositiveSmallIntegerField(default=1)
    request = models.JSONField(null=True)
    status_code = models.PositiveSmallIntegerField(null=True)
    answer = models.JSONField(null=True)
    outcome = models.CharField(max_length=10)
    error = models.CharField(max_length=300, blank=True, default="")
    latency_ms = models.PositiveIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["provider", "created_at"], name="call_of_provider"),
            models.Index(fields=["created_at"], condition=FAILED_CALL, name="call_failed"),
            models.Index(fields=["reference"], condition=~models.Q(reference=""), name="call_reference"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.purpose} {self.outcome}"


class RateLimit(models.Model):
    """How much of a limit somebody has used up (foundation/limits.py). Past `free_at` it says nothing.

    Unlogged, and without an index on the time: every call updates it, in place.
    """

    key = models.CharField(max_length=80, primary_key=True)
    free_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key
