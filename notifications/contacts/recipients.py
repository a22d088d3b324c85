"""Whom we write to, and where: addresses, devices, wishes."""

from datetime import datetime, timedelta

import phonenumbers
import structlog
from django.db import transaction
from django.db.models.functions import Now

from foundation import clock
from foundation.errors import Invalid
from foundation.fields import max_length
from foundation.models import User
from notifications.contacts import suppressions
from notifications.models import PushToken, Recipient

log = structlog.get_logger(__name__)

TOKEN_LENGTH = max_length(PushToken, "token")
PLATFORM_LENGTH = max_length(PushToken, "platform")


def create_recipient(
    *,
    name: str = "",
    email: str = "",
    phone: str = "",
    language: str = "en",
    time_zone: str = "",
    user: User | None = None,
) -> Recipient:
    """A new recipient. A phone number that cannot be dialled from abroad is left out (the ladder then goes on).

    `time_zone` is a name that ZoneInfo knows; "": as configured.
    """
    return Recipient.objects.create(
        name=name[:120],
        email=email,
        phone=dialable_number(phone),
        language=language or "en",
        time_zone=time_zone,
        user=user,
    )


def move_to(recipient: Recipient, time_zone: str) -> bool:
    """Their clock is the one of this time zone from now on. Returns whether that changed anything."""
    elsewhere = Recipient.objects.filter(pk=recipient.pk).exclude(time_zone=time_zone)
    return bool(elsewhere.update(time_zone=time_zone))


def erase_recipient(recipient: Recipient) -> bool:
    """Forget who they are and where they can be reached; they are told nothing more, whatever it is about.

    What waits to be said to them is not sent: each try looks at this row again. Of what was said the words go with the
    messages (ops/retention.py). Returns whether that changed anything.
    """
    with transaction.atomic():
        new = Recipient.objects.filter(pk=recipient.pk, erased_at=None).update(
            name="",
            email="",
            phone="",
            channels=[],
            whatsapp_opted_in_at=None,
            whatsapp_last_inbound_at=None,
            erased_at=Now(),
        )
        PushToken.objects.filter(recipient=recipient).delete()
    return bool(new)


def dialable_number(phone: str) -> str:
    """The number as E.164 ("+918012345678"), or "" when it has no country code or cannot be one."""
    if not phone.strip():
        return ""
    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        log.info("phone_not_dialable", reason="no country code, or not a number")
        return ""
    if not phonenumbers.is_possible_number(number):
        log.info("phone_not_dialable", reason="impossible length")
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def change_addresses(recipient: Recipient, *, email: str = "", phone: str = "") -> list[str]:
    """Put new addresses in the place of old ones; "" leaves one as it is. Returns what changed, by name.

    Raises Invalid for a phone number that cannot be dialled.
    """
    if phone and not dialable_number(phone):
        raise Invalid("must be a number with its country code, like +91 80123 45678", field="phone")
    wanted = {"email": email, "phone": dialable_number(phone)}
    changed = {name: value for name, value in wanted.items() if value and value != getattr(recipient, name)}
    if changed:
        anew = {"whatsapp_opted_in_at": None, "whatsapp_last_inbound_at": None} if "phone" in changed else {}
        Recipient.objects.filter(pk=recipient.pk).update(**changed, **anew)  # consent is to a number
    return sorted(changed)


def register_token(recipient: Recipient, token: str, platform: str = "") -> PushToken:
    """A device may be pushed to. One that was somebody else's belongs to `recipient` from now on (SPEC N4).

    Raises Invalid for a token that cannot be one.
    """
    if not token or len(token) > TOKEN_LENGTH or not token.isprintable():
        raise Invalid(f"must be 1 to {TOKEN_LENGTH} printable characters", field="token")
    row, _ = PushToken.objects.update_or_create(
        token=token,
        defaults={
            "recipient": recipient,
            "platform": platform[:PLATFORM_LENGTH],
            "last_seen_at": Now(),
            "retired_at": None,
            "retired_reason": "",
        },
    )
    return row


def retire_token(token: str, reason: str, *, not_seen_since: datetime | None = None) -> bool:
    """Push to this device no more. With `not_seen_since`, a device that registered anew after that is left alone (the
    bad news was about its past). Returns whether a token was retired."""
    tokens = PushToken.objects.filter(token=token, retired_at=None)
    if not_seen_since is not None:
        tokens = tokens.filter(last_seen_at__lte=not_seen_since)
    return bool(tokens.update(retired_at=Now(), retired_reason=reason[:60]))


def reinstate_token(token: str) -> bool:
    """Push to this device again. Returns whether it was retired; FCM says soon enough if it is still gone."""
    retired = PushToken.objects.filter(token=token, retired_at__isnull=False)
    return bool(retired.update(retired_at=None, retired_reason="", last_seen_at=Now()))


def opt_out(recipient: Recipient) -> bool:
    """Only transactional messages from now on. Returns whether that changed anything."""
    return bool(Recipient.objects.filter(pk=recipient.pk, opted_out_at=None).update(opted_out_at=Now()))


def opt_in(recipient: Recipient) -> bool:
    return bool(Recipient.objects.filter(pk=recipient.pk, opted_out_at__isnull=False).update(opted_out_at=None))


def opt_in_to_whatsapp(recipient: Recipient, by: str) -> bool:
    """The person (`by`: "user:7") wants to be written to by WhatsApp. Raises Invalid without a number to write to."""
    if not recipient.phone:
        raise Invalid("is needed: WhatsApp writes to a phone number", field="phone")
    suppressions.reinstate_address("whatsapp", recipient.phone, by)
    new = Recipient.objects.filter(pk=recipient.pk, whatsapp_opted_in_at=None).update(whatsapp_opted_in_at=Now())
    return bool(new)


def opt_out_of_whatsapp(recipient: Recipient, reason: str) -> bool:
    """No more WhatsApp to this person. Returns whether that changed anything."""
    out = Recipient.objects.filter(pk=recipient.pk, whatsapp_opted_in_at__isnull=False)
    changed = bool(out.update(whatsapp_opted_in_at=None))
    if changed:
        suppressions.suppress_address("whatsapp", recipient.phone, reason)
    return changed


def heard_on_whatsapp(phone: str, at: datetime) -> int:
    """The person with this number wrote to us. Returns how many recipients that is."""
    later = Recipient.objects.filter(phone=phone).exclude(whatsapp_last_inbound_at__gte=at)
    return later.update(whatsapp_last_inbound_at=min(at, clock.now()))


def said_stop_on_whatsapp(phone: str, at: datetime) -> None:
    """Nobody with this number is written to by WhatsApp, until they opt in again. Older than their opt-in: nothing.

    `at` is told in whole seconds: in doubt it was said last.
    """
    at += timedelta(seconds=1)
    if Recipient.objects.filter(phone=phone, whatsapp_opted_in_at__gt=at).exists():
        return
    if suppressions.suppress_address("whatsapp", phone, "opted out by message", at=at):
        Recipient.objects.filter(phone=phone, whatsapp_opted_in_at__lte=at).update(whatsapp_opted_in_at=None)
