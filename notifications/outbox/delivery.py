"""Carrying one message to its recipient: the ladder of channels, climbed by the work queues in tasks.py (SPEC N2).

A channel that does not do (off, no address, its money for today spent, refused for good) is skipped with its reason and
the next one is tried, in the same row. One that is only down is tried again; after a few attempts the next one gets its
turn. Before each step it is asked whether the message may go (eligibility.py); it says what is true then. Each channel
says whether a message whose fate is unknown is sent again (notifications/channels/).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from django.conf import settings

from foundation import events, jobs
from foundation.errors import CallFailed, Permanent, Unknown
from foundation.work import LostLease, Release, WorkState
from notifications.channels import CHANNELS
from notifications.channels.base import NO_ADDRESS, Channel, RenderedMessage
from notifications.channels.whatsapp import NOT_OPTED_IN
from notifications.contacts import suppressions
from notifications.content import overrides
from notifications.content.catalogue import CATALOGUE
from notifications.content.template import Template
from notifications.incidents import service
from notifications.models import Message, Recipient, Severity
from notifications.outbox import budget, eligibility, rendering

log = structlog.get_logger(__name__)

PATIENCE = 4  # attempts that a channel which is down gets while there is another one to try
DEPLOY_WAIT_S = 5.0
PUSH = "push"
UNACKNOWLEDGED = jobs.handler_name("notifications.push_unacknowledged")
OFF, NOBODY = "off", "no channel reaches this person"
PASSED_OVER = {OFF, NO_ADDRESS, NOT_OPTED_IN, budget.CAP_REACHED}  # nobody was asked
CREDENTIALS_REFUSED = ("401", "403")


@dataclass(frozen=True)
class Sent:
    """A provider has it, in the words of this message.

    `why` says whose choice of channels led there; `is_last`: no other one is left.
    """

    channel: str
    provider_id: str
    rendered: RenderedMessage
    why: str = ""
    is_last: bool = True


@dataclass(frozen=True)
class NotSent:
    """It shall not go out, and that is no failure: `reason` is kept with the row."""

    reason: str


@dataclass(frozen=True)
class ChannelStep:
    """A step of the ladder: a channel with the addresses it reaches the person at, or why it is passed over."""

    channel: Channel
    to: Sequence[str] = ()
    passed_over: str = ""


def send_message(message: Message) -> Sent | NotSent:
    """Hand the message to the first channel that takes it. Called outside a transaction.

    Raises Permanent when channels were tried and none took it; Transient or Unknown when it is worth trying again.
    """
    template = CATALOGUE.get(message.event)
    if template is None or not CHANNELS.keys() >= set(message.channels):
        raise Release(DEPLOY_WAIT_S, f"{message.event} was written by a newer release than this process")
    recipient = Recipient.objects.get(pk=message.recipient_id)
    if reason := eligibility.refusal_reason(message, template, recipient):
        return NotSent(reason)
    _note_interruption(message)
    rungs = _list_steps(message, template, recipient)
    ways = [rung for rung in rungs if rung.to]
    if ways and (reason := _may_not(message, template, recipient)):
        return NotSent(reason)
    words = overrides.load_texts(template, recipient.language)
    for rung in rungs:
        if not rung.to:
            _skip_channel(message, rung.channel.name, rung.passed_over)
            continue
        if rung is not ways[0] and (reason := eligibility.obsolete_reason(message)):
            return NotSent(reason)
        rendered = rendering.render_message(message, rung.channel, words, message.params)
        is_last = rung is ways[-1]
        provider_id = _hand_over(message, template, rung, rendered, is_last=is_last)
        if provider_id is not None:
            return Sent(rung.channel.name, provider_id, rendered, _chosen_by(message, template, recipient), is_last)
    return _nobody_took(message)


def record_outcome(message: Message, outcome: Sent | NotSent) -> WorkState:
    """Write down what became of it, in the transaction that finishes the row."""
    if isinstance(outcome, NotSent):
        _skip_channel(message, "", outcome.reason)
        Message.objects.filter(pk=message.pk).update(skipped=message.skipped, channel="")
        log.info("message_not_sent", message=message.pk, about=message.event, reason=outcome.reason)
        return WorkState.IGNORED
    Message.objects.filter(pk=message.pk).update(
        channel=outcome.channel,
        why=outcome.why,
        provider_id=outcome.provider_id,
        title=outcome.rendered.title,
        body=outcome.rendered.body,
        text_override=outcome.rendered.text_override,
        skipped=message.skipped,
    )
    if outcome.channel == PUSH and not outcome.is_last and settings.PUSH_ACK_SECONDS > 0:
        jobs.enqueue_job(UNACKNOWLEDGED, events.subject_of(message), in_s=settings.PUSH_ACK_SECONDS)
    return WorkState.DONE


def give_up(message: Message, _error: Exception) -> WorkState:
    """Out of channels or of tries: a dead letter, with the reason of every channel."""
    Message.objects.filter(pk=message.pk).update(skipped=message.skipped, channel="")
    return WorkState.DEAD


# ── what goes out ────────────────────────────────────────────────────────────────────────────────────────────────
def _may_not(message: Message, template: Template, recipient: Recipient) -> str:
    """Why it is not sent after all; "" when it may go now. Raises Release when it has to wait."""
    return (
        eligibility.obsolete_reason(message)
        or eligibility.hold_back(message, template, recipient)
        or eligibility.take_place(message, template)
    )


# ── the ladder ───────────────────────────────────────────────────────────────────────────────────────────────────
def _channel_ladder(message: Message, template: Template, recipient: Recipient) -> Sequence[str]:
    """The caller's channels, else those of the person's wishes that fit the event, else the event's own."""
    if message.channels:
        return list(message.channels)
    wished = _wished_channels(template, recipient)
    return wished if wished or (recipient.channels and not template.transactional) else template.channels


