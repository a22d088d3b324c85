"""Texts with blanks, and how an event is told: the machinery behind the catalogue (SPEC N2, N4).

A text is data, whoever wrote it: plain names in braces (`{orderId}`), for some a format (`{distance_m:km}` reads
"1.2 km"), `{{` and `}}` for braces. No attributes, no indexes, no conversions, no expressions: what is none of these is
refused when the text is read (BadText), and nothing in a text can reach further than the params it is filled with.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any, NamedTuple

DEFAULT_LANGUAGE = "en"
DAY_S = 86_400
ELLIPSIS = "…"

_BLANK = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)(?::([A-Za-z]+))?\}")
_AROUND = 20  # characters that are shown of a mistake


class MessageText(NamedTuple):
    title: str
    body: str


class TextPiece(NamedTuple):
    """A run of letters, then a blank (`name` "": there is none, as after the last one)."""

    letters: str
    name: str = ""
    format: str = ""


class FilledText(NamedTuple):
    """A text with its blanks filled, and what stands in them, in their order."""

    words: str
    values: Sequence[str]


class MissingParams(TypeError):
    """A caller did not give what a template needs: a mistake in the program, found by its first test."""


class BadText(ValueError):
    """A text that is none, or that these params cannot fill. Says what is wrong to whoever wrote it."""


def _format_kilometres(metres: Any) -> str:
    return f"{float(metres) / 1000:.1f} km"


FORMATS: Mapping[str, Callable[[Any], str]] = {"": str, "km": _format_kilometres}


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────
@lru_cache(maxsize=1024)
def parse_pieces(text: str) -> tuple[TextPiece, ...]:
    """The text taken apart. Raises BadText for a brace that is neither a blank nor doubled."""
    found, letters, at = list[TextPiece](), "", 0
    for blank in _BLANK.finditer(text):
        letters += _plain_run(text, at, blank.start())
        at = blank.end()
        if blank[1]:
            found.append(TextPiece(letters, blank[1], blank[2] or ""))
            letters = ""
        else:
            letters += blank[0][0]
    return (*found, TextPiece(letters + _plain_run(text, at, len(text))))


def _plain_run(text: str, start: int, end: int) -> str:
    run = text[start:end]
    if brace := re.search(r"[{}]", run):
        at = start + brace.start()
        near = text[at : at + _AROUND].partition("}")[0] if brace[0] == "{" else text[max(at - _AROUND, 0) : at + 1]
        raise BadText(
            f"“{near}” is no blank: that is one plain name in braces, like {{orderId}}; for a brace write {{{{ or }}}}"
        )
    return run


def blank_names(text: str) -> frozenset[str]:
    return frozenset(piece.name for piece in parse_pieces(text) if piece.name)


def number_blanks(text: str) -> str:
    """With its blanks as {{1}}, {{2}}, …: how WhatsApp wants a template to be registered."""
    taken_apart = parse_pieces(text)
    marks = [f"{{{{{number}}}}}" if piece.name else "" for number, piece in enumerate(taken_apart, 1)]
    return "".join(chain.from_iterable((piece.letters, mark) for piece, mark in zip(taken_apart, marks, strict=True)))


# ── filling ──────────────────────────────────────────────────────────────────────────────────────────────────────
def fill_text(text: str, params: Mapping[str, Any], *, at_most: int | None = None) -> FilledText:
    """Put the params into the blanks. Where that is longer than `at_most`, the longest values give way, not the words.

    Raises BadText for a text that cannot be filled: it is none, asks for what is not there, or formats what it cannot.
    """
    taken_apart = parse_pieces(text)
    values: Sequence[str] = [_format_value(piece, params) for piece in taken_apart if piece.name]
    if at_most is not None:
        values = _shorten_values(values, at_most - sum(len(piece.letters) for piece in taken_apart))
    words = "".join(chain.from_iterable(zip((piece.letters for piece in taken_apart), (*values, ""), strict=True)))
    return FilledText(words if at_most is None else words[:at_most], values)


def _format_value(piece: TextPiece, params: Mapping[str, Any]) -> str:
    try:
        return FORMATS[piece.format](params[piece.name])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BadText(f"{{{piece.name}}} cannot be filled: {error!r}") from error


def _shorten_values(values: Sequence[str], room: int) -> Sequence[str]:
    """The values, the longest of them cut to one length, so that all of them fit into `room` characters."""
    left = max(room, 0)
    for number, length in enumerate(sorted(len(value) for value in values)):
        share = left // (len(values) - number)
        if length > share:
            return [_cut_text(value, share) for value in values]
        left -= length
    return values


def _cut_text(value: str, length: int) -> str:
    return value if len(value) <= length else (value[: length - 1] + ELLIPSIS if length else "")


# ── how an event is told ─────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Template:
    """How one event is told, in the words that are built in; ops may put others in their place (overrides.py).

    `transactional`: about money or work under way, so it is told even to those who opted out, and never rate limited.
    `useful_for_s`: an older message is not sent any more (nobody wants yesterday's "on the way").
    `urgent`: somebody has seconds to act on it, so it never waits behind what a slow provider holds up.
    `can_wait`: it is about nothing that happens right now, so it waits for the end of the person's quiet hours.
    `at_most_per_hour`: of this event to one person, where that is another number than MESSAGES_PER_EVENT_PER_HOUR.
    `beyond_cap`: it goes out even where the day's money for its channel is spent.
    `data`: push payload key -> param, for apps; `type` (the event) is always there.
    `essential`: what every text of the event must say in its body, whoever writes it. `samples`: values to look at it
    with, where those of notifications/content/variables.py do not do.
    """

    event: str
    channels: tuple[str, ...]
    texts: Mapping[str, MessageText]
    transactional: bool = True
    useful_for_s: int = DAY_S
    urgent: bool = False
    can_wait: bool = False
    at_most_per_hour: int | None = None
    beyond_cap: bool = False
    data: Mapping[str, str] = field(default_factory=dict)
    also_needs: frozenset[str] = frozenset()
    essential: tuple[str, ...] = ()
    samples: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def params(self) -> frozenset[str]:
        """What a caller must give: all that any language mentions, what the payload needs, what the contract names."""
        mentioned = frozenset[str]().union(*(blank_names(part) for text in self.texts.values() for part in text))
        return mentioned | set(self.data.values()) | self.also_needs

    def require_params(self, params: Mapping[str, Any]) -> None:
        if missing := sorted(self.params - params.keys()):
            raise MissingParams(f"{self.event} needs {', '.join(missing)}")

    def render_text(self, language: str, params: Mapping[str, Any]) -> MessageText:
        """The words built in for `language` ("hi", "hi-IN"), or in English where there are none in that language."""
        text = self.texts[self.spoken_language(language)]
        return MessageText(fill_text(text.title, params).words, fill_text(text.body, params).words)

    def spoken_language(self, language: str) -> str:
        """The language that somebody who asked for `language` is told in by what is built in."""
        return next((one for one in wished_languages(language) if one in self.texts), DEFAULT_LANGUAGE)

    def push_payload(self, params: Mapping[str, Any]) -> dict[str, str]:
        """What an app reads from a push: strings only, as FCM asks."""
        return {"type": self.event, **{key: str(params[param]) for key, param in self.data.items()}}


def wished_languages(language: str) -> tuple[str, ...]:
    """The languages to look for, for somebody who asked for `language`: it, without its region, then English."""
    return tuple(dict.fromkeys((language, language.partition("-")[0], DEFAULT_LANGUAGE)))
