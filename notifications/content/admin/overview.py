"""Every event, channel and language with the words that are in force, from one query."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.translation import get_language_info

from notifications.channels import CHANNELS
from notifications.channels.sms_segments import SmsLength, measure_sms
from notifications.content import overrides
from notifications.content.catalogue import AUDIENCES
from notifications.content.override_commands import LANGUAGES
from notifications.content.overrides import EVERY_CHANNEL, EffectiveTexts, TextVersion
from notifications.content.template import DEFAULT_LANGUAGE, MessageText, Template
from notifications.content.validation import SMS
from notifications.content.variables import sample_params
from notifications.models import Approval, TextOverride

EVERYWHERE = "every"  # EVERY_CHANNEL, as addresses and people read it
TITLES = {"": "Every channel", "push": "Push", "whatsapp": "WhatsApp", "sms": "SMS", "email": "Email"}
CHANGED, WAITING = "changed", "waiting"
SHOWS = {"": "All", CHANGED: "Changed by ops", WAITING: "Waits for Meta"}


@dataclass(frozen=True)
class ChannelCell:
    """What stands for one channel. `own` is the row of ops' own, `waiting` one that Meta has yet to approve.

    `useless`: a release has taken away what `own` says, so that it is passed over.
    """

    channel: str
    title: str
    address: str
    own: TextOverride | None
    waiting: TextOverride | None
    useless: bool
    length: SmsLength | None


@dataclass(frozen=True)
class EventRow:
    """An event in a language: the words for every channel, and the channels with what is their own."""

    template: Template
    language: str
    language_title: str
    in_force: TextVersion
    every: ChannelCell
    cells: Sequence[ChannelCell]

    @property
    def is_changed(self) -> bool:
        return any(cell.own for cell in (self.every, *self.cells))

    @property
    def is_waiting(self) -> bool:
        return any(cell.waiting for cell in (self.every, *self.cells))

    @property
    def is_useless(self) -> bool:
        return any(cell.useless for cell in (self.every, *self.cells))

    @property
    def is_borrowed(self) -> bool:
        """Nothing is written in this language, so English is said."""
        return self.in_force.language != self.language

    def mentions_words(self, words: str) -> bool:
        texts = [self.in_force.text, *(MessageText(cell.own.title, cell.own.body) for cell in self.cells if cell.own)]
        return (
            words.casefold() in "\n".join([self.template.event, *(part for text in texts for part in text)]).casefold()
        )


def title_of(channel: str) -> str:
    return TITLES.get(channel, channel.capitalize())


def language_title(language: str) -> str:
    return str(get_language_info(language)["name"])


def list_groups(*, words: str = "", show: str = "") -> list[tuple[str, list[EventRow]]]:
    """The lines by who reads them; those that mention `words`, and are what `show` asks for."""
    rows = list(overrides.newest_overrides().select_related("created_by"))
    chosen = [
        (title, [one for one in _build_rows(group, rows) if _is_asked_for(one, words, show)])
        for title, group in AUDIENCES.items()
    ]
    return [(title, lines) for title, lines in chosen if lines]


def _is_asked_for(line: EventRow, words: str, show: str) -> bool:
    fits = {CHANGED: line.is_changed, WAITING: line.is_waiting}.get(show, True)
    return fits and (not words or line.mentions_words(words))


def _build_rows(templates: Iterable[Template], rows: Sequence[TextOverride]) -> Iterable[EventRow]:
    for template in templates:
        mine = [row for row in rows if row.event == template.event]
        for language in LANGUAGES:
            yield build_row(EffectiveTexts(template, language, mine), language)


def build_row(words: EffectiveTexts, language: str) -> EventRow:
    template = words.template
    return EventRow(
        template,
        language,
        language_title(language),
        in_force=version_in_force(words, EVERY_CHANNEL),
        every=_build_cell(words, EVERY_CHANNEL, language),
        cells=[_build_cell(words, channel, language) for channel in template.channels],
    )


def version_in_force(words: EffectiveTexts, channel: str) -> TextVersion:
    """What is said where nothing has to be approved; for EVERY_CHANNEL: by a channel without words of its own."""
    if channel != EVERY_CHANNEL:
        return next(words.in_force(CHANNELS[channel]))
    for language in words.languages:
        if row := words.find_override(EVERY_CHANNEL, language):
            return overrides.version_of(row)
        if language in words.template.texts:
            return overrides.built_in(words.template, language)
    return overrides.built_in(words.template, DEFAULT_LANGUAGE)


def _build_cell(words: EffectiveTexts, channel: str, language: str) -> ChannelCell:
    own = words.find_override(channel, language)
    return ChannelCell(
        channel,
        title_of(channel),
        channel or EVERYWHERE,
        own,
        waiting=own if own and own.approval == Approval.WAITING else None,
        useless=own is not None and not overrides.fits_template(own, words.template),
        length=_sms_length(words) if channel == SMS else None,
    )


def _sms_length(words: EffectiveTexts) -> SmsLength:
    return measure_sms(words.fill_for(CHANNELS[SMS], sample_params(words.template)).body.words)
