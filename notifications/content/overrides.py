"""Which words are in force for an event, on a channel, in a language (SPEC N4).

Looked for in this order, in the person's language and then in English: what ops wrote for the channel, what ops wrote
for every channel, what is built in. A channel whose provider takes only what it has approved reads past texts that are
not (yet) approved. Everything that ops wrote about an event comes in one indexed query, asked anew for every message:
a change is in force for the next one, in every process.

Texts are checked when they are saved (validation.py). Should one not fit its message after all, because a release
took a param away, the next in the order is said instead: words never keep a message from going out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.db.models import QuerySet

from foundation.fields import max_length
from notifications.channels.base import Channel
from notifications.channels.whatsapp import template_name
from notifications.content.template import (
    BadText,
    FilledText,
    MessageText,
    Template,
    blank_names,
    fill_text,
    wished_languages,
)
from notifications.models import Approval, Message, TextOverride

log = structlog.get_logger(__name__)

EVERY_CHANNEL = ""
TITLE_LENGTH = max_length(Message, "title")


@dataclass(frozen=True)
class TextVersion:
    """A text that may be in force. `number` 0, without a `row`: built in."""

    text: MessageText
    language: str
    channel: str
    registered_as: str
    number: int = 0
    row: TextOverride | None = None


@dataclass(frozen=True)
class FilledVersion:
    """A version with its blanks filled, as long as its channel takes it."""

    version: TextVersion
    title: str
    body: FilledText


class EffectiveTexts:
    """What may be said of one event to somebody who asked for `language`; `rows` are what ops wrote, from
    `newest_overrides`."""

    def __init__(self, template: Template, language: str, rows: Sequence[TextOverride]) -> None:
        self.template = template
        self.languages = wished_languages(language)
        self._rows = rows

    def in_force(self, channel: Channel) -> Iterator[TextVersion]:
        """The versions for `channel`, the one to say first. The last one is the English that is built in."""
        for language in self.languages:
            for scope in (channel.name, EVERY_CHANNEL):
                if row := self.find_override(scope, language, approved_only=channel.approved_only):
                    yield version_of(row)
            if language in self.template.texts:
                yield built_in(self.template, language)

    def find_override(self, channel: str, language: str, *, approved_only: bool = False) -> TextOverride | None:
        """What ops wrote for exactly this: the newest version, or the newest approved one, that was not taken back."""
        here = [row for row in self._rows if (row.channel, row.language) == (channel, language)]
        withdrawn = max((row.version for row in here if row.withdrawn), default=0)
        standing = [row for row in here if row.version > withdrawn]
        if approved_only:
            standing = [row for row in standing if row.approval == Approval.APPROVED]
        return max(standing, key=lambda row: row.version, default=None)

    def fill_for(self, channel: Channel, params: Mapping[str, Any]) -> FilledVersion:
        """The words in force on `channel`, filled. Raises BadText when not even what is built in can be filled."""
        *versions, last = self.in_force(channel)
        for version in versions:
            try:
                return fill_version(version, channel, params)
            except BadText as error:
                log.warning(
                    "wording_passed_over", about=self.template.event, text_override=str(version.row), why=str(error)
                )
        return fill_version(last, channel, params)


def load_texts(template: Template, language: str) -> EffectiveTexts:
    """What may be said of the event now: one query."""
    return EffectiveTexts(
        template,
        language,
        list(newest_overrides().filter(event=template.event, language__in=wished_languages(language))),
    )


def newest_overrides() -> QuerySet[TextOverride]:
    """Of every event, channel and language what decides: the newest row taken back, and the newest of each approval."""
    scope = ("event", "channel", "language", "withdrawn", "approval")
    return TextOverride.objects.order_by(*scope, "-version").distinct(*scope)


def fits_template(row: TextOverride, template: Template) -> bool:
    """Whether it can be said: its blanks are those that the event has in this release."""
    try:
        return blank_names(row.title) | blank_names(row.body) <= template.params
    except BadText:
        return False


def built_in(template: Template, language: str) -> TextVersion:
    return TextVersion(template.texts[language], language, EVERY_CHANNEL, template_name(template.event))


def version_of(row: TextOverride) -> TextVersion:
    return TextVersion(MessageText(row.title, row.body), row.language, row.channel, row.registered_as, row.version, row)


def fill_version(version: TextVersion, channel: Channel, params: Mapping[str, Any]) -> FilledVersion:
    """The version in the form that `channel` carries: a title in one line, and both no longer than there is room.

    Raises BadText.
    """
    title = fill_text(version.text.title, params, at_most=TITLE_LENGTH).words if channel.titled else ""
    return FilledVersion(
        version, " ".join(title.split()), fill_text(version.text.body, params, at_most=channel.longest)
    )
