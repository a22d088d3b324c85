"""Texts in other languages than English: gettext files that translators edit, read as they stand.

A room keeps them as `locale/<language>/LC_MESSAGES/messages.po`. The English text is the key, together with a context
that says where it stands. Nothing is compiled: a process reads the files once, in a few milliseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polib


@dataclass(frozen=True)
class Translations:
    """`texts`: language -> (context, English text) -> the text in that language."""

    texts: Mapping[str, Mapping[tuple[str, str], str]]

    @property
    def languages(self) -> tuple[str, ...]:
        """All but English, in alphabetical order."""
        return tuple(sorted(self.texts))

    def translate(self, language: str, context: str, english: str) -> str | None:
        """None: there is no finished translation (missing, or marked fuzzy)."""
        return self.texts.get(language, {}).get((context, english))


def load_translations(room: Path) -> Translations:
    """What the room's folder holds. Raises OSError for a file that is no gettext file, naming the line."""
    files = room.glob("locale/*/LC_MESSAGES/messages.po")
    return Translations({file.parts[-3]: _read_file(file) for file in files})


def _read_file(file: Path) -> dict[tuple[str, str], str]:
    entries = polib.pofile(str(file), encoding="utf-8")
    return {(entry.msgctxt or "", entry.msgid): entry.msgstr for entry in entries if entry.translated()}
