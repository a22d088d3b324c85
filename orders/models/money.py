"""Money that arrived, and money that is given back."""

from django.db import models
from django.db.models.functions import Now

from foundation.work import WorkItem
from orders.models.ids import new_public_id
from orders.models.orders import Order


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
    store_part_minor = models.PositiveBigIntegerField(
        null=True, blank=True, editable=False, help_text="How much of the store's share goes; empty: in proportion."
    )
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