def _wished_channels(template: Template, recipient: Recipient) -> list[str]:
    return [name for name in recipient.channels if name in template.channels]


def _chosen_by(message: Message, template: Template, recipient: Recipient) -> str:
    """Whose choice of channels and of their order it is, for those who ask why it went by this one."""
    if message.channels:
        return "the sender's choice of channels"
    return "the person's own channels" if _wished_channels(template, recipient) else "the event's ladder"


def _list_steps(message: Message, template: Template, recipient: Recipient) -> list[ChannelStep]:
    """The channels still to be tried, in their order, each with the addresses it reaches the person at, if any."""
    behind = {step["channel"] for step in message.skipped}
    return [
        _build_step(name, recipient) for name in _channel_ladder(message, template, recipient) if name not in behind
    ]


def _build_step(name: str, recipient: Recipient) -> ChannelStep:
    channel = CHANNELS[name]
    if not channel.is_enabled():
        return ChannelStep(channel, passed_over=OFF)
    to = channel.addresses_of(recipient)
    if not to:
        return ChannelStep(channel, passed_over=channel.why_not(recipient))
    live = suppressions.deliverable_addresses(name, to)
    return (
        ChannelStep(channel, live)
        if live
        else ChannelStep(channel, passed_over=suppressions.suppression_reason(name, to[0]))
    )


def goes_on(message: Message) -> bool:
    """Whether another channel may still tell what this message's provider could not deliver. Changes nothing."""
    template = CATALOGUE.get(message.event)
    if template is None:
        return False
    recipient = Recipient.objects.get(pk=message.recipient_id)
    rungs = _list_steps(message, template, recipient)
    return not eligibility.refusal_reason(message, template, recipient) and any(rung.to for rung in rungs)


def _hand_over(
    message: Message, template: Template, rung: ChannelStep, rendered: RenderedMessage, *, is_last: bool
) -> str | None:
    """The provider's id; None when this channel does not do. Raises what is worth trying again on this channel."""
    channel = rung.channel
    reserved = budget.reserve_budget(channel.name, channel.count_parts(rendered), beyond_cap=template.beyond_cap)
    if reserved is None:
        _skip_channel(message, channel.name, budget.CAP_REACHED)
        return None
    try:
        if not channel.resend_unknown:
            _commit_progress(message, under_way=channel.name)
        return channel.send_message(rendered, rung.to)
    except LostLease:
        budget.give_back(reserved)
        raise
    except CallFailed as error:
        if not isinstance(error, Unknown):
            budget.give_back(reserved)
        if isinstance(error, Permanent) and error.code in CREDENTIALS_REFUSED:
            _report_refused_credentials(channel, rendered, error)
        over = isinstance(error, Permanent) or (isinstance(error, Unknown) and not channel.resend_unknown)
        if not over and (is_last or message.retry_count < PATIENCE):
            _commit_progress(message, under_way="")
            raise
        _skip_channel(message, channel.name, f"{type(error).__name__.lower()}: {error}")
        return None


def _nobody_took(message: Message) -> NotSent:
    """Nobody to reach is no failure; being refused, or not knowing, is one."""
    refusals = [step for step in message.skipped if not _passed_over(step["reason"])]
    if refusals:
        raise Permanent("; ".join(f"{step['channel']}: {step['reason']}" for step in refusals))
    return NotSent(NOBODY)


def _passed_over(reason: str) -> bool:
    return reason in PASSED_OVER or reason.startswith(suppressions.RETIRED)


def _note_interruption(message: Message) -> None:
    """A worker died while an at-most-once channel was under way: it may have gone out, so that channel is over."""
    if message.channel:
        _skip_channel(message, message.channel, "unknown: a worker ended while sending")
        message.channel = ""


def _skip_channel(message: Message, channel: str, reason: str) -> None:
    message.skipped = [*message.skipped, {"channel": channel, "reason": reason[:300]}]


def _commit_progress(message: Message, *, under_way: str) -> None:
    """Commit how far the ladder was climbed, and what is about to be sent. Raises LostLease: then nothing is sent."""
    ours = Message.objects.filter(pk=message.pk, state=WorkState.LEASED, lease_token=message.lease_token)
    if not ours.update(skipped=message.skipped, channel=under_way):
        raise LostLease(f"message {message.pk} belongs to another worker")


def _report_refused_credentials(channel: Channel, rendered: RenderedMessage, error: Permanent) -> None:
    service.open_incident(
        "channel_refused_us",
        severity=Severity.CRITICAL,
        title=f"The provider of {channel.name} refuses our credentials",
        dedupe=f"channel:{channel.name}:credentials",
        detail={"answer": str(error)[:300], "settings": list(channel.needs), "call": rendered.reference},
    )
