"""A delivery as a courier company's job: one to one, from the moment at which the company was chosen."""

from django.db import models

from deliveries.models.couriers import CourierQuote
from deliveries.models.delivery import Delivery
from foundation.models import User


class CourierJob(models.Model):
    """What is true of a delivery only because a courier company carries it; deliveries by own riders have none.

    It is written under the lock of its delivery (deliveries/locks.py) and read after that lock is held: a join would
    show what stood here before the lock was waited for.
    """

    delivery = models.OneToOneField(Delivery, on_delete=models.PROTECT, primary_key=True, related_name="courier_job")
    quote = models.ForeignKey(CourierQuote, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    reference = models.CharField(max_length=80, blank=True, default="", help_text="The company's own id of the job.")
    status_text = models.CharField(max_length=40, blank=True, default="", help_text="The company's latest status.")
    history = models.JSONField(
        default=dict,
        blank=True,
        help_text="When each stage was reached, by the company's clock (deliveries/couriers/status_history.py).",
    )
    told_at = models.JSONField(
        default=dict,
        blank=True,
        help_text="By what was told: when it was so, by the company's clock, and at which stage"
        " (deliveries/couriers/latest_news.py).",
    )
    last_heard_at = models.DateTimeField(help_text="When the company last told us anything.")
    fee_minor = models.PositiveBigIntegerField(null=True, blank=True, help_text="What it said it charges.")
    fee_currency = models.CharField(max_length=3, blank=True, default="")
    tracking_url = models.CharField(max_length=500, blank=True, default="")
    arrival_at = models.DateTimeField(null=True, blank=True, help_text="The company's own estimate.")
    proofs = models.JSONField(default=dict, blank=True, help_text="Photos and signatures as the company names them.")
    stop_reason = models.CharField(max_length=300, blank=True, default="", help_text="Why we want it to stop.")
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    stop_refused_at = models.DateTimeField(null=True, blank=True, help_text="The company goes on: ops decides.")
    stop_decision = models.CharField(max_length=12, blank=True, default="", help_text="keep | double_cost")
    stop_decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        indexes = [
            models.Index(fields=["reference"], condition=~models.Q(reference=""), name="courier_job_by_reference"),
        ]

    def __str__(self) -> str:
        return self.reference or f"job of {self.delivery_id}"
