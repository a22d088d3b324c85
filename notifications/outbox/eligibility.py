"""Whether a message may go out at all, and whether it may now: consent, age, truth, quiet hours, limits (SPEC N2).

Asked again before each try and at each rung of the ladder: what was right a minute ago may not be right any more. A
reason that is not "" is kept with the row, word for word as docs/messages.md explains it.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from foundation import clock
from foundation.work import Release
from notifications.content.template import Template
from notifications.models import Message, ReceiptOutcome, Recipient
from notifications.outbox import freshness, quiet_hours

ERASED = "erased"
READ = "read already"
OPTED_OUT = "opted out"
TOO_LATE = "too late"
LATER_TOO_LATE = "quiet hours, and too late after them"
QUIET = "quiet hours"
PERSON_LIMIT = "rate limited"
EVENT_LIMIT = "rate limited: too many of this event"


# ── at all ───────────────────────────────────────────────────────────────────────────────────────────────────────
def refusal_reason(message: Message, template: Template, recipient: Recipient) -> str:
    """Why this person is not to be told, by what the rows in hand say; "" when they are."""
    if recipient.erased_at is not None:
        return ERASED
    if message.acknowledged_at is not None or message.receipt == ReceiptOutcome.READ:
        return READ
    if recipient.opted_out_at and not template.transactional:
        return OPTED_OUT
    if clock.now() > useless_at(message, template):
        return TOO_LATE
    return ""


def useless_at(message: Message, template: Template) -> datetime:
    return message.created_at + timedelta(seconds=template.useful_for_s)


def obsolete_reason(message: Message) -> str:
    """Why it does not matter any more; "" while it does, and then its params are what is true now.

    What was told before may have been seen since the row was claimed: a ladder takes its time, and the next channel
    would tell it again.
    """
    told_before = message.retry_count > 1 or message.skipped
    if told_before and Message.objects.filter(pk=message.pk, acknowledged_at__isnull=False).exists():
        return READ
    return freshness.refresh_params(message)


# ── now ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def hold_back(message: Message, template: Template, recipient: Recipient) -> str:
    """Let it wait for the end of the person's quiet hours: raises Release, which is no attempt.

    Returns why it need not wait, since nobody would want it then; "": it may go now.
    """
    ends = quiet_hours.quiet_until(recipient, clock.now()) if template.can_wait else None
    if ends is None:
        return ""
    if ends > useless_at(message, template):
        return LATER_TOO_LATE
    raise Release((ends - clock.now()).total_seconds(), f"{QUIET} until {clock.format_wire(ends)}")


def take_place(message: Message, template: Template) -> str:
    """Count it among what the person hears in this hour, once however often it is tried. Returns why there is no place.

    The person's row is locked and counted in a statement of its own, which sees what others committed meanwhile: of
    any number of workers no two take the last place.
    """
    if template.transactional or message.counted_at is not None:
        return ""
    with transaction.atomic():
        Recipient.objects.select_for_update(no_key=True, of=("self",)).get(pk=message.recipient_id)
        lately = Message.objects.filter(recipient=message.recipient_id, counted_at__gt=Now() - timedelta(hours=1))
        if lately.count() >= settings.MESSAGES_PER_PERSON_PER_HOUR:
            return PERSON_LIMIT
        if lately.filter(event=message.event).count() >= _of_one_event(template):
            return EVENT_LIMIT
        Message.objects.filter(pk=message.pk).update(counted_at=Now())
    return ""


def _of_one_event(template: Template) -> int:
    if template.at_most_per_hour is None:
        return settings.MESSAGES_PER_EVENT_PER_HOUR
    return template.at_most_per_hour
