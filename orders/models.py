"""Tables of the orders room: Store, StoreStaff, Customer, Order, OrderItem, Payment, Refund, IntentCancellation,
PosRelay, KitchenPace.

Amounts are integers in minor units of the order's currency; positions are WGS 84 degrees; ids towards the outside are
`public_id` (ours, unguessable) and `order_id` (the storefront's).
"""

import re
import secrets
from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from foundation.geo import Point
from foundation.models import User
from foundation.work import WorkItem
from notifications.models import Recipient
from orders.lifecycle import LIVE, CarriageState, OrderStatus, PaymentState, PreparationState

EXTERNAL_ID_SHAPE = re.compile(r"^[A-Za-z0-9_-]{1,64}\Z")
EXTERNAL_ID = RegexValidator(EXTERNAL_ID_SHAPE.pattern, "must be 1 to 64 of A-Z, a-z, 0-9, _ and -")


def new_public_id() -> str:
    return "o_" + secrets.token_urlsafe(16).replace("-", "x").replace("_", "y")


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


class Customer(models.Model):
    """A storefront's customer. `user` is set when the customer may sign in."""

    storefront = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    external_id = models.CharField(max_length=64, validators=[EXTERNAL_ID])
    user = models.OneToOneField(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    recipient = models.OneToOneField(Recipient, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["storefront", "external_id"], name="customer_once")]

    def __str__(self) -> str:
        return self.external_id


class Order(models.Model):
    """What is bought. `status` is derived from the three axes (orders/lifecycle.py) and stored with them."""

    public_id = models.CharField(max_length=40, unique=True, default=new_public_id, editable=False)
    storefront = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    order_id = models.CharField(max_length=64, validators=[EXTERNAL_ID], help_text="The storefront's.")
    content_hash = models.CharField(max_length=64, editable=False, help_text="SHA-256 of what was ordered.")
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")

    status = models.CharField(max_length=24, choices=OrderStatus.choices, default=OrderStatus.PENDING)
    payment = models.CharField(max_length=16, choices=PaymentState.choices, default=PaymentState.UNPAID)
    preparation = models.CharField(max_length=16, choices=PreparationState.choices, default=PreparationState.PLACED)
    carriage = models.CharField(max_length=16, choices=CarriageState.choices, default=CarriageState.NONE)
    attempt = models.PositiveSmallIntegerField(
        default=0, help_text="Number of the delivery the carriage axis is about."
    )
    version = models.PositiveIntegerField(default=0, editable=False)

    currency = models.CharField(max_length=3)
    items_minor = models.PositiveBigIntegerField()
    tax_minor = models.PositiveBigIntegerField(default=0)
    tip_minor = models.PositiveBigIntegerField(default=0)
    delivery_fee_minor = models.PositiveBigIntegerField(default=0, help_text="What the carrier earns for it.")
    total_minor = models.PositiveBigIntegerField()
    store_share_minor = models.PositiveBigIntegerField(help_text="What the store earns of the total.")
    refunded_minor = models.PositiveBigIntegerField(default=0)
    cancellation_fee_minor = models.PositiveBigIntegerField(default=0, help_text="Kept when it was cancelled.")

    address_snapshot = models.JSONField(default=dict, help_text="label, address, latitude, longitude, landmark")
    latitude = models.FloatField(null=True)
    longitude = models.FloatField(null=True)
    customer_name = models.CharField(max_length=120, blank=True, default="")
    customer_phone = models.CharField(max_length=20, blank=True, default="")
    instructions = models.CharField(max_length=500, blank=True, default="")
    delivery_preferences = models.JSONField(default=dict, help_text="contact_free, call_before_arriving, entrance")
    provider_preference = models.CharField(max_length=12, blank=True, default="")
    metadata = models.JSONField(default=dict)

    stripe_payment_intent = models.CharField(max_length=80, blank=True, default="")
    client_secret = models.CharField(max_length=200, blank=True, default="", editable=False)
    payment_error = models.CharField(max_length=300, blank=True, default="")
    pos_order_id = models.CharField(max_length=80, blank=True, default="")
    pos_response = models.JSONField(null=True, blank=True, help_text="The last full callback of the POS.")
    pos_held = models.JSONField(
        default=list, blank=True, help_text="Callbacks that came before the payment: they wait for it."
    )
    pos_rider_name = models.CharField(max_length=120, blank=True, default="")
    pos_rider_phone = models.CharField(max_length=20, blank=True, default="")
    pos_is_modified = models.BooleanField(default=False)
    minimum_prep_minutes = models.PositiveIntegerField(null=True, blank=True)
    cancel_reason = models.CharField(max_length=300, blank=True, default="")
    external_delivery_provider = models.CharField(max_length=12, blank=True, default="")
    cooco_delivery_id = models.CharField(max_length=80, blank=True, default="")

    promised_at = models.DateTimeField(null=True, blank=True)
    eta_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    notified_at = models.DateTimeField(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    ready_at = models.DateTimeField(null=True, blank=True)
    assigned_at = models.DateTimeField(null=True, blank=True)
    picked_up_at = models.DateTimeField(null=True, blank=True)
    in_transit_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True, help_text="On failed or cancelled.")
    refunded_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["storefront", "order_id"], name="order_id_once"),
            models.UniqueConstraint(
                fields=["stripe_payment_intent"], condition=~Q(stripe_payment_intent=""), name="order_intent_once"
            ),
            models.CheckConstraint(
                condition=Q(refunded_minor__lte=models.F("total_minor")), name="refund_within_total"
            ),
            models.CheckConstraint(
                condition=Q(store_share_minor__lte=models.F("total_minor")), name="store_share_within_total"
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at"], name="order_recent"),
            models.Index(fields=["status", "-created_at"], name="order_by_status"),
            models.Index(fields=["store", "-created_at"], name="order_of_store"),
            models.Index(fields=["customer", "-created_at"], name="order_of_customer"),
            models.Index(fields=["promised_at"], condition=Q(status__in=sorted(LIVE)), name="order_promised"),
        ]

    def __str__(self) -> str:
        return self.order_id

    @property
    def point(self) -> Point | None:
        return None if self.latitude is None or self.longitude is None else Point(self.latitude, self.longitude)


