"""The job of carrying one order once. Distances are metres, fees minor units of the order's currency."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from deliveries.lifecycle import CARRIED, LIVE, DeliveryStatus
from foundation.work import WorkItem
from orders.models import Order
from riders.models import Rider

IN_HOUSE = "in_house"


class Delivery(WorkItem):
    """The job of carrying one order once; a second attempt is a new row. At most one per order is live.

    While it searches it is its own work row: `due_at` says when dispatch looks at it next, `state` is done as soon as
    somebody carries it. `external_id` is what its courier knows it by. Once a courier company was asked, the row is
    that company's for good, and has a `courier_job`: another carrier is another row.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="+")
    attempt = models.PositiveSmallIntegerField()
    courier = models.CharField(max_length=12, default=IN_HOUSE)
    external_id = models.CharField(max_length=60, unique=True)
    status = models.CharField(max_length=12, choices=DeliveryStatus.choices, default=DeliveryStatus.SEARCHING)
    rider = models.ForeignKey(Rider, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    fee_minor = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    distance_m = models.PositiveIntegerField(null=True, help_text="Store to customer.")
    search_rounds = models.PositiveIntegerField(default=0, editable=False)
    search_started_at = models.DateTimeField(null=True, blank=True)
    alerted_at = models.DateTimeField(null=True, blank=True, help_text="When ops was told that nobody takes it.")
    end_reason = models.CharField(max_length=300, blank=True, default="")
    driver_notes = models.CharField(max_length=500, blank=True, default="")
    driver_details = models.JSONField(default=dict, blank=True, help_text="Who carries, as shown: name, phone, vehicle")
    pickup_position = models.JSONField(null=True, blank=True)
    dropoff_position = models.JSONField(null=True, blank=True)
    assigned_at = models.DateTimeField(null=True, blank=True)
    reached_store_at = models.DateTimeField(null=True, blank=True, help_text="Seen there first, by the tracks.")
    picked_up_at = models.DateTimeField(null=True, blank=True)
    in_transit_at = models.DateTimeField(null=True, blank=True)
    reached_door_at = models.DateTimeField(null=True, blank=True, help_text="Seen there first, by the tracks.")
    ended_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    previous = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="The attempt it replaces."
    )

    class Meta(WorkItem.Meta):
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["order"], condition=Q(status__in=LIVE), name="delivery_live_once"),
            models.UniqueConstraint(fields=["order", "attempt"], name="delivery_attempt_once"),
            models.CheckConstraint(
                condition=~Q(courier=IN_HOUSE, status__in=[*CARRIED, DeliveryStatus.DELIVERED])
                | Q(rider__isnull=False),
                name="carried_by_somebody",
            ),
        ]
        indexes: ClassVar = [
            *WorkItem.Meta.indexes,
            models.Index(fields=["rider", "-assigned_at"], name="delivery_of_rider"),
            models.Index(fields=["rider"], condition=Q(status__in=CARRIED), name="delivery_carried_by"),
            models.Index(fields=["status", "-created_at"], name="delivery_by_status"),
            models.Index(fields=["courier", "-created_at"], name="delivery_of_courier"),
        ]

    def __str__(self) -> str:
        return self.external_id
