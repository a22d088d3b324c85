"""What Meta must know of our words: each text that may go out by WhatsApp, as its message_templates endpoint takes it.

Documented at developers.facebook.com/docs/whatsapp/business-management-api/message-templates. Blanks are numbered, and
an example must fill them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from notifications.channels import CHANNELS
from notifications.content import overrides
from notifications.content.catalogue import CATALOGUE
from notifications.content.overrides import EffectiveTexts, TextVersion
from notifications.content.template import Template, fill_text, number_blanks
from notifications.content.variables import sample_params
from notifications.models import Approval, TextOverride

WHATSAPP = CHANNELS["whatsapp"]
Registration = dict[str, Any]


def list_all() -> Iterator[Registration]:
    """What is built in, what of ops' own is approved and in force, and what waits to be."""
    for template in _whatsapp_templates():
        for language in template.texts:
            yield build_registration(template, overrides.built_in(template, language))
    yield from _of_ops(Approval.APPROVED, Approval.WAITING)


def list_waiting() -> Iterator[Registration]:
    yield from _of_ops(Approval.WAITING)


def _of_ops(*approvals: Approval) -> Iterator[Registration]:
    """Each name once: a text that was brought back keeps the one it had."""
    rows, named = list(overrides.newest_overrides()), set[tuple[str, str]]()
    for template in _whatsapp_templates():
        for row in _decisive_versions(template, [row for row in rows if row.event == template.event]):
            name = (row.registered_as, row.language)
            if row.approval in approvals and name not in named:
                named.add(name)
                yield build_registration(template, overrides.version_of(row))


def _decisive_versions(template: Template, rows: Sequence[TextOverride]) -> Iterator[TextOverride]:
    """Per channel and language the newest, and the newest approved; none that this release cannot say."""
    for channel, language in dict.fromkeys((row.channel, row.language) for row in rows):
        words = EffectiveTexts(template, language, rows)
        for row in (words.find_override(channel, language), words.find_override(channel, language, approved_only=True)):
            if row and overrides.fits_template(row, template):
                yield row


def _whatsapp_templates() -> list[Template]:
    return [template for template in CATALOGUE.values() if WHATSAPP.name in template.channels]


def build_registration(template: Template, version: TextVersion) -> Registration:
    body: dict[str, Any] = {"type": "BODY", "text": number_blanks(version.text.body)}
    if values := fill_text(version.text.body, sample_params(template)).values:
        body["example"] = {"body_text": [list(values)]}
    return {
        "name": version.registered_as,
        "language": version.language,
        "category": "UTILITY",
        "components": [body],
    }
