"""The verbs of this room as people use them: who may, with which fields, what was done (foundation/actions.py)."""

from django import forms

from foundation.actions import ActionRequest, action
from foundation.errors import IllegalMove
from notifications.contacts import recipients, suppressions
from notifications.incidents import service
from notifications.models import (
    STORM,
    Incident,
    Message,
    PushToken,
    Recipient,
    SuppressedAddress,
)

PREVIEWED = 10


def _members_field() -> forms.Field:
    return forms.BooleanField(
        required=False,
        initial=True,
        label="Also what is folded into it",
        help_text="Storms only; else it does nothing.",
    )


def _preview_action(incident: Incident) -> str:
    """What an action on a storm would reach beside it."""
    if incident.kind != STORM:
        return ""
    members = service.members_of(incident).order_by("rank", "-last_at")
    lines = [f"{member.severity}: {member.title}" for member in members[:PREVIEWED]]
    more = members.count() - len(lines)
    return "\n".join([*lines, *([f"… and {more} more"] if more > 0 else [])])


def _and_more(done: int) -> str:
    return f", with {done - 1} under it" if done > 1 else ""


@action("Send again", permission="notifications.resend_message")
def send_again(message: Message, request: ActionRequest) -> str:
    if not Message.replay_rows([message.pk]):
        raise IllegalMove("only what is dead, or was left unsent, is sent again")
    return "is due again"


@action("Put aside", permission="notifications.resend_message")
def put_aside(message: Message, request: ActionRequest) -> str:
    if not Message.discard_rows([message.pk], reason=request.reason):
        raise IllegalMove("only a dead message is put aside")
    return "put aside"


@action("Opt out", permission="notifications.change_recipient")
def opt_out(recipient: Recipient, request: ActionRequest) -> str:
    if not recipients.opt_out(recipient):
        raise IllegalMove("has opted out already")
    return "hears only what is about money and orders under way"


@action("Opt in again", permission="notifications.change_recipient")
def opt_in(recipient: Recipient, request: ActionRequest) -> str:
    if not recipients.opt_in(recipient):
        raise IllegalMove("had not opted out")
    return "hears everything again"


@action("Opt out of WhatsApp", permission="notifications.change_recipient")
def whatsapp_opt_out(recipient: Recipient, request: ActionRequest) -> str:
    if not recipients.opt_out_of_whatsapp(recipient, "opted out, told to ops"):
        raise IllegalMove("had not opted in to WhatsApp")
    return "is not written to by WhatsApp any more"


@action("Opt in to WhatsApp: they asked for it", permission="notifications.change_recipient")
def whatsapp_opt_in(recipient: Recipient, request: ActionRequest) -> str:
    if not recipients.opt_in_to_whatsapp(recipient, request.by.actor):
        raise IllegalMove("has opted in to WhatsApp already")
    return "may be written to by WhatsApp"


@action(
    "Change addresses",
    permission="notifications.change_recipient",
    fields={
        "email": lambda: forms.EmailField(required=False, help_text="Empty: stays as it is."),
        "phone": lambda: forms.CharField(
            required=False, max_length=30, help_text="With country code. Empty: stays as it is."
        ),
    },
)
def change_addresses(recipient: Recipient, request: ActionRequest) -> str:
    changed = recipients.change_addresses(recipient, **request.fields)
    return f"changed: {', '.join(changed) or 'nothing'}"


@action("Forget their addresses, and tell them nothing any more", permission="notifications.change_recipient")
def erase_recipient(recipient: Recipient, request: ActionRequest) -> str:
    if not recipients.erase_recipient(recipient):
        raise IllegalMove("is forgotten already")
    return "is forgotten, and told nothing any more"


@action("Push to it no more", permission="notifications.change_pushtoken")
def retire_token(token: PushToken, request: ActionRequest) -> str:
    if not recipients.retire_token(token.token, "by ops"):
        raise IllegalMove("is retired already")
    return "retired"


@action("Push to it again", permission="notifications.change_pushtoken")
def bring_back(token: PushToken, request: ActionRequest) -> str:
    if not recipients.reinstate_token(token.token):
        raise IllegalMove("is not retired")
    return "is pushed to again"


@action("Write to it again", permission="notifications.change_suppressedaddress")
def reinstate_address(retired: SuppressedAddress, request: ActionRequest) -> str:
    if not suppressions.reinstate_address(retired.channel, retired.address, request.by.actor):
        raise IllegalMove("is in use again already")
    return "is written to again"


@action(
    "Acknowledge",
    permission="notifications.decide_incident",
    fields={"members": _members_field},
    preview=_preview_action,
)
def acknowledge_incident(incident: Incident, request: ActionRequest) -> str:
    done = service.acknowledge_incident(incident, request.by, members=request.fields["members"])
    return "acknowledged" + _and_more(done)


@action(
    "Resolve", permission="notifications.decide_incident", fields={"members": _members_field}, preview=_preview_action
)
def resolve_incident(incident: Incident, request: ActionRequest) -> str:
    done = service.resolve_incident(incident, request.by, request.reason, members=request.fields["members"])
    return "resolved" + _and_more(done)
