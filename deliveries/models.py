"""Tables of the road: Delivery, Decision, Offer, CourierQuote, CourierCall, Breaker, Track, Pace, FraudFlag,
TrackingLink, Rating.

Distances are metres, fees minor units of the order's currency.
"""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from deliveries.lifecycle import CARRIED, LIVE, DeliveryStatus, FlagStatus, OfferStatus
from foundation.models import User
from foundation.work import OPEN, WorkItem
from orders.models import Order, Store
from riders.models import Rider

IN_HOUSE = "in_house"


class Delivery(WorkItem):
    """The job of carrying one order once; a second attempt is a new row. At most one per order is live.

    While it searches it is its own work row: `due_at` says when dispatch looks at it next, `state` is done as soon as
    somebody carries it. `external_id` is what its courier knows it by. Once a courier company was asked, the row is
    that company's for good: another carrier is another row.
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

    # of a courier company
    previous = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="The attempt it replaces."
    )
    quote = models.ForeignKey("CourierQuote", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    courier_ref = models.CharField(max_length=80, blank=True, default="", help_text="What the courier calls it.")
    courier_word = models.CharField(
        max_length=40, blank=True, default="", help_text="The courier's latest status word."
    )
    courier_facts = models.JSONField(
        default=dict,
        blank=True,
        help_text="When what happened, by the courier's clock (deliveries/couriers/status_history.py).",
    )
    courier_heard_at = models.DateTimeField(null=True, blank=True, help_text="When it last told us anything.")
    courier_fee_minor = models.PositiveBigIntegerField(null=True, blank=True, help_text="What it said it charges.")
    courier_fee_currency = models.CharField(max_length=3, blank=True, default="")
    tracking_url = models.CharField(max_length=500, blank=True, default="")
    arrival_at = models.DateTimeField(null=True, blank=True, help_text="The courier's own estimate.")
    proofs = models.JSONField(default=dict, blank=True, help_text="Photos and signatures as the courier names them.")
    stop_reason = models.CharField(max_length=300, blank=True, default="", help_text="Why we want the courier to stop.")
    stop_asked_at = models.DateTimeField(null=True, blank=True)
    stop_refused_at = models.DateTimeField(null=True, blank=True, help_text="The courier goes on: ops decides.")
    stop_decision = models.CharField(max_length=12, blank=True, default="", help_text="keep | double_cost")
    stop_decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

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
            models.Index(fields=["courier_ref"], condition=~Q(courier_ref=""), name="delivery_by_courier_ref"),
            models.Index(
                fields=["courier_heard_at"],
                condition=Q(status__in=LIVE) & ~Q(courier=IN_HOUSE),
                name="delivery_courier_silent",
            ),
        ]

    def __str__(self) -> str:
        return self.external_id


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
    """How fast things go (deliveries/eta/learned_speeds.py), replaced every night. None: all stores, or any hour of the day
    (orders/stores/hour_slots.py); `configured_m_per_min` is the setting of that night."""

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


class TrackingLink(models.Model):
    """An address that shows one order to whoever has it (SPEC T3). Only the token's digest is kept: this table alone
    opens nothing (deliveries/tracking/links.py makes the token). It may end before `expires_at`: some hours after the order."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="+")
    number = models.PositiveSmallIntegerField(help_text="Of this order's links, counting from 1.")
    token_sha256 = models.CharField(max_length=64, unique=True, editable=False)
    expires_at = models.DateTimeField()
    created_by = models.CharField(max_length=60, help_text="Who asked for it.")
    created_at = models.DateTimeField(db_default=Now())
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=60, blank=True, default="")
    revoke_reason = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "number"], name="tracking_link_number_once")]
        indexes = [models.Index(fields=["expires_at"], name="tracking_link_age")]

    def __str__(self) -> str:
        return f"tracking link {self.pk}"


class Rating(models.Model):
    """What a customer thought of a delivery, said once (SPEC R6, T1)."""

    delivery = models.OneToOneField(Delivery, on_delete=models.PROTECT, related_name="+")
    rider = models.ForeignKey(Rider, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    courier = models.CharField(max_length=12, help_text="in_house, or the company that carried it.")
    stars = models.PositiveSmallIntegerField()
    comment = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(stars__gte=1, stars__lte=5), name="rating_one_to_five")]
        indexes = [models.Index(fields=["rider", "-created_at"], name="rating_of_rider")]

    def __str__(self) -> str:
        return f"{self.stars} of 5"
