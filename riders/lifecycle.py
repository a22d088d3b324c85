"""A rider's standing with us."""

from django.db import models

from foundation.lifecycle import LifeCycle


class Standing(models.TextChoices):
    APPLIED = "applied"
    VERIFIED = "verified"
    SUSPENDED = "suspended"


STANDING = LifeCycle(
    Standing,
    Standing.APPLIED,
    {
        Standing.APPLIED: [Standing.VERIFIED, Standing.SUSPENDED],
        Standing.VERIFIED: [Standing.SUSPENDED],
        Standing.SUSPENDED: [Standing.VERIFIED],
    },
)
