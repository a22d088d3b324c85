"""The versions of a text, newest first, each beside the one before it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from notifications.content.override_commands import TextPlace
from notifications.content.template import DEFAULT_LANGUAGE, MessageText
from notifications.models import Approval, TextOverride

MOST_SHOWN = 50


@dataclass(frozen=True)
class VersionEntry:
    """A version with what it changed. `stands`: it is in force here; what Meta may yet say of it is in `may_be`."""

    row: TextOverride
    title: SafeString
    body: SafeString
    stands: bool

    @property
    def may_be(self) -> list[Approval]:
        """What Meta may say of it that it has not said."""
        decisions = (Approval.APPROVED, Approval.REFUSED)
        return [one for one in decisions if self.row.registered_as and one != self.row.approval]


def list_versions(where: TextPlace) -> list[VersionEntry]:
    rows = list(
        TextOverride.objects.filter(**where.key)
        .select_related("created_by", "decided_by")
        .order_by("-version")[: MOST_SHOWN + 1]
    )
    shown = rows[:MOST_SHOWN]
    return [_build_entry(where, row, rows[number + 1 :], stands=number == 0) for number, row in enumerate(shown)]


def built_in(where: TextPlace) -> MessageText:
    texts = where.template.texts
    return texts.get(where.language) or texts[DEFAULT_LANGUAGE]


def _build_entry(where: TextPlace, row: TextOverride, older: Sequence[TextOverride], *, stands: bool) -> VersionEntry:
    before = next((MessageText(one.title, one.body) for one in older if not one.withdrawn), built_in(where))
    if row.withdrawn:
        return VersionEntry(row, SafeString(""), SafeString(""), stands)
    title = mark_changes(before.title, row.title) if row.title else SafeString("")
    return VersionEntry(row, title, mark_changes(before.body, row.body), stands)


def mark_changes(before: str, after: str) -> SafeString:
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
