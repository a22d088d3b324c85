"""The customer's page of an order: links to it and ratings given there."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from deliveries.models.delivery import Delivery
from orders.models import Order
from riders.models import Rider


class TrackingLink(models.Model):
    """An address that shows one order to whoever has it (SPEC T3). Only the token's digest is kept: this table alone
    opens nothing (deliveries/tracking/links.py makes the token). It may end before `expires_at`: some hours after the
    order."""

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
