"""What is true at the moment at which a message goes out, and whether it still matters (SPEC N2).

A message is written when something happens and may go out later: a channel was down, nobody acknowledged, it was night.
This room knows no orders; ops and config names the function that does (settings.MESSAGE_FACTS,
ops/message_freshness.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from notifications.models import Message


@dataclass(frozen=True)
class MessageObsolete:
    """The message does not matter any more, and `reason` says why."""

    reason: str


Facts = (
    Mapping[str, Any] | MessageObsolete
)  # params that have changed since the message was written, or that it is over


@cache
def _get_current_facts() -> Callable[[Message], Facts]:
    return import_string(settings.MESSAGE_FACTS)


def refresh_params(message: Message) -> str:
    """Bring the params of `message` up to date, in memory: what it says is what is true now.

    Returns why it does not matter any more, "" while it does.
    """
    facts = _get_current_facts()(message)
    if isinstance(facts, MessageObsolete):
        return facts.reason
    message.params = {**message.params, **facts}
    return ""
