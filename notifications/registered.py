"""What Meta must know of our words: each text that may go out by WhatsApp, as its message_templates endpoint takes it.

Documented at developers.facebook.com/docs/whatsapp/business-management-api/message-templates. Blanks are numbered, and
an example must fill them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from notifications import wording
from notifications.channels import CHANNELS
from notifications.models import Approval, Wording
from notifications.templates import CATALOGUE
from notifications.texts import Template, fill, numbered
from notifications.variables import samples
from notifications.wording import Version, Words

WHATSAPP = CHANNELS["whatsapp"]
Registration = dict[str, Any]


def everything() -> Iterator[Registration]:
    """What is built in, what of ops' own is approved and in force, and what waits to be."""
    for template in _templates():
        for language in template.texts:
            yield registration(template, wording.built_in(template, language))
    yield from _of_ops(Approval.APPROVED, Approval.WAITING)


def waiting() -> Iterator[Registration]:
    yield from _of_ops(Approval.WAITING)


def _of_ops(*approvals: Approval) -> Iterator[Registration]:
    """Each name once: a text that was brought back keeps the one it had."""
    rows, named = list(wording.newest()), set[tuple[str, str]]()
    for template in _templates():
        for row in _standing(template, [row for row in rows if row.event == template.event]):
            name = (row.registered_as, row.language)
            if row.approval in approvals and name not in named:
                named.add(name)
                yield registration(template, wording.version_of(row))


def _standing(template: Template, rows: Sequence[Wording]) -> Iterator[Wording]:
    """Per channel and language the newest, and the newest approved; none that this release cannot say."""
    for channel, language in dict.fromkeys((row.channel, row.language) for row in rows):
        words = Words(template, language, rows)
        for row in (words.own(channel, language), words.own(channel, language, approved_only=True)):
            if row and wording.fits(row, template):
                yield row


def _templates() -> list[Template]:
    return [template for template in CATALOGUE.values() if WHATSAPP.name in template.channels]


def registration(template: Template, version: Version) -> Registration:
    body: dict[str, Any] = {"type": "BODY", "text": numbered(version.text.body)}
    if values := fill(version.text.body, samples(template)).values:
        body["example"] = {"body_text": [list(values)]}
    return {
        "name": version.registered_as,
        "language": version.language,
        "category": "UTILITY",
        "components": [body],
    }
