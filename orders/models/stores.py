"""Places that prepare orders, who works there, and how long they take."""

from django.db import models

from foundation.geo import Point
from foundation.models import User
from notifications.models import Recipient


class Store(models.Model):
    """A place that prepares orders, with its policies. `opening_hours`: {"mon": [["09:00", "22:00"], …], …} in its
    time zone; empty means always open. An interval whose end is not after its start runs past midnight."""

    class Pos(models.TextChoices):
        TABLET = "tablet"
        PETPOOJA = "petpooja"

    class Carriers(models.TextChoices):
        IN_HOUSE_FIRST = "in_house_first", "Own riders first"
        CHEAPEST = "cheapest", "The cheapest"
        FASTEST = "fastest", "The fastest"
        PREFERRED = "preferred", "In the order of the list"

    class Positions(models.TextChoices):
        HARD = "hard", "Hard: measured within the geofence, or refused"
        TOLERANT = "tolerant", "Tolerant: an uncertain position stands if earlier ones bear it out"

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    address = models.CharField(max_length=300, blank=True, default="")
    latitude = models.FloatField(null=True, blank=True)
    longitude = models.FloatField(null=True, blank=True)
    time_zone = models.CharField(max_length=40, default="UTC")
    opening_hours = models.JSONField(default=dict, blank=True)
    is_available = models.BooleanField(default=True)
    currency = models.CharField(max_length=3, default="USD")
    country = models.CharField(max_length=2, default="US")
    pos_kind = models.CharField(max_length=12, choices=Pos.choices, default=Pos.TABLET)
    pos_rest_id = models.CharField(max_length=60, blank=True, default="", help_text="restID at the POS.")
    pos_callback_token = models.CharField(
        max_length=80, blank=True, default="", help_text="If set, callbacks must carry it (query or Authorization)."
    )
    recipient = models.OneToOneField(Recipient, on_delete=models.PROTECT, related_name="+")
    commission_bps = models.PositiveIntegerField(default=1500, help_text="Our share of the items, 1/100 of a percent.")
    preparation_minutes = models.PositiveIntegerField(default=15)
    acknowledge_s = models.PositiveIntegerField(default=300)
    cancel_unacknowledged_s = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Cancel and refund this long after notifying, if nobody acknowledged; empty: never.",
    )
    substitution_decide_s = models.PositiveIntegerField(
        default=300, help_text="How long customers have to answer when a replacement is suggested."
    )
    refund_delay_s = models.PositiveIntegerField(default=0, help_text="After a failed delivery.")
    cancellation_fee_minor = models.PositiveIntegerField(
        default=0, help_text="Kept when cancelled after acknowledging."
    )
    gps_required = models.BooleanField(null=True, blank=True, help_text="Empty: as configured (GPS_REQUIRED).")
    position_policy = models.CharField(
        max_length=8,
        choices=Positions.choices,
        default=Positions.HARD,
        help_text="How positions at pickup and drop-off are judged (docs/eta.md).",
    )
    carried_by = models.CharField(
        max_length=16, choices=Carriers.choices, default=Carriers.IN_HOUSE_FIRST, help_text="How carriers are chosen."
    )
    preferred_carriers = models.JSONField(
        default=list, blank=True, help_text="For 'preferred': names in order, say cooco, in_house, uber."
    )
    max_courier_fee_minor = models.PositiveIntegerField(
        null=True, blank=True, help_text="A courier company that wants more is not asked; empty: any fee."
    )
    max_courier_minutes = models.PositiveIntegerField(
        null=True, blank=True, help_text="A courier company that takes longer is not asked; empty: any time."
    )

    def __str__(self) -> str:
        return self.name

    @property
    def point(self) -> Point | None:
        return None if self.latitude is None or self.longitude is None else Point(self.latitude, self.longitude)


class StoreStaff(models.Model):
    """Which store a store_staff user works for."""

    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="+")
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name_plural = "store staff"

    def __str__(self) -> str:
        return f"{self.user} at {self.store}"


class PreparationTime(models.Model):
    """How long a store takes to prepare an order (orders/stores/preparation_times.py), replaced every night. `slot` is
    an hour of its day (orders/stores/hour_slots.py), None: at any hour; `configured_minutes` its own figure of that
    night."""

    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="+")
    slot = models.PositiveSmallIntegerField(null=True)
    minutes = models.FloatField()
    orders = models.PositiveIntegerField(help_text="That it was learned from.")
    configured_minutes = models.PositiveIntegerField()
    learned_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["store", "slot"], nulls_distinct=False, name="kitchen_pace_once")
        ]

    def __str__(self) -> str:
        return f"{self.minutes:.1f} min at store {self.store_id}"
