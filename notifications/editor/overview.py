"""Every event, channel and language with the words that are in force, from one query."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.translation import get_language_info

from notifications import wording
from notifications.channels import CHANNELS
from notifications.lengths import SmsLength, sms
from notifications.models import Approval, Wording
from notifications.proofreading import SMS
from notifications.rewording import LANGUAGES
from notifications.templates import AUDIENCES
from notifications.texts import DEFAULT_LANGUAGE, Template, Text
from notifications.variables import samples
from notifications.wording import EVERY_CHANNEL, Version, Words

EVERYWHERE = "every"  # EVERY_CHANNEL, as addresses and people read it
TITLES = {"": "Every channel", "push": "Push", "whatsapp": "WhatsApp", "sms": "SMS", "email": "Email"}
CHANGED, WAITING = "changed", "waiting"
SHOWS = {"": "All", CHANGED: "Changed by ops", WAITING: "Waits for Meta"}


@dataclass(frozen=True)
class Cell:
    """What stands for one channel. `own` is the row of ops' own, `waiting` one that Meta has yet to approve.

    `useless`: a release has taken away what `own` says, so that it is passed over.
    """

    channel: str
    title: str
    address: str
    own: Wording | None
    waiting: Wording | None
    useless: bool
    length: SmsLength | None


@dataclass(frozen=True)
class Line:
    """An event in a language: the words for every channel, and the channels with what is their own."""

    template: Template
    language: str
    language_title: str
    in_force: Version
    every: Cell
    cells: Sequence[Cell]

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

    def mentions(self, words: str) -> bool:
        texts = [self.in_force.text, *(Text(cell.own.title, cell.own.body) for cell in self.cells if cell.own)]
        return (
            words.casefold() in "\n".join([self.template.event, *(part for text in texts for part in text)]).casefold()
        )


def title_of(channel: str) -> str:
    return TITLES.get(channel, channel.capitalize())


def language_title(language: str) -> str:
    return str(get_language_info(language)["name"])


def groups(*, words: str = "", show: str = "") -> list[tuple[str, list[Line]]]:
    """The lines by who reads them; those that mention `words`, and are what `show` asks for."""
    rows = list(wording.newest().select_related("created_by"))
    chosen = [
        (title, [one for one in _lines(group, rows) if _is_asked_for(one, words, show)])
        for title, group in AUDIENCES.items()
    ]
    return [(title, lines) for title, lines in chosen if lines]


def _is_asked_for(line: Line, words: str, show: str) -> bool:
    fits = {CHANGED: line.is_changed, WAITING: line.is_waiting}.get(show, True)
    return fits and (not words or line.mentions(words))


def _lines(templates: Iterable[Template], rows: Sequence[Wording]) -> Iterable[Line]:
    for template in templates:
        mine = [row for row in rows if row.event == template.event]
        for language in LANGUAGES:
            yield line(Words(template, language, mine), language)


def line(words: Words, language: str) -> Line:
    template = words.template
    return Line(
        template,
        language,
        language_title(language),
        in_force=standing(words, EVERY_CHANNEL),
        every=_cell(words, EVERY_CHANNEL, language),
        cells=[_cell(words, channel, language) for channel in template.channels],
    )


def standing(words: Words, channel: str) -> Version:
    """What is said where nothing has to be approved; for EVERY_CHANNEL: by a channel without words of its own."""
    if channel != EVERY_CHANNEL:
        return next(words.in_force(CHANNELS[channel]))
    for language in words.languages:
        if row := words.own(EVERY_CHANNEL, language):
            return wording.version_of(row)
        if language in words.template.texts:
            return wording.built_in(words.template, language)
    return wording.built_in(words.template, DEFAULT_LANGUAGE)


def _cell(words: Words, channel: str, language: str) -> Cell:
    own = words.own(channel, language)
    return Cell(
        channel,
        title_of(channel),
        channel or EVERYWHERE,
        own,
        waiting=own if own and own.approval == Approval.WAITING else None,
        useless=own is not None and not wording.fits(own, words.template),
        length=_length(words) if channel == SMS else None,
    )


def _length(words: Words) -> SmsLength:
    return sms(words.say(CHANNELS[SMS], samples(words.template)).body.words)
