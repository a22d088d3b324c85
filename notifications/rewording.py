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
from foundation.models import User
from notifications import proofreading
from notifications.channels.whatsapp import template_name
from notifications.models import Approval, Wording
from notifications.templates import CATALOGUE, CUSTOMER_LANGUAGES
from notifications.texts import Template, Text
from notifications.wording import EVERY_CHANNEL

NOTE_LENGTH = Wording._meta.get_field("note").max_length or 0
LANGUAGES = CUSTOMER_LANGUAGES
BUILT_IN = 0


@dataclass(frozen=True)
class Place:
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


def place(event: str, channel: str, language: str) -> Place:
    """Raises NotFound for what the catalogue does not know."""
    template = CATALOGUE.get(event)
    if template is None or language not in LANGUAGES or channel not in (EVERY_CHANNEL, *template.channels):
        raise NotFound(f"there is no template {event} for {channel or 'every channel'} in {language}")
    return Place(template, channel, language)


def newest(where: Place) -> Wording | None:
    """The last thing that was decided here, be it that a text is taken back."""
    return Wording.objects.filter(**where.key).order_by("-version").first()


# ── the words ────────────────────────────────────────────────────────────────────────────────────────────────────
def reword(where: Place, text: Text, *, based_on: int, why: str, by: Cause) -> Wording:
    """Put `text` in force. Raises Invalid for the first mistake in it, Conflict when somebody was faster."""
    text = proofreading.tidied(text)
    for mistake in proofreading.mistakes(where.template, where.channel, text):
        raise Invalid(mistake.says, field=mistake.field)
    last = newest(where)
    if last is not None and not last.taken_back and (last.title, last.body) == text:
        raise Invalid("is what stands here already", field=proofreading.BODY)
    goes_by_whatsapp = any(one.approved_only for one in proofreading.channels_of(where.template, where.channel))
    name = _name_at_meta(where, based_on + 1) if goes_by_whatsapp else ""
    approval = Approval.WAITING if name else ""
    return _append(where, based_on, why, by, title=text.title, body=text.body, registered_as=name, approval=approval)


def bring_back(where: Place, version: int, *, based_on: int, why: str, by: Cause) -> Wording:
    """Put an earlier text in force again; version 0 is what is built in. What Meta approved of it stays approved.

    Raises NotFound, IllegalMove for a version without a text, Invalid for a text that would not do any more, Conflict.
    """
    if version == BUILT_IN:
        return take_back(where, based_on=based_on, why=why, by=by)
    old = Wording.objects.filter(**where.key, version=version).first()
    if old is None:
        raise NotFound(f"there is no version {version}")
    if old.taken_back:
        raise IllegalMove(f"version {version} has no text: bring back the one before it")
    for mistake in proofreading.mistakes(where.template, where.channel, Text(old.title, old.body)):
        raise Invalid(mistake.says, field=mistake.field)
    last = newest(where)
    if last is not None and not last.taken_back and (last.title, last.body) == (old.title, old.body):
        raise IllegalMove("is what stands here already")
    return _append(
        where, based_on, why, by, title=old.title, body=old.body, registered_as=old.registered_as, approval=old.approval
    )


def take_back(where: Place, *, based_on: int, why: str, by: Cause) -> Wording:
    """Say nothing of our own here any more: what holds for every channel is said again, or what is built in.

    Raises IllegalMove when nothing of our own stands here, Conflict.
    """
    last = newest(where)
    if last is None or last.taken_back:
        raise IllegalMove("nothing of our own stands here")
    return _append(where, based_on, why, by, taken_back=True)


def _append(where: Place, based_on: int, why: str, by: Cause, **columns: Any) -> Wording:
    """The next version after `based_on`: the constraint on versions decides who was first."""
    note = _reason(why)
    row = Wording(**where.key, version=based_on + 1, note=note, created_by=_person(by), **columns)
    last = newest(where)
    if based_on != (last.version if last else BUILT_IN):
        raise _too_late(last)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            data = {**where.key, "version": row.version, "why": note, "title": row.title, "body": row.body}
            events.record("wording.taken_back" if row.taken_back else "wording.changed", row, by=by, data=data)
    except IntegrityError as error:
        last = newest(where)
        if last is None or last.version <= based_on:
            raise  # it was not about who came first
        raise _too_late(last) from error
    return row


def _reason(why: str) -> str:
    note = " ".join(why.split())
    if not note:
        raise Invalid("say why", field="why")
    if len(note) > NOTE_LENGTH:
        raise Invalid(f"has {len(note)} characters: no more than {NOTE_LENGTH}", field="why")
    if any(proofreading.is_strange(one) for one in note):
        raise Invalid("holds characters that cannot be kept", field="why")
    return note


def _too_late(last: Wording | None) -> Conflict:
    if last is None:
        return Conflict("there is no such version to go on from: look again")
    who = last.created_by.get_username()
    return Conflict(
        f"{who} has saved version {last.version} meanwhile: look at it, then save again if you still want to"
    )


def _name_at_meta(where: Place, version: int) -> str:
    return template_name(where.event, *([where.channel] if where.channel else []), f"v{version}")


def _person(by: Cause) -> User:
    """Words are written by people: whoever acts must be one."""
    kind, _, pk = by.actor.partition(":")
    if kind != "user":
        raise Invalid("only a person writes texts", field="by")
    return User.objects.get(pk=pk)


# ── what Meta says ───────────────────────────────────────────────────────────────────────────────────────────────
def approve(pk: int, *, why: str, by: Cause) -> None:
    """Meta has approved it: from now on it goes out by WhatsApp. Raises IllegalMove, NotFound."""
    _decide(pk, Approval.APPROVED, why, by)


def refuse(pk: int, *, why: str, by: Cause) -> None:
    """Meta has refused it, or stopped it later: what was approved before goes out. Raises IllegalMove, NotFound."""
    _decide(pk, Approval.REFUSED, why, by)


def _decide(pk: int, approval: Approval, why: str, by: Cause) -> None:
    note = _reason(why)
    with transaction.atomic():
        row = Wording.objects.select_for_update(no_key=True, of=("self",)).filter(pk=pk).first()
        if row is None:
            raise NotFound("there is no such version")
        if not row.registered_as:
            raise IllegalMove("does not go out by WhatsApp")
        if row.approval == approval:
            raise IllegalMove(f"is {approval.label} already")
        Wording.objects.filter(pk=pk).update(approval=approval, decided_by=_person(by), decided_at=Now())
        data = {"from": row.approval, "to": approval.value, "registered_as": row.registered_as, "why": note}
        events.record(f"wording.{approval.value}", row, by=by, data=data)
