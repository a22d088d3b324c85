"""Writing a rendered message: one message, in the words that are in force on the channel it goes by (SPEC N4)."""

from collections.abc import Mapping
from typing import Any

from notifications.channels.base import Channel, RenderedMessage
from notifications.content.overrides import EffectiveTexts
from notifications.models import Message


def render_message(
    message: Message, channel: Channel, words: EffectiveTexts, params: Mapping[str, Any]
) -> RenderedMessage:
    """The rendered message for `channel`. `words` are asked for once per message (overrides.load_texts), whatever
    channels are tried."""
    said = words.fill_for(channel, params)
    row = said.version.row
    return RenderedMessage(
        public_id=message.public_id,
        reference=f"message:{message.pk}",
        attempt=message.retry_count,
        title=said.title,
        body=said.body.words,
        data=words.template.push_payload(params),
        registered_as=said.version.registered_as,
        language=said.version.language,
        blanks=said.body.values,
        text_override=row.pk if row else None,
    )
