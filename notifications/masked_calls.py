"""Phone calls that connect two people without showing either the other's number.

We ring the one who asked; who answers is connected to the other, and both see our number. Twilio makes the call
(twilio.com/docs/voice/api/call-resource, TwiML; account and errors in notifications/channels/twilio_client.py).

At most once, and only at once: a call whose fate is unknown is not made again, nor one that has waited for a minute.
Nobody wants their phone to ring out of the blue, and who asked can ask again.
"""

from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.conf import settings
from django.db.models.functions import Now

from foundation import clock
from foundation.errors import Conflict, NotEnabled, Permanent, Transient
from foundation.http import CallRecord
from foundation.work import LostLease, WorkState
from notifications.channels import twilio_client
from notifications.contacts import recipients
from notifications.models import PhoneCall

log = structlog.get_logger(__name__)

FRESH = timedelta(seconds=60)
RING_S = 30
LONGEST_S = 600
MOST_PER_ORDER = 10


@dataclass(frozen=True)
class CallExpired:
    """It waited for too long to be made any more."""


def is_enabled() -> bool:
    return all(getattr(settings, name) for name in twilio_client.CREDENTIALS)


def enqueue_call(caller: str, callee: str, *, order_ref: str, greeting: str, language: str = "en") -> PhoneCall:
    """Write that `caller`'s phone is to ring and to be connected to `callee` (E.164 both); made by the work queue.

    The caller of this function holds the order's lock: of two presses of one button the second is told of the first.
    Raises NotEnabled without Twilio or without two numbers, Conflict while the phone rings and after ten calls.
    """
    numbers = [recipients.dialable_number(number) for number in (caller, callee)]
    if not is_enabled() or not all(numbers):
        raise NotEnabled("There is no number to call", code="NO_CALLS")
    if is_ringing(order_ref):
        raise Conflict("Your phone rings in a moment", code="RINGING")
    if PhoneCall.objects.filter(order_ref=order_ref).count() >= MOST_PER_ORDER:
        raise Conflict("There were too many calls about this order", code="TOO_MANY_CALLS")
    return PhoneCall.objects.create(
        caller=numbers[0], callee=numbers[1], order_ref=order_ref, greeting=greeting, language=language
    )


def is_ringing(order_ref: str) -> bool:
    """Whether a call about this order was asked for within the last minute and has not failed."""
    lately = PhoneCall.objects.filter(order_ref=order_ref, created_at__gt=Now() - FRESH)
    return lately.exclude(state__in=(WorkState.DEAD, WorkState.IGNORED)).exists()


# ── the work queue ───────────────────────────────────────────────────────────────────────────────────────────────
def place_call(call: PhoneCall) -> str | CallExpired:
    """Have the call made; returns Twilio's id of it. Called outside a transaction."""
    if call.provider_id or clock.now() > call.created_at + FRESH:
        return CallExpired()
    if call.started_at is not None:
        raise Permanent("a worker ended while it was made: perhaps it rang")
    _begin_call(call)
    form = {
        "to": call.caller,
        "from_": settings.TWILIO_FROM_NUMBER,
        "twiml": build_twiml(call),
        "timeout": RING_S,
        "time_limit": LONGEST_S,
    }
    record = CallRecord(
        "twilio",
        "call.connect",
        f"phone_call:{call.pk}",
        url=twilio_client.address_of("Calls"),
        attempt=call.retry_count,
        request={"to": call.caller, "from": settings.TWILIO_FROM_NUMBER, "connects_phone": call.callee},
    )
    try:
        return twilio_client.create_resource("calls", record, form)
    except Transient:
        PhoneCall.objects.filter(pk=call.pk, lease_token=call.lease_token).update(started_at=None)
        raise


def build_twiml(call: PhoneCall) -> str:
    """What Twilio does as soon as the caller answers."""
    from twilio.twiml.voice_response import VoiceResponse

    response = VoiceResponse()
    response.say(call.greeting, language=call.language)
    response.dial(caller_id=settings.TWILIO_FROM_NUMBER, time_limit=LONGEST_S, timeout=RING_S).number(call.callee)
    return str(response)


def record_outcome(call: PhoneCall, outcome: str | CallExpired) -> WorkState:
    if isinstance(outcome, CallExpired):
        log.info("call_not_made", call=call.pk, reason="too late")
        return WorkState.IGNORED
    PhoneCall.objects.filter(pk=call.pk).update(provider_id=outcome)
    return WorkState.DONE


def give_up(call: PhoneCall, error: Exception) -> WorkState:
    """Nobody makes this call later: who asked sees that it did not ring, and asks again."""
    log.warning("call_failed", call=call.pk, error=repr(error))
    return WorkState.IGNORED


def _begin_call(call: PhoneCall) -> None:
    """Commit that it is about to be made. Raises LostLease."""
    ours = PhoneCall.objects.filter(pk=call.pk, state=WorkState.LEASED, lease_token=call.lease_token)
    if not ours.update(started_at=Now()):
        raise LostLease(f"call {call.pk} belongs to another worker")
