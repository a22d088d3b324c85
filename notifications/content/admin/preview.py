"""A text as people would see it, on every channel it goes by, with sample values; and what speaks against it."""

from collections.abc import Sequence
from dataclasses import dataclass

from notifications.channels.base import Channel
from notifications.channels.sms_segments import SmsLength, measure_sms
from notifications.content import overrides, validation
from notifications.content.admin.overview import title_of
from notifications.content.override_commands import TextPlace
from notifications.content.overrides import EVERY_CHANNEL, EffectiveTexts, FilledVersion, TextVersion
from notifications.content.template import BadText, MessageText, number_blanks
from notifications.content.validation import SMS, TextMistake
from notifications.content.variables import sample_params
from notifications.models import TextOverride


@dataclass(frozen=True)
class PreviewCard:
    """One channel. `own`: it has words of its own, which are shown instead of a draft for every channel.

    `left`: how many characters it would still take.
    """

    channel: str
    title: str
    said: FilledVersion
    own: TextOverride | None
    sms: SmsLength | None
    registered: str
    left: int


@dataclass(frozen=True)
class Preview:
    mistakes: Sequence[TextMistake]
    advice: Sequence[str]
    cards: Sequence[PreviewCard]


def build_preview(where: TextPlace, text: MessageText, words: EffectiveTexts) -> Preview:
    text = validation.tidy_text(text)
    mistakes = validation.list_mistakes(where.template, where.channel, text)
    ways = validation.channels_of(where.template, where.channel)
    cards = [card for way in ways if (card := _build_card(where, way, text, words)) is not None]
    others = [card.channel for card in cards if not card.own]
    advice = [] if mistakes else validation.list_advice(where.template, others, text)
    return Preview(mistakes, advice, cards)


def _build_card(where: TextPlace, way: Channel, text: MessageText, words: EffectiveTexts) -> PreviewCard | None:
    """None where the text cannot be filled: its mistakes say why."""
    own = words.find_override(way.name, where.language) if where.channel == EVERY_CHANNEL else None
    version = overrides.version_of(own) if own else TextVersion(text, where.language, where.channel, "")
    try:
        said = overrides.fill_version(version, way, sample_params(where.template))
    except BadText:
        return None
    return PreviewCard(
        way.name,
        title_of(way.name),
        said,
        own=own,
        sms=measure_sms(said.body.words) if way.name == SMS else None,
        registered=number_blanks(text.body) if way.approved_only else "",
        left=way.longest - len(said.body.words),
    )
