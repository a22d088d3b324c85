"""Putting other words in the place of those in force: the verbs behind ops' templates page (SPEC N4).

Each is a new version, never a change of an old one, and an event with who and why. Whoever writes says which version
they saw (`based_on`): of two people who write at once the second is told, and nothing of either is lost.
"""

from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from foundation import events
from foundation.errors import Conflict, IllegalMove, Invalid, NotFound
from foundation.events import Cause
from foundation.fields import max_length
from foundation.models import User
from notifications.channels.whatsapp import template_name
from notifications.content import validation
from notifications.content.catalogue import CATALOGUE, CUSTOMER_LANGUAGES
from notifications.content.overrides import EVERY_CHANNEL
from notifications.content.template import MessageText, Template
from notifications.models import Approval, TextOverride

NOTE_LENGTH = max_length(TextOverride, "note")
LANGUAGES = CUSTOMER_LANGUAGES
BUILT_IN = 0


@dataclass(frozen=True)
class TextPlace:
    """Where words stand: an event, a channel of its ladder (EVERY_CHANNEL: all of them), a language."""

    template: Template
    channel: str
    language: str

    @property
    def event(self) -> str:
        return self.template.event

    @property
    def key(self) -> dict[str, str]:
        return {"event": self.event, "channel": self.channel, "language": self.language}


def get_place(event: str, channel: str, language: str) -> TextPlace:
    """Raises NotFound for what the catalogue does not know."""
    template = CATALOGUE.get(event)
    if template is None or language not in LANGUAGES or channel not in (EVERY_CHANNEL, *template.channels):
        raise NotFound(f"there is no template {event} for {channel or 'every channel'} in {language}")
    return TextPlace(template, channel, language)


def newest_version(where: TextPlace) -> TextOverride | None:
    """The last thing that was decided here, be it that a text is taken back."""
    return TextOverride.objects.filter(**where.key).order_by("-version").first()


# ── the words ────────────────────────────────────────────────────────────────────────────────────────────────────
def override_text(where: TextPlace, text: MessageText, *, based_on: int, why: str, by: Cause) -> TextOverride:
    """Put `text` in force. Raises Invalid for the first mistake in it, Conflict when somebody was faster."""
    text = validation.tidy_text(text)
    for mistake in validation.list_mistakes(where.template, where.channel, text):
        raise Invalid(mistake.says, field=mistake.field)
    last = newest_version(where)
    if last is not None and not last.withdrawn and (last.title, last.body) == text:
        raise Invalid("is what stands here already", field=validation.BODY)
    goes_by_whatsapp = any(one.approved_only for one in validation.channels_of(where.template, where.channel))
    name = _name_at_meta(where, based_on + 1) if goes_by_whatsapp else ""
    approval = Approval.WAITING if name else ""
    return _append_version(
        where, based_on, why, by, title=text.title, body=text.body, registered_as=name, approval=approval
    )


def bring_back(where: TextPlace, version: int, *, based_on: int, why: str, by: Cause) -> TextOverride:
    """Put an earlier text in force again; version 0 is what is built in. What Meta approved of it stays approved.

    Raises NotFound, IllegalMove for a version without a text, Invalid for a text that would not do any more, Conflict.
    """
    if version == BUILT_IN:
        return take_back(where, based_on=based_on, why=why, by=by)
    old = TextOverride.objects.filter(**where.key, version=version).first()
    if old is None:
        raise NotFound(f"there is no version {version}")
    if old.withdrawn:
        raise IllegalMove(f"version {version} has no text: bring back the one before it")
    for mistake in validation.list_mistakes(where.template, where.channel, MessageText(old.title, old.body)):
        raise Invalid(mistake.says, field=mistake.field)
    last = newest_version(where)
    if last is not None and not last.withdrawn and (last.title, last.body) == (old.title, old.body):
        raise IllegalMove("is what stands here already")
    return _append_version(
        where, based_on, why, by, title=old.title, body=old.body, registered_as=old.registered_as, approval=old.approval
    )


def take_back(where: TextPlace, *, based_on: int, why: str, by: Cause) -> TextOverride:
    """Say nothing of our own here any more: what holds for every channel is said again, or what is built in.

    Raises IllegalMove when nothing of our own stands here, Conflict.
    """
    last = newest_version(where)
    if last is None or last.withdrawn:
        raise IllegalMove("nothing of our own stands here")
    return _append_version(where, based_on, why, by, withdrawn=True)


def _append_version(where: TextPlace, based_on: int, why: str, by: Cause, **columns: Any) -> TextOverride:
    """The next version after `based_on`: the constraint on versions decides who was first."""
    note = _require_reason(why)
    row = TextOverride(**where.key, version=based_on + 1, note=note, created_by=_require_person(by), **columns)
    last = newest_version(where)
    if based_on != (last.version if last else BUILT_IN):
        raise _too_late(last)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            data = {**where.key, "version": row.version, "why": note, "title": row.title, "body": row.body}
            events.record_event("wording.taken_back" if row.withdrawn else "wording.changed", row, by=by, data=data)
    except IntegrityError as error:
        last = newest_version(where)
        if last is None or last.version <= based_on:
            raise  # it was not about who came first
        raise _too_late(last) from error
    return row


def _require_reason(why: str) -> str:
    note = " ".join(why.split())
    if not note:
        raise Invalid("say why", field="why")
    if len(note) > NOTE_LENGTH:
        raise Invalid(f"has {len(note)} characters: no more than {NOTE_LENGTH}", field="why")
    if any(validation.is_strange(one) for one in note):
        raise Invalid("holds characters that cannot be kept", field="why")
    return note


def _too_late(last: TextOverride | None) -> Conflict:
    if last is None:
        return Conflict("there is no such version to go on from: look again")
    who = last.created_by.get_username()
    return Conflict(
        f"{who} has saved version {last.version} meanwhile: look at it, then save again if you still want to"
    )


def _name_at_meta(where: TextPlace, version: int) -> str:
    return template_name(where.event, *([where.channel] if where.channel else []), f"v{version}")


def _require_person(by: Cause) -> User:
    """Words are written by people: whoever acts must be one."""
    if by.user_id is None:
        raise Invalid("only a person writes texts", field="by")
    return User.objects.get(pk=by.user_id)


# ── what Meta says ───────────────────────────────────────────────────────────────────────────────────────────────
def approve_version(pk: int, *, why: str, by: Cause) -> None:
    """Meta has approved it: from now on it goes out by WhatsApp. Raises IllegalMove, NotFound."""
    _decide_approval(pk, Approval.APPROVED, why, by)


def refuse_version(pk: int, *, why: str, by: Cause) -> None:
    """Meta has refused it, or stopped it later: what was approved before goes out. Raises IllegalMove, NotFound."""
    _decide_approval(pk, Approval.REFUSED, why, by)


def _decide_approval(pk: int, approval: Approval, why: str, by: Cause) -> None:
    note = _require_reason(why)
    with transaction.atomic():
        row = TextOverride.objects.select_for_update(no_key=True, of=("self",)).filter(pk=pk).first()
        if row is None:
            raise NotFound("there is no such version")
        if not row.registered_as:
            raise IllegalMove("does not go out by WhatsApp")
        if row.approval == approval:
            raise IllegalMove(f"is {approval.label} already")
        TextOverride.objects.filter(pk=pk).update(approval=approval, decided_by=_require_person(by), decided_at=Now())
        data = {"from": row.approval, "to": approval.value, "registered_as": row.registered_as, "why": note}
        events.record_event(f"wording.{approval.value}", row, by=by, data=data)