class OrderItem(models.Model):
    """One line; `price_minor` is for one piece."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="items")
    position = models.PositiveSmallIntegerField()
    external_id = models.CharField(max_length=64, blank=True, default="")
    name = models.CharField(max_length=200)
    quantity = models.PositiveIntegerField()
    price_minor = models.PositiveBigIntegerField()
    instructions = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        ordering: ClassVar = ["position"]
        constraints = [models.UniqueConstraint(fields=["order", "position"], name="item_position_once")]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.name}"


class Payment(models.Model):
    """Money that arrived: one row per PaymentIntent that succeeded (SPEC P1). `refunded_minor` is cumulative (P4)."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="+")
    stripe_payment_intent = models.CharField(max_length=80, unique=True)
    stripe_charge = models.CharField(max_length=80, blank=True, default="")
    amount_minor = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    refunded_minor = models.PositiveBigIntegerField(default=0)
    paid_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["order"], name="payment_of_order")]

    def __str__(self) -> str:
        return self.stripe_payment_intent


class Refund(WorkItem):
    """Money to give back: its own queue (SPEC O7, O8). `reference` names the reason once: a second request for the
    same reason is the same refund. At Stripe it carries `public_id` in its metadata, and its idempotency key is made of
    `public_id` and `key_number`, which counts up when Stripe answered 500: it would replay that 500 for a day."""

    public_id = models.CharField(max_length=40, unique=True, default=new_public_id, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="+")
    stripe_payment_intent = models.CharField(max_length=80)
    reference = models.CharField(max_length=60)
    reason = models.CharField(max_length=300)
    amount_minor = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    stripe_refund = models.CharField(max_length=80, blank=True, default="")
    key_number = models.PositiveSmallIntegerField(default=1, db_default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta(WorkItem.Meta):
        constraints = [models.UniqueConstraint(fields=["order", "reference"], name="refund_reason_once")]

    def __str__(self) -> str:
        return f"refund of {self.amount_minor} {self.currency} for order {self.order_id}"


class IntentCancellation(WorkItem):
    """An unpaid PaymentIntent of a cancelled order, to be cancelled at Stripe so that nobody can pay it any more."""

    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"cancel the payment intent of order {self.order_id}"


class PosRelay(WorkItem):
    """Telling a store's POS of one order (SPEC O5): `kind` save (the order) or cancel."""

    class Kind(models.TextChoices):
        SAVE = "save"
        CANCEL = "cancel"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    created_at = models.DateTimeField(db_default=Now())

    class Meta(WorkItem.Meta):
        constraints = [models.UniqueConstraint(fields=["order", "kind"], name="pos_relay_once")]

    def __str__(self) -> str:
        return f"{self.kind} order {self.order_id}"


class KitchenPace(models.Model):
    """How long a store takes to prepare an order (orders/kitchens.py), replaced every night. `slot` is an hour of its
    day (orders/slots.py), None: at any hour; `configured_minutes` its own figure of that night."""

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
