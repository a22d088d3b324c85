"""Where carriers were, and how fast orders get from door to door."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from deliveries.models.delivery import Delivery
from orders.models import Store
from riders.models import Rider


class Track(models.Model):
    """Where the carrier was while a delivery was live (SPEC R7, C3): a rider, or, without one, a courier's driver;
    cleared when it ends unless a flag needs it."""

    rider = models.ForeignKey(Rider, null=True, on_delete=models.PROTECT, related_name="+")
    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="+")
    latitude = models.FloatField()
    longitude = models.FloatField()
    accuracy_m = models.FloatField(null=True)
    recorded_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())
    announced = models.BooleanField(default=False, db_default=False, help_text="Live watchers were told.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["delivery", "recorded_at"], name="track_point_once")]
        indexes = [
            models.Index(fields=["id"], condition=Q(announced=False), name="track_unannounced"),
            models.Index(fields=["received_at"], name="track_age"),
        ]

    def __str__(self) -> str:
        return f"track point {self.pk}"


class LearnedSpeed(models.Model):
    """How fast things go (deliveries/eta/learned_speeds.py), replaced every night. None: all stores, or any hour of the
    day (orders/stores/hour_slots.py); `configured_m_per_min` is the setting of that night."""

    store = models.ForeignKey(Store, null=True, on_delete=models.PROTECT, related_name="+")
    slot = models.PositiveSmallIntegerField(null=True)
    travel_m_per_min = models.FloatField(help_text="In a straight line.")
    at_store_min = models.FloatField()
    at_door_min = models.FloatField()
    trips = models.PositiveIntegerField(help_text="That the speed was learned from.")
    store_stops = models.PositiveIntegerField()
    door_stops = models.PositiveIntegerField()
    configured_m_per_min = models.FloatField()
    learned_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["store", "slot"], nulls_distinct=False, name="pace_once")]

    def __str__(self) -> str:
        return f"{self.travel_m_per_min:.0f} m/min"
