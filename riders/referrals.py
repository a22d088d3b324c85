"""Who brought whom, and when that has earned its bonus (SPEC R9): once, after 20 deliveries of the referred rider."""

import secrets
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, F, Q
from django.db.models.functions import Now

from foundation import events
from foundation.errors import Conflict, Invalid
from foundation.events import Cause
from riders import locks
from riders.lifecycle import RiderStatus
from riders.models import Referral, Rider

DELIVERIES_TO_EARN = 20
BONUS_MINOR = 50_000
BONUS_CURRENCY = "INR"

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # nothing that is misread
CODE_LENGTH = 8


@dataclass(frozen=True)
class Referrer:
    """A line of the list of top referrers."""

    name: str
    referred: int
    earned: int


def ensure_referral_code(rider_id: int) -> str:
    """The rider's own code, made on first asking."""
    with transaction.atomic():
        rider = locks.lock_rider(rider_id)
        if rider.referral_code is None:
            rider.referral_code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
            rider.save(update_fields=["referral_code"])
        return rider.referral_code


def use_code(rider_id: int, code: str) -> Referral:
    """A new rider says who brought them. The same code again is the same referral.

    Raises Invalid for a code that nobody has or the rider's own, Conflict once another was used or the rider is
    verified (a code is used at sign-up, not collected later).
    """
    referrer = Rider.objects.filter(referral_code=code.strip().upper()).first()
    if referrer is None or referrer.pk == rider_id:
        raise Invalid("is not a code of another rider", field="code")
    with transaction.atomic():
        rider = locks.lock_rider(rider_id)
        known = Referral.objects.filter(referred=rider).first()
        if known is not None and known.referrer_id == referrer.pk:
            return known
        if known is not None:
            raise Conflict("Another referral code was used before", code="REFERRAL_ALREADY_USED")
        if rider.standing != RiderStatus.APPLIED:
            raise Conflict("A referral code is used at sign-up", code="REFERRAL_TOO_LATE")
        return Referral.objects.create(referrer=referrer, referred=rider)


def count_delivery(rider_id: int, *, by: Cause) -> None:
    """The rider has delivered once more; called in the transaction of that delivery, so once for each.

    At the twentieth the referrer's bonus is due: event `rider.referral_earned` on the referral.
    """
    counted = Referral.objects.filter(referred_id=rider_id, earned_at=None).update(deliveries=F("deliveries") + 1)
    if not counted:
        return
    referral = Referral.objects.get(referred_id=rider_id)  # locked by the update
    if referral.deliveries >= DELIVERIES_TO_EARN:
        Referral.objects.filter(pk=referral.pk).update(earned_at=Now())
        events.record_event("rider.referral_earned", referral, by=by, data={"referrer": referral.referrer_id})


def list_referrals(rider_id: int) -> list[Referral]:
    """Whom the rider brought, newest first."""
    return list(Referral.objects.filter(referrer_id=rider_id).select_related("referred").order_by("-pk")[:100])


def top_referrers(limit: int = 10) -> list[Referrer]:
    """Who brought most riders that earned the bonus."""
    ranked = (
        Referral.objects.values("referrer__name", "referrer_id")
        .annotate(referred_count=Count("pk"), earned_count=Count("pk", filter=Q(earned_at__isnull=False)))
        .order_by("-earned_count", "-referred_count", "referrer_id")[:limit]
    )
    return [Referrer(row["referrer__name"], row["referred_count"], row["earned_count"]) for row in ranked]
