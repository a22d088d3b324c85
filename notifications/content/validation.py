"""What is wrong with a text, said before it is saved: afterwards nothing in it can keep a message from going out (SPEC
N4).

Mistakes refuse a text, advice does not. What is built in is held to the same rules by a system check.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from notifications.channels import CHANNELS
from notifications.channels.base import Channel
from notifications.channels.sms_segments import GSM_7, measure_sms
from notifications.content.overrides import EVERY_CHANNEL, TITLE_LENGTH
from notifications.content.template import (
    BadText,
    MessageText,
    Template,
    TextPiece,
    fill_text,
    number_blanks,
    parse_pieces,
)
from notifications.content.variables import VARIABLES, sample_params

TITLE, BODY = "title", "body"
SMS, PUSH = "sms", "push"
BODY_LENGTH = 4_000  # more than any channel takes
LINES = {TITLE: "", BODY: "\n"}  # control characters that are let in
STRANGE = {"Cc", "Cs", "Zl", "Zp"}  # controls, halves of characters, separators; joiners are letters' business
DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # they turn what follows them around
LONG_PUSH = 170  # a phone's lock screen shows about four lines
MANY_SEGMENTS = 3


@dataclass(frozen=True)
class TextMistake:
    """`field`: title or body."""

    field: str
    says: str


def tidy_text(text: MessageText) -> MessageText:
    """As it is kept: one way to write each character, one to end a line, nothing around it."""
    return MessageText(*(unicodedata.normalize("NFC", part).replace("\r\n", "\n").strip() for part in text))


def channels_of(template: Template, channel: str) -> list[Channel]:
    """Where a text for `channel` (EVERY_CHANNEL) of this event may go out."""
    names = template.channels if channel == EVERY_CHANNEL else (channel,)
    return [CHANNELS[name] for name in names]


def list_mistakes(template: Template, channel: str, text: MessageText) -> list[TextMistake]:
    """All that speaks against `text` (tidied) on `channel`; empty: it can be said to anybody, whatever the params."""
    ways = channels_of(template, channel)
    found = list[TextMistake]()
    if any(way.titled for way in ways):
        found += [TextMistake(TITLE, says) for says in _of_part(template, TITLE, text.title)]
    elif text.title:
        found.append(TextMistake(TITLE, "stays empty: this channel carries no title"))
    in_body = list(_of_part(template, BODY, text.body))
    if not in_body:
        in_body = [*_missing_blanks(template, text.body), *_find_unfit(template, ways, text.body)]
    return [*found, *(TextMistake(BODY, says) for says in in_body)]


def _of_part(template: Template, field: str, part: str) -> Iterator[str]:
    if len(part) > (most := TITLE_LENGTH if field == TITLE else BODY_LENGTH):
        yield f"has {len(part)} characters: no more than {most}"
        return
    if strange := sorted({one for one in part if is_strange(one) and one not in LINES[field]}):
        yield f"holds {', '.join(_character_name(one) for one in strange[:3])}, which cannot be sent"
    try:
        taken_apart = parse_pieces(part)
    except BadText as error:
        yield str(error)
        return
    if not any(_is_seen(one) for piece in taken_apart for one in piece.letters):
        yield "needs words of its own beside the blanks, which may turn out empty" if part else "must not be empty"
    for piece in taken_apart:
        yield from _of_blank(template, piece)


def _of_blank(template: Template, piece: TextPiece) -> Iterator[str]:
    if not piece.name:
        return
    if piece.name not in template.params:
        yield f"{{{piece.name}}} is not known here: there are {_list_names(sorted(template.params))}"
    elif piece.format and piece.format not in VARIABLES[piece.name].formats:
        allowed = [f"{{{piece.name}{form and ':' + form}}}" for form in ("", *VARIABLES[piece.name].formats)]
        yield f"{{{piece.name}:{piece.format}}} is no way to write it: there is {' or '.join(allowed)}"


def _missing_blanks(template: Template, body: str) -> Iterator[str]:
    said = {piece.name for piece in parse_pieces(body)}
    if missing := [name for name in template.essential if name not in said]:
        yield f"must say {_list_names(missing)}: nobody can do without it"


def _find_unfit(template: Template, ways: Sequence[Channel], body: str) -> Iterator[str]:
    example = fill_text(body, sample_params(template)).words
    for way in ways:
        if (length := max(len(example), len(number_blanks(body)))) > way.longest:
            yield f"has {length} characters with sample values: {way.name} takes {way.longest}"
        if way.approved_only and any(set("{}") & set(piece.letters) for piece in parse_pieces(body)):
            yield f"holds a brace: {way.name} would take it for one of its own blanks"


# ── advice ───────────────────────────────────────────────────────────────────────────────────────────────────────
def list_advice(template: Template, channels: Sequence[str], text: MessageText) -> list[str]:
    """What somebody would want to know of a text without mistakes that goes out by these channels."""
    return [line for name in channels for line in _advice_for(CHANNELS[name], template, text)]


def _advice_for(way: Channel, template: Template, text: MessageText) -> Iterator[str]:
    example = fill_text(text.body, sample_params(template)).words
    if way.name == SMS:
        length = measure_sms(example)
        own = [one for one in length.strangers if one in text.body]
        without = measure_sms("".join(one for one in example if one not in own))
        if own and without.units and without.alphabet == GSM_7 and without.segments < length.segments:
            yield f"SMS: without {' '.join(own)} it would be {without.segments} SMS instead of {length.segments}"
        if length.segments > MANY_SEGMENTS:
            yield f"SMS: each message is {length.segments} SMS, each of which is paid for"
    elif way.approved_only:
        first, last = parse_pieces(text.body)[0], parse_pieces(text.body)[-1]
        if not first.letters.strip() or not last.letters.strip():
            yield "WhatsApp: Meta refuses texts that begin or end with a blank"
    elif way.name == PUSH and len(example) > LONG_PUSH:
        yield f"Push: a lock screen shows about {LONG_PUSH} characters of {len(example)}"


# ── characters ───────────────────────────────────────────────────────────────────────────────────────────────────
def is_strange(character: str) -> bool:
    return unicodedata.category(character) in STRANGE or character in DIRECTIONS


def _is_seen(character: str) -> bool:
    return not character.isspace() and not unicodedata.category(character).startswith("C")


def _character_name(character: str) -> str:
    return f"U+{ord(character):04X} ({unicodedata.name(character, 'a control character').lower()})"


def _list_names(names: Sequence[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names) or "none"
