"""Signs of fraud with their evidence."""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from deliveries.lifecycle import FlagStatus
from deliveries.models.delivery import Delivery
from foundation.models import User
from riders.models import Rider


class FraudKind(models.TextChoices):
    FAKE_PICKUP = "fake_pickup"
    FAKE_DELIVERY = "fake_delivery"
    SPOOFING = "spoofing"
    REJECTION_RATE = "rejection_rate"


class FraudFlag(models.Model):
    """A suspicion with its evidence, until ops upholds or dismisses it (SPEC R4, R11). While open it holds the earning
    of its delivery."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=16, choices=FraudKind.choices)
    status = models.CharField(max_length=10, choices=FlagStatus.choices, default=FlagStatus.OPEN)
    rider = models.ForeignKey(Rider, on_delete=models.PROTECT, related_name="+")
    delivery = models.ForeignKey(Delivery, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    evidence = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_note = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        indexes = [
            models.Index(fields=["-created_at"], condition=Q(status=FlagStatus.OPEN), name="flag_open"),
            models.Index(fields=["rider", "-created_at"], name="flag_of_rider"),
            models.Index(fields=["delivery"], condition=Q(delivery__isnull=False), name="flag_of_delivery"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} by rider {self.rider_id}"
