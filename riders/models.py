"""Tables of the riders room: Rider, RiderSpot (where the online ones are), Referral."""

import uuid
from typing import ClassVar

from django.contrib.postgres.indexes import GistIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from foundation.fields import PlanePoint
from foundation.models import User
from notifications.models import Recipient
from riders.lifecycle import RiderStatus


class Rider(models.Model):
    """A person who carries for us. Capacity is two counters: deliveries under way and offers open before the rider.

    `active_deliveries + open_offers` never exceeds `max_concurrent` (the database holds it), so an offer that is
    accepted always finds its place.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="+")
    recipient = models.OneToOneField(Recipient, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=120)
    phone = models.CharField(max_length=20, blank=True, default="")
    vehicle = models.CharField(max_length=60, blank=True, default="")
    standing = models.CharField(max_length=10, choices=RiderStatus.choices, default=RiderStatus.APPLIED)
    suspended_reason = models.CharField(max_length=200, blank=True, default="")
    is_online = models.BooleanField(default=False)
    active_deliveries = models.PositiveSmallIntegerField(default=0, editable=False)
    open_offers = models.PositiveSmallIntegerField(default=0, editable=False)
    max_concurrent = models.PositiveSmallIntegerField(default=3)
    fake_attempts = models.PositiveIntegerField(default=0, editable=False)
    referral_code = models.CharField(max_length=12, unique=True, null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(max_concurrent__gte=F("active_deliveries") + F("open_offers")), name="rider_within_capacity"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def load(self) -> int:
        return self.active_deliveries + self.open_offers


class RiderSpot(models.Model):
    """Where an online rider was last seen: one narrow row, there only while the rider is online.

    `spot` is on the Mercator plane (foundation/geo.py). `load` and `free` repeat what dispatch filters by, so that the
    nearest free riders are one index scan, among a thousand riders or a million. `free`: verified, with capacity left.
    """

    rider = models.OneToOneField(Rider, on_delete=models.PROTECT, primary_key=True, related_name="+")
    latitude = models.FloatField()
    longitude = models.FloatField()
    spot = PlanePoint()
    accuracy_m = models.FloatField(null=True)
    seen_at = models.DateTimeField(help_text="When the phone took the position.")
    load = models.PositiveSmallIntegerField(default=0)
    free = models.BooleanField(default=False)

    class Meta:
        indexes: ClassVar = [
            GistIndex(fields=["spot"], name="spot_any"),
            GistIndex(fields=["spot"], condition=Q(free=True, load=0), name="spot_free_0"),
            GistIndex(fields=["spot"], condition=Q(free=True, load=1), name="spot_free_1"),
            GistIndex(fields=["spot"], condition=Q(free=True, load__gte=2), name="spot_free_more"),
        ]

    def __str__(self) -> str:
        return f"spot of rider {self.rider_id}"


class Referral(models.Model):
    """Who brought whom; paid once, after 20 deliveries of the referred rider (SPEC R9)."""

    referrer = models.ForeignKey(Rider, on_delete=models.PROTECT, related_name="+")
    referred = models.OneToOneField(Rider, on_delete=models.PROTECT, related_name="+")
    deliveries = models.PositiveIntegerField(default=0)
    earned_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(referrer=F("referred")), name="nobody_refers_themselves")]

    def __str__(self) -> str:
        return f"{self.referrer_id} → {self.referred_id}"
