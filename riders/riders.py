"""Who may carry for us: creating, verifying, suspending, capacity (SPEC R4, R9, D1)."""

from django.db import transaction

from foundation import events
from foundation.errors import Conflict, Invalid
from foundation.events import Cause
from foundation.fields import max_length
from foundation.models import Role, User
from notifications.contacts import recipients
from notifications.outbox import enqueue
from riders import availability, capacity, locks, referrals
from riders.lifecycle import RIDER, RiderStatus
from riders.models import Rider

MAX_REASON = max_length(Rider, "suspended_reason")
MAX_CONCURRENT = 10


def create_rider(
    *,
    name: str,
    username: str,
    password: str | None = None,
    phone: str = "",
    email: str = "",
    vehicle: str = "",
    language: str = "en",
    max_concurrent: int = 3,
    referral_code: str = "",
) -> Rider:
    """A rider who has applied, with a user to sign in as (None: no password yet) and a recipient to write to.

    `referral_code` is the one of the rider who brought them. Raises Invalid for a code that nobody has, or a name
    that is taken.
    """
    if User.objects.filter(username=username).exists():
        raise Invalid("is taken", field="username")
    _check_limit(max_concurrent)
    with transaction.atomic():
        user = User.objects.create_user(
            username=username, email=email, password=password, role=Role.RIDER, first_name=name[:150]
        )
        rider = Rider.objects.create(
            user=user,
            recipient=recipients.create_recipient(name=name, email=email, phone=phone, language=language, user=user),
            name=name,
            phone=phone,
            vehicle=vehicle,
            max_concurrent=max_concurrent,
        )
        if referral_code:
            referrals.use_code(rider.pk, referral_code)
    return rider


def verify_rider(rider_id: int, *, by: Cause) -> Rider:
    """The rider's papers are in order: offers may come. Raises IllegalMove for one who is verified, Conflict for one
    who is suspended."""
    with transaction.atomic():
        rider = locks.lock_rider(rider_id)
        if rider.standing == RiderStatus.SUSPENDED:
            raise Conflict("A suspended rider is reinstated, not verified")
        return _change_status(rider, RiderStatus.VERIFIED, "rider.verified", by=by)


def suspend_rider(rider_id: int, reason: str, *, by: Cause) -> Rider:
    """No offers until ops decides; the rider goes offline and is told why. What is being carried stays with the rider.

    Suspending a suspended rider changes nothing.
    """
    if not reason.strip():
        raise Invalid("say why", field="reason")
    with transaction.atomic():
        rider = locks.lock_rider(rider_id)
        if rider.standing == RiderStatus.SUSPENDED:
            return rider
        version = events.record_event("rider.suspended", rider, by=by, data={"reason": reason})
        rider = _change_status(rider, RiderStatus.SUSPENDED, None, by=by, reason=reason.strip()[:MAX_REASON])
        enqueue.enqueue_message(
            rider.recipient_id, "rider.suspended", {"reason": reason}, dedupe=f"rider:{rider.pk}:{version}"
        )
        return availability.set_online(rider_id, False, None, by=by)


def reinstate_rider(rider_id: int, *, by: Cause, note: str = "") -> Rider:
    """Ops trusts the rider again; fake attempts are counted anew. Raises Conflict unless suspended."""
    with transaction.atomic():
        rider = locks.lock_rider(rider_id)
        if rider.standing != RiderStatus.SUSPENDED:
            raise Conflict("The rider is not suspended")
        rider.fake_attempts = 0
        rider.save(update_fields=["fake_attempts"])
        return _change_status(rider, RiderStatus.VERIFIED, "rider.reinstated", by=by, note=note)


def set_capacity(rider_id: int, max_concurrent: int, *, by: Cause) -> Rider:
    """How many deliveries and offers the rider may have at once. Raises Conflict below what is under way now."""
    _check_limit(max_concurrent)
    with transaction.atomic():
        rider = locks.lock_rider(rider_id)
        if max_concurrent < rider.load:
            raise Conflict(f"{rider.load} deliveries and offers are under way", code="RIDER_BUSY")
        data = {"from": rider.max_concurrent, "to": max_concurrent}
        rider.max_concurrent = max_concurrent
        rider.save(update_fields=["max_concurrent"])
        capacity.copy_to_spot(rider_id)
        events.record_event("rider.capacity_changed", rider, by=by, data=data)
        return rider


def count_fake_attempt(rider_id: int) -> int:
    """One more confirmation from the wrong place (SPEC R4). Returns how many; the caller draws conclusions."""
    with transaction.atomic():
        rider = locks.lock_rider(rider_id)
        rider.fake_attempts += 1
        rider.save(update_fields=["fake_attempts"])
        return rider.fake_attempts


def _check_limit(max_concurrent: int) -> None:
    if not 1 <= max_concurrent <= MAX_CONCURRENT:
        raise Invalid(f"must be from 1 to {MAX_CONCURRENT}", field="max_concurrent")


def _change_status(
    rider: Rider, status: RiderStatus, event: str | None, *, by: Cause, reason: str = "", note: str = ""
) -> Rider:
    RIDER.require_move(rider.standing, status, what="rider")
    before, rider.standing, rider.suspended_reason = rider.standing, status, reason
    rider.save(update_fields=["standing", "suspended_reason"])
    capacity.copy_to_spot(rider.pk)
    if event:
        events.record_event(event, rider, by=by, data={"from": before, "to": status.value, "note": note})
    return rider
