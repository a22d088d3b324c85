"""Which words are in force for an event, on a channel, in a language (SPEC N4).

Looked for in this order, in the person's language and then in English: what ops wrote for the channel, what ops wrote
for every channel, what is built in. A channel whose provider takes only what it has approved reads past texts that are
not (yet) approved. Everything that ops wrote about an event comes in one indexed query, asked anew for every message:
a change is in force for the next one, in every process.

Texts are checked when they are saved (proofreading.py). Should one not fit its message after all, because a release
took a param away, the next in the order is said instead: words never keep a message from going out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.db.models import QuerySet

from notifications.channels.base import Channel
from notifications.channels.whatsapp import template_name
from notifications.models import Approval, Message, Wording
from notifications.texts import BadText, Filled, Template, Text, fill, names, wished

log = structlog.get_logger(__name__)

EVERY_CHANNEL = ""
TITLE_LENGTH = Message._meta.get_field("title").max_length or 0


@dataclass(frozen=True)
class Version:
    """A text that may be in force. `number` 0, without a `row`: built in."""

    text: Text
    language: str
    channel: str
    registered_as: str
    number: int = 0
    row: Wording | None = None


@dataclass(frozen=True)
class Said:
    """A version with its blanks filled, as long as its channel takes it."""

    version: Version
    title: str
    body: Filled


class Words:
    """What may be said of one event to somebody who asked for `language`; `rows` are what ops wrote, from `newest`."""

    def __init__(self, template: Template, language: str, rows: Sequence[Wording]) -> None:
        self.template = template
        self.languages = wished(language)
        self._rows = rows

    def in_force(self, channel: Channel) -> Iterator[Version]:
        """The versions for `channel`, the one to say first. The last one is the English that is built in."""
        for language in self.languages:
            for scope in (channel.name, EVERY_CHANNEL):
                if row := self.own(scope, language, approved_only=channel.approved_only):
                    yield version_of(row)
            if language in self.template.texts:
                yield built_in(self.template, language)

    def own(self, channel: str, language: str, *, approved_only: bool = False) -> Wording | None:
        """What ops wrote for exactly this: the newest version, or the newest approved one, that was not taken back."""
        here = [row for row in self._rows if (row.channel, row.language) == (channel, language)]
        taken_back = max((row.version for row in here if row.taken_back), default=0)
        standing = [row for row in here if row.version > taken_back]
        if approved_only:
            standing = [row for row in standing if row.approval == Approval.APPROVED]
        return max(standing, key=lambda row: row.version, default=None)

    def say(self, channel: Channel, params: Mapping[str, Any]) -> Said:
        """The words in force on `channel`, filled. Raises BadText when not even what is built in can be filled."""
        *versions, last = self.in_force(channel)
        for version in versions:
            try:
                return said(version, channel, params)
            except BadText as error:
                log.warning("wording_passed_over", about=self.template.event, wording=str(version.row), why=str(error))
        return said(last, channel, params)


def of(template: Template, language: str) -> Words:
    """What may be said of the event now: one query."""
    return Words(template, language, list(newest().filter(event=template.event, language__in=wished(language))))


def newest() -> QuerySet[Wording]:
    """Of every event, channel and language what decides: the newest row taken back, and the newest of each approval."""
    scope = ("event", "channel", "language", "taken_back", "approval")
    return Wording.objects.order_by(*scope, "-version").distinct(*scope)


def fits(row: Wording, template: Template) -> bool:
    """Whether it can be said: its blanks are those that the event has in this release."""
    try:
        return names(row.title) | names(row.body) <= template.params
    except BadText:
        return False


def built_in(template: Template, language: str) -> Version:
    return Version(template.texts[language], language, EVERY_CHANNEL, template_name(template.event))


def version_of(row: Wording) -> Version:
    return Version(Text(row.title, row.body), row.language, row.channel, row.registered_as, row.version, row)


def said(version: Version, channel: Channel, params: Mapping[str, Any]) -> Said:
    """The version in the form that `channel` carries: a title in one line, and both no longer than there is room.

    Raises BadText.
    """
    title = fill(version.text.title, params, at_most=TITLE_LENGTH).words if channel.titled else ""
    return Said(version, " ".join(title.split()), fill(version.text.body, params, at_most=channel.longest))
