"""Texts in other languages: gettext files of the rooms, read as they stand; whatever is in them is used."""

from pathlib import Path

import pytest

from deliveries.tracking import masked_calls
from foundation.translations import Translations, load_translations
from notifications.content import catalogue

HEAD = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n'
ENTRIES = """
msgctxt "greeting"
msgid "Good morning"
msgstr "Guten Morgen"

#, fuzzy
msgctxt "greeting"
msgid "Good evening"
msgstr "Guten Tag"

msgctxt "greeting"
msgid "Good night"
msgstr ""
"""


@pytest.fixture
def room(tmp_path: Path) -> Path:
    folder = tmp_path / "locale" / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "messages.po").write_text(HEAD + ENTRIES, encoding="utf-8")
    return tmp_path


# spec: N4
def test_only_what_is_finished_counts(room: Path):
    found = load_translations(room)
    assert found.languages == ("de",)
    assert found.translate("de", "greeting", "Good morning") == "Guten Morgen"
    unfinished = ("Good evening", "Good night", "Good afternoon")
    assert [found.translate("de", "greeting", text) for text in unfinished] == [None] * 3
    assert found.translate("de", "farewell", "Good morning") is None
    assert found.translate("fr", "greeting", "Good morning") is None


def test_a_broken_file_is_said_with_its_line(room: Path):
    file = room / "locale" / "de" / "LC_MESSAGES" / "messages.po"
    file.write_text(HEAD + "\nGood morning\n", encoding="utf-8")
    with pytest.raises(OSError, match="line 4"):
        load_translations(room)


def contexts(translations: Translations) -> set[tuple[str, str]]:
    return {key for texts in translations.texts.values() for key in texts}


# spec: N4
def test_no_translation_is_left_of_a_text_that_has_changed():
    used = {
        (f"{template.event} {part}", text)
        for template in catalogue.CATALOGUE.values()
        for part, text in zip(("title", "body"), template.texts["en"], strict=True)
    }
    assert contexts(catalogue.TRANSLATIONS) <= used
    spoken = {("call greeting", masked_calls.GREETING), ("call voice", masked_calls.VOICE)}
    assert contexts(masked_calls.TRANSLATIONS) == spoken
