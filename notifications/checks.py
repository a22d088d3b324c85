"""System checks of notifications: channels that are off are said so, catalogues that cannot work are refused (SPEC
S5)."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Info, register

from notifications.channels import CHANNELS
from notifications.channels.sms_segments import measure_sms
from notifications.content.catalogue import CATALOGUE, CUSTOMER_EVENTS, CUSTOMER_LANGUAGES
from notifications.content.overrides import EVERY_CHANNEL
from notifications.content.template import DEFAULT_LANGUAGE, MessageText, Template, fill_text
from notifications.content.validation import MANY_SEGMENTS, SMS, list_mistakes
from notifications.content.variables import VARIABLES, sample_params
from notifications.webhooks.sendgrid import is_key


@register()
def channels_that_are_off(**_: Any) -> list[CheckMessage]:
    return [
        Info(
            f"Messages by {channel.name} are off: {', '.join(missing)} not set",
            hint="Set what is missing; until then messages take the next channel of their ladder.",
            id=f"notifications.provider.{channel.name}",
        )
        for channel in CHANNELS.values()
        if (missing := channel.missing_settings())
    ]


@register()
def service_account_can_be_read(**_: Any) -> list[CheckMessage]:
    if not settings.FIREBASE_CREDENTIALS:
        return []
    try:
        account = json.loads(Path(settings.FIREBASE_CREDENTIALS).read_text())
        missing = {"client_email", "private_key", "project_id", "token_uri"} - set(account)
    except (OSError, ValueError, TypeError) as error:
        return [_bad_account(str(error))]
    return [_bad_account(f"it lacks {', '.join(sorted(missing))}")] if missing else []


RECEIPTS = {  # a channel, and what its provider's reports need
    "email": ("SENDGRID_WEBHOOK_PUBLIC_KEY", "SENDGRID_WEBHOOK_PUBLIC_KEYS"),
    "whatsapp": ("WHATSAPP_APP_SECRET", "WHATSAPP_APP_SECRETS"),
}


@register()
def nobody_tells_what_became(**_: Any) -> list[CheckMessage]:
    """Messages go out, and their providers' reports are refused: bounces and opt-outs would never be heard of."""
    return [
        checks.Warning(
            f"Messages by {name} go out, but what became of them is refused: {variable} is not set",
            hint="Set it as the provider shows it for its webhook.",
            id="notifications.W001",
        )
        for name, (variable, setting) in RECEIPTS.items()
        if CHANNELS[name].is_enabled() and not getattr(settings, setting)
    ]


@register()
def verification_keys_can_be_read(**_: Any) -> list[CheckMessage]:
    return [
        Error(
            "SENDGRID_WEBHOOK_PUBLIC_KEY holds something that is no public key: it lets nobody in",
            hint="It is the verification key that SendGrid shows beside the Event Webhook, base64 in one line.",
            id="notifications.E004",
        )
        for key in settings.SENDGRID_WEBHOOK_PUBLIC_KEYS
        if not is_key(key)
    ]


def _bad_account(why: str) -> CheckMessage:
    return Error(
        f"FIREBASE_CREDENTIALS names no usable service account: {why}",
        hint="It must be the path of the JSON file that the Firebase console hands out.",
        id="notifications.E001",
    )


@register()
def prices_and_caps_fit(**_: Any) -> list[CheckMessage]:
    """Each names a channel; a cap without a price would hold nothing back."""
    priced, capped = settings.MESSAGE_PRICES, settings.MESSAGE_DAILY_CAPS
    found: list[CheckMessage] = [
        Error(f"There is no channel {name!r} that messages could cost something on", id="notifications.E005")
        for name in sorted({*priced, *capped} - CHANNELS.keys())
    ]
    found += [
        checks.Warning(
            f"MESSAGE_DAILY_CAPS names {name}, which costs nothing: the cap is never reached",
            hint=f"Say in MESSAGE_PRICES what a message by {name} costs.",
            id="notifications.W002",
        )
        for name in sorted(capped.keys() & CHANNELS.keys())
        if not priced.get(name)
    ]
    return found


@register()
def catalogue_is_whole(**_: Any) -> list[CheckMessage]:
    """Every template can be told by a channel there is, in every language its readers have."""
    found: list[CheckMessage] = []
    for event, template in CATALOGUE.items():
        languages = CUSTOMER_LANGUAGES if event in CUSTOMER_EVENTS else (DEFAULT_LANGUAGE,)
        if missing := [language for language in languages if language not in template.texts]:
            found.append(Error(f"{event} is not written in {', '.join(missing)}", id="notifications.E002"))
        if not template.channels or not CHANNELS.keys() >= set(template.channels):
            found.append(Error(f"{event} has no channel, or one that does not exist", id="notifications.E003"))
        if template.can_wait and (template.transactional or template.urgent):
            found.append(Error(f"{event} can wait for the morning, and cannot", id="notifications.E006"))
    return found


@register()
def built_in_texts_are_right(**_: Any) -> list[CheckMessage]:
    """What is built in keeps the rules that ops' own words keep, and every blank has a sample to look at it with."""
    found: list[CheckMessage] = []
    for event, template in CATALOGUE.items():
        unknown = sorted(template.params - VARIABLES.keys())
        if unknown:
            found.append(Error(f"{event}: no sample for {', '.join(unknown)}", id="notifications.E007"))
        if unknown or not CHANNELS.keys() >= set(template.channels):
            continue
        for language, text in template.texts.items():
            where = f"{event}, built in for {language}"
            wrong = list_mistakes(template, EVERY_CHANNEL, text)
            found += [Error(f"{where}: {one.field} {one.says}", id="notifications.E008") for one in wrong]
            if not wrong and (segments := _count_segments(template, text)) > MANY_SEGMENTS:
                found.append(checks.Warning(f"{where}: takes {segments} SMS", id="notifications.W003"))
    return found


def _count_segments(template: Template, text: MessageText) -> int:
    """How many SMS it is with sample values; none where it never goes out as one."""
    return measure_sms(fill_text(text.body, sample_params(template)).words).segments if SMS in template.channels else 0
