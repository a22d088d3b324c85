"""Saying something to somebody: a row first, sent later, once (SPEC N2)."""

from collections.abc import Mapping, Sequence
from typing import Any

from foundation.fields import max_length
from notifications.channels import CHANNELS
from notifications.content.catalogue import CATALOGUE
from notifications.models import Message

KEY_LENGTH = max_length(Message, "dedupe_key")


def enqueue_message(
    recipient_id: int,
    event: str,
    params: Mapping[str, Any],
    *,
    dedupe: str,
    order_ref: str = "",
    channels: Sequence[str] | None = None,
) -> None:
    """Write that `recipient_id` is to be told of `event`: one INSERT in the caller's transaction, no lock taken.

    `dedupe` names the fact ("delivery:7"): the same fact is told to the same person once, however often this is called.
    `channels` overrides the ladder of the catalogue (and the person's own). Raises KeyError for an event that the
    catalogue does not know, MissingParams, ValueError (an overlong key, an unknown channel): mistakes in the program.
    """
    template = CATALOGUE[event]
    template.require_params(params)
    key = f"{event}:{dedupe}:{recipient_id}"
    if unknown := [name for name in channels or () if name not in CHANNELS]:
        raise ValueError(f"unknown channels {unknown}")
    if len(key) > KEY_LENGTH:
        raise ValueError(f"{key}: longer than {KEY_LENGTH} characters")
    message = Message(
        recipient_id=recipient_id,
        event=event,
        dedupe_key=key,
        order_ref=order_ref,
        params=dict(params),
        urgent=template.urgent,
        channels=list(channels or ()),
    )
    Message.objects.bulk_create([message], ignore_conflicts=True)
