"""A rider's standing with us."""

from django.db import models

from foundation.lifecycle import LifeCycle


class RiderStatus(models.TextChoices):
    APPLIED = "applied"
    VERIFIED = "verified"
    SUSPENDED = "suspended"


STANDING = LifeCycle(
    RiderStatus,
    RiderStatus.APPLIED,
    {
        RiderStatus.APPLIED: [RiderStatus.VERIFIED, RiderStatus.SUSPENDED],
        RiderStatus.VERIFIED: [RiderStatus.SUSPENDED],
        RiderStatus.SUSPENDED: [RiderStatus.VERIFIED],
    },
)
