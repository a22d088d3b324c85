"""What a person wishes to hear, and by which channels (SPEC N1): what they are shown of it and what they may change.

Shown are the channels by which they would hear: one whose address is retired is not among them, and to list it again is
how its owner brings it back. So whoever sends back what they were shown, changes nothing. No channel at all means to
opt out: then only what is about money and orders under way is told.
"""

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from foundation import clock
from foundation.errors import Invalid
from notifications.channels import CHANNELS
from notifications.contacts import recipients, suppressions
from notifications.models import PushToken, Recipient


def preferences_body(recipient: Recipient) -> dict[str, Any]:
    """The contract's NotificationPreference, without the id that the caller knows the person by."""
    tokens = PushToken.objects.filter(recipient=recipient, retired_at=None).order_by("pk")
    return {
        "channels": channels_of(recipient),
        "email": recipient.email or None,
        "phone": recipient.phone or None,
        "push_tokens": list(tokens.values_list("token", flat=True)),
        "whatsapp_opted_in": recipient.whatsapp_opted_in_at is not None,
    }


def channels_of(recipient: Recipient) -> list[str]:
    """By which the person would hear, in their order."""
    if recipient.opted_out_at is not None:
        return []
    wished = recipient.channels or list(CHANNELS)
    return [name for name in wished if name in CHANNELS and not _is_gone(name, recipient)]


def _is_gone(name: str, recipient: Recipient) -> bool:
    to = CHANNELS[name].addresses_of(recipient)
    return bool(to) and not suppressions.deliverable_addresses(name, to)


def change_preferences(recipient: Recipient, by: str, **wishes: Any) -> None:
    """What `wishes` holds of `channels`, `email` and `phone` is so from now on (None or "": no such address).

    `by` ("user:7") is who wishes it. Raises Invalid for a number that cannot be dialled.
    """
    with transaction.atomic():
        row = Recipient.objects.select_for_update(no_key=True, of=("self",)).get(pk=recipient.pk)
        before = channels_of(row)
        if "email" in wishes:
            row.email = wishes["email"] or ""
        if "phone" in wishes:
            _change_phone(row, wishes["phone"] or "")
        if "channels" in wishes:
            _change_channels(row, before, list(dict.fromkeys(wishes["channels"])), by)
        row.save()


def _change_phone(row: Recipient, phone: str) -> None:
    number = recipients.dialable_number(phone)
    if phone and not number:
        raise Invalid("must be a number with its country code, like +91 80123 45678", field="phone")
    if number != row.phone:  # consent to WhatsApp was given for the old one
        row.phone, row.whatsapp_opted_in_at, row.whatsapp_last_inbound_at = number, None, None


def _change_channels(row: Recipient, before: Sequence[str], wanted: list[str], by: str) -> None:
    if wanted == list(before):
        return
    row.opted_out_at = None if wanted else clock.now()
    if wanted:
        row.channels = [] if wanted == list(CHANNELS) else wanted
    for name in wanted:
        if name not in before:
            for address in CHANNELS[name].addresses_of(row):
                suppressions.reinstate_address(name, address, by)
