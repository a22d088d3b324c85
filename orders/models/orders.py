"""What is bought, by whom, and what becomes of its items."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from foundation.geo import Point
from foundation.models import User
from foundation.work import WorkItem
from notifications.models import Recipient
from orders.lifecycle import (
    AT_WORK,
    LIVE,
    CarriageState,
    OrderStatus,
    PaymentState,
    PreparationState,
    SubstitutionPreference,
    SubstitutionStatus,
)
from orders.models.ids import EXTERNAL_ID, new_public_id, new_substitution_id
from orders.models.stores import Store


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
    authorised_minor = models.PositiveBigIntegerField(help_text="What the customer agreed to pay, and is charged.")
    items_minor = models.PositiveBigIntegerField(help_text="Now: substitutions change items, tax and total.")
    tax_minor = models.PositiveBigIntegerField(default=0)
    tip_minor = models.PositiveBigIntegerField(default=0)
    delivery_fee_minor = models.PositiveBigIntegerField(default=0, help_text="What the carrier earns for it.")
    total_minor = models.PositiveBigIntegerField(help_text="What it costs now, never more than was authorised.")
    store_share_minor = models.PositiveBigIntegerField(help_text="What the store earns of what was authorised.")
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
    substitution_preference = models.CharField(
        max_length=8,
        choices=SubstitutionPreference.choices,
        default=SubstitutionPreference.REFUSE,
        help_text="For a customer who is silent.",
    )
    undecided_substitutions = models.PositiveSmallIntegerField(default=0, editable=False)
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
                condition=Q(refunded_minor__lte=models.F("authorised_minor")), name="refund_within_authorised"
            ),
            models.CheckConstraint(
                condition=Q(store_share_minor__lte=models.F("authorised_minor")), name="store_share_within_authorised"
            ),
            models.CheckConstraint(
                condition=Q(total_minor__lte=models.F("authorised_minor")), name="total_within_authorised"
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at"], name="order_recent"),
            models.Index(fields=["status", "-created_at"], name="order_by_status"),
            models.Index(fields=["store", "-created_at"], name="order_of_store"),
            models.Index(
                fields=["store", "promised_at"], condition=Q(status__in=sorted(AT_WORK)), name="order_at_work"
            ),
            models.Index(fields=["customer", "-created_at"], name="order_of_customer"),
            models.Index(fields=["promised_at"], condition=Q(status__in=sorted(LIVE)), name="order_promised"),
        ]

    def __str__(self) -> str:
        return self.order_id

    @property
    def point(self) -> Point | None:
        return None if self.latitude is None or self.longitude is None else Point(self.latitude, self.longitude)


class OrderItem(models.Model):
    """One line as it was ordered; `price_minor` is for one piece. What became of it: orders/line_items.py."""

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


class Substitution(models.Model):
    """What the store proposes for an item that it has not got (SPEC O6). Without a `name` there is no replacement: the
    item is not available and is left out. `price_minor` is for one piece of the replacement."""

    class How(models.TextChoices):
        """What decided it."""

        PAGE = "page", "On the customer's page"
        API = "api", "Through the API"
        OPS = "ops", "By ops"
        DEADLINE = "deadline", "The customer was silent"
        READY = "ready", "Preparation ended first"
        NO_CHOICE = "no_choice", "Nothing to choose"
        TAKEN_BACK = "taken_back", "Taken back by the store"
        CALLED_OFF = "called_off", "The order was called off"

    public_id = models.CharField(max_length=40, unique=True, default=new_substitution_id, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="+")
    item = models.ForeignKey(OrderItem, on_delete=models.PROTECT, related_name="substitutions")
    external_id = models.CharField(max_length=64, blank=True, default="")
    name = models.CharField(max_length=200, blank=True, default="")
    quantity = models.PositiveIntegerField(default=0)
    price_minor = models.PositiveBigIntegerField(default=0)
    reason = models.CharField(max_length=300, blank=True, default="")
    status = models.CharField(
        max_length=12, choices=SubstitutionStatus.choices, default=SubstitutionStatus.PROPOSED, editable=False
    )
    decide_by = models.DateTimeField(help_text="Then the customer's standing preference decides.")
    how = models.CharField(max_length=12, choices=How.choices, blank=True, default="")
    decided_by = models.CharField(max_length=80, blank=True, default="")
    decided_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["item"], condition=Q(status=SubstitutionStatus.PROPOSED), name="one_undecided_substitution"
            ),
            models.CheckConstraint(
                condition=Q(status=SubstitutionStatus.PROPOSED, decided_at=None)
                | (~Q(status=SubstitutionStatus.PROPOSED) & Q(decided_at__isnull=False)),
                name="substitution_decided_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.name} instead" if self.name else "left out"


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
