"""The versions of a text, newest first, each beside the one before it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from notifications.models import Approval, Wording
from notifications.rewording import Place
from notifications.texts import DEFAULT_LANGUAGE, Text

MOST_SHOWN = 50


@dataclass(frozen=True)
class Entry:
    """A version with what it changed. `stands`: it is in force here; what Meta may yet say of it is in `may_be`."""

    row: Wording
    title: SafeString
    body: SafeString
    stands: bool

    @property
    def may_be(self) -> list[Approval]:
        """What Meta may say of it that it has not said."""
        decisions = (Approval.APPROVED, Approval.REFUSED)
        return [one for one in decisions if self.row.registered_as and one != self.row.approval]


def of(where: Place) -> list[Entry]:
    rows = list(
        Wording.objects.filter(**where.key)
        .select_related("created_by", "decided_by")
        .order_by("-version")[: MOST_SHOWN + 1]
    )
    shown = rows[:MOST_SHOWN]
    return [_entry(where, row, rows[number + 1 :], stands=number == 0) for number, row in enumerate(shown)]


def built_in(where: Place) -> Text:
    texts = where.template.texts
    return texts.get(where.language) or texts[DEFAULT_LANGUAGE]


def _entry(where: Place, row: Wording, older: Sequence[Wording], *, stands: bool) -> Entry:
    before = next((Text(one.title, one.body) for one in older if not one.taken_back), built_in(where))
    if row.taken_back:
        return Entry(row, SafeString(""), SafeString(""), stands)
    title = changed(before.title, row.title) if row.title else SafeString("")
    return Entry(row, title, changed(before.body, row.body), stands)


def changed(before: str, after: str) -> SafeString:
    """`after`, with the words that were not in `before` marked, and those that are gone struck out."""
    old, new = re.findall(r"\S+\s*", before), re.findall(r"\S+\s*", after)
    alike = SequenceMatcher(None, [word.strip() for word in old], [word.strip() for word in new], autojunk=False)
    marked = list[SafeString]()
    for kind, i1, i2, j1, j2 in alike.get_opcodes():
        if kind == "equal":
            marked.append(format_html("{}", "".join(new[j1:j2])))
            continue
        if gone := "".join(old[i1:i2]):
            marked.append(format_html("<del>{}</del>", gone))
        if come := "".join(new[j1:j2]):
            marked.append(format_html("<ins>{}</ins>", come))
    return format_html_join("", "{}", ((one,) for one in marked))
