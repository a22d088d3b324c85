"""System checks of the post: channels that are off are said so, catalogues that cannot work are refused (SPEC S5)."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, register

from notifications.channels import CHANNELS
from notifications.templates import CATALOGUE, CUSTOMER_EVENTS, CUSTOMER_LANGUAGES, DEFAULT_LANGUAGE


@register()
def channels_that_are_off(**_: Any) -> list[CheckMessage]:
    return [
        Info(
            f"Messages by {channel.name} are off: {', '.join(missing)} not set",
            hint="Set what is missing; until then messages take the next channel of their ladder.",
            id=f"notifications.provider.{channel.name}",
        )
        for channel in CHANNELS.values()
        if (missing := channel.missing())
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


def _bad_account(why: str) -> CheckMessage:
    return Error(
        f"FIREBASE_CREDENTIALS names no usable service account: {why}",
        hint="It must be the path of the JSON file that the Firebase console hands out.",
        id="notifications.E001",
    )


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
    return found
