"""A text as people would see it, on every channel it goes by, with sample values; and what speaks against it."""

from collections.abc import Sequence
from dataclasses import dataclass

from notifications import proofreading, wording
from notifications.channels.base import Channel
from notifications.editor.overview import title_of
from notifications.lengths import SmsLength, sms
from notifications.models import Wording
from notifications.proofreading import SMS, Mistake
from notifications.rewording import Place
from notifications.texts import BadText, Text, numbered
from notifications.variables import samples
from notifications.wording import EVERY_CHANNEL, Said, Version, Words


@dataclass(frozen=True)
class Card:
    """One channel. `own`: it has words of its own, which are shown instead of a draft for every channel.

    `left`: how many characters it would still take.
    """

    channel: str
    title: str
    said: Said
    own: Wording | None
    sms: SmsLength | None
    registered: str
    left: int


@dataclass(frozen=True)
class Preview:
    mistakes: Sequence[Mistake]
    advice: Sequence[str]
    cards: Sequence[Card]


def of(where: Place, text: Text, words: Words) -> Preview:
    text = proofreading.tidied(text)
    mistakes = proofreading.mistakes(where.template, where.channel, text)
    ways = proofreading.channels_of(where.template, where.channel)
    cards = [card for way in ways if (card := _card(where, way, text, words)) is not None]
    others = [card.channel for card in cards if not card.own]
    advice = [] if mistakes else proofreading.advice(where.template, others, text)
    return Preview(mistakes, advice, cards)


def _card(where: Place, way: Channel, text: Text, words: Words) -> Card | None:
    """None where the text cannot be filled: its mistakes say why."""
    own = words.own(way.name, where.language) if where.channel == EVERY_CHANNEL else None
    version = wording.version_of(own) if own else Version(text, where.language, where.channel, "")
    try:
        said = wording.said(version, way, samples(where.template))
    except BadText:
        return None
    return Card(
        way.name,
        title_of(way.name),
        said,
        own=own,
        sms=sms(said.body.words) if way.name == SMS else None,
        registered=numbered(text.body) if way.approved_only else "",
        left=way.longest - len(said.body.words),
    )
