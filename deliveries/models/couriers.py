"""What we asked of courier companies, what they answered, and whether they are worth asking."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from deliveries.models.delivery import Delivery
from foundation.work import OPEN, WorkItem


class CourierQuote(models.Model):
    """What a courier would take for a delivery and when it would arrive (SPEC C7); kept, also when it said no."""

    class Outcome(models.TextChoices):
        OK = "ok"
        REFUSED = "refused"
        SILENT = "silent", "No answer in time"

    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="+")
    courier = models.CharField(max_length=12)
    outcome = models.CharField(max_length=8, choices=Outcome.choices)
    reason = models.CharField(max_length=300, blank=True, default="", help_text="Of a refusal.")
    reference = models.CharField(max_length=80, blank=True, default="", help_text="The courier's id of the quote.")
    fee_minor = models.PositiveBigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True, default="")
    arrival_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["delivery", "id"], name="quote_of_delivery")]

    def __str__(self) -> str:
        return f"{self.courier} {self.outcome}"


class CourierCall(WorkItem):
    """Something we want of a courier company: its own queue (SPEC C2, C4). Each try is an OutboundCall of its own.

    `request_id` is the same on every try. `first_failed_at` begins the contract's five minutes; `maybe_sent` says that
    a try ended without our knowing whether it was taken.
    """

    class Purpose(models.TextChoices):
        QUOTE = "quote"
        CREATE = "create"
        CHECK = "check"
        CANCEL = "cancel"

    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="+")
    courier = models.CharField(max_length=12)
    purpose = models.CharField(max_length=8, choices=Purpose.choices)
    request_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    reason = models.CharField(max_length=300, blank=True, default="")
    first_tried_at = models.DateTimeField(null=True, editable=False)
    first_failed_at = models.DateTimeField(null=True, editable=False)
    maybe_sent = models.BooleanField(default=False, db_default=False, editable=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta(WorkItem.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["delivery", "courier", "purpose"], condition=Q(state__in=OPEN), name="courier_call_open_once"
            )
        ]
        indexes: ClassVar = [
            *WorkItem.Meta.indexes,
            models.Index(fields=["delivery", "id"], name="courier_call_of_delivery"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} at {self.courier}"


class CircuitBreaker(models.Model):
    """Whether a courier company is worth asking at the moment (deliveries/couriers/circuit_breaker.py); one row each.

    `override` is ops' word over the machine's.
    """

    class State(models.TextChoices):
        CLOSED = "closed", "Closed: calls go through"
        OPEN = "open", "Open: not asked"
        HALF_OPEN = "half_open", "Half open: one try is under way"

    class Override(models.TextChoices):
        NONE = "", "None"
        OPEN = "open", "Do not ask it"
        CLOSED = "closed", "Ask it whatever happens"

    courier = models.CharField(max_length=12, unique=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.CLOSED)
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    failing_since = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    probe_at = models.DateTimeField(null=True, blank=True, help_text="When one call may try again.")
    last_success_at = models.DateTimeField(null=True, blank=True)
    override = models.CharField(max_length=8, choices=Override.choices, blank=True, default="")
    override_reason = models.CharField(max_length=300, blank=True, default="")

    def __str__(self) -> str:
        return f"{self.courier}: {self.state}"
