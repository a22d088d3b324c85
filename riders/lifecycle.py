"""The statuses of a rider and the moves between them."""

from django.db import models

from foundation.lifecycle import LifeCycle


class RiderStatus(models.TextChoices):
    APPLIED = "applied"
    VERIFIED = "verified"
    SUSPENDED = "suspended"


RIDER = LifeCycle(
    RiderStatus,
    RiderStatus.APPLIED,
    {
        RiderStatus.APPLIED: [RiderStatus.VERIFIED, RiderStatus.SUSPENDED],
        RiderStatus.VERIFIED: [RiderStatus.SUSPENDED],
        RiderStatus.SUSPENDED: [RiderStatus.VERIFIED],
    },
)
