"""Writing a letter: one message, in the words that are in force on the channel it goes by (SPEC N4)."""

from collections.abc import Mapping
from typing import Any

from notifications.channels.base import Channel, Letter
from notifications.models import Message
from notifications.wording import Words


def write(message: Message, channel: Channel, words: Words, params: Mapping[str, Any]) -> Letter:
    """The letter for `channel`. `words` are asked for once per message (wording.of), whatever channels are tried."""
    said = words.say(channel, params)
    row = said.version.row
    return Letter(
        public_id=message.public_id,
        reference=f"message:{message.pk}",
        attempt=message.retry_count,
        title=said.title,
        body=said.body.words,
        data=words.template.payload(params),
        registered_as=said.version.registered_as,
        language=said.version.language,
        blanks=said.body.values,
        wording=row.pk if row else None,
    )
