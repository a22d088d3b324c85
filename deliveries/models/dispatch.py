"""What dispatch decided and whom it offered a delivery to."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from deliveries.lifecycle import OfferStatus
from deliveries.models.delivery import Delivery
from foundation.work import WorkItem
from riders.models import Rider


class DispatchDecision(models.Model):
    """Why dispatch did what it did (SPEC D1, C7): snapshot summary, candidates with scores, exclusions, couriers.

    `candidates`: best first, [{rider, name, distance_m, load, score, verdict}]; `exclusions`: {reason: count};
    `couriers`: [{courier, verdict, fee_minor, currency, arrival_at}] in the order of the store's policy.
    """

    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="+")
    outcome = models.CharField(max_length=12, help_text="offered | asked | requested | waiting | refused | alerted")
    reason = models.CharField(max_length=200)
    radius_m = models.PositiveIntegerField()
    policy = models.JSONField()
    candidates = models.JSONField(default=list)
    exclusions = models.JSONField(default=dict)
    couriers = models.JSONField(default=list)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["delivery", "id"], name="decision_of_delivery"),
            models.Index(fields=["created_at"], name="decision_age"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}"


class Offer(WorkItem):
    """A delivery put before one rider for 30 s (SPEC D2). `due_at` is the deadline: the sweep expires it then, and an
    accept after it fails even if no sweep has run."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="+")
    rider = models.ForeignKey(Rider, on_delete=models.PROTECT, related_name="+")
    decision = models.ForeignKey(DispatchDecision, null=True, on_delete=models.SET_NULL, related_name="+")
    status = models.CharField(max_length=10, choices=OfferStatus.choices, default=OfferStatus.PENDING)
    distance_m = models.PositiveIntegerField(help_text="Rider to store.")
    fee_minor = models.PositiveBigIntegerField()
    reason = models.CharField(max_length=200, blank=True, default="")
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta(WorkItem.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["delivery"], condition=Q(status=OfferStatus.PENDING), name="offer_pending_once"
            ),
            models.UniqueConstraint(
                fields=["delivery", "rider"],
                condition=Q(status__in=[OfferStatus.PENDING, OfferStatus.REJECTED, OfferStatus.EXPIRED]),
                name="offer_to_rider_once",
            ),
        ]
        indexes: ClassVar = [
            *WorkItem.Meta.indexes,
            models.Index(fields=["rider", "-created_at"], name="offer_of_rider"),
            models.Index(fields=["delivery", "-created_at"], name="offer_of_delivery"),
        ]

    def __str__(self) -> str:
        return f"offer {self.pk}"
