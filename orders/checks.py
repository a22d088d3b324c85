"""System checks of this room: what a person can configure wrongly, said at start (ids orders.E… and orders.W…)."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register

from orders import pos
from orders.lifecycle import POS_WORDS, TRACKING_WORDS, OrderStatus
from orders.models import Store


@register()
def check_status_words(**_: Any) -> list[CheckMessage]:
    return [
        Error(f"{name} says nothing for {sorted(missing)}", id="orders.E001")
        for name, words in (("TRACKING_WORDS", TRACKING_WORDS), ("POS_WORDS", POS_WORDS))
        if (missing := set(OrderStatus.values) - set(words))
    ]


@register()
def check_pos_registry(**_: Any) -> list[CheckMessage]:
    kinds = set(Store.Pos.values) - {Store.Pos.TABLET}
    if kinds == set(pos.REGISTRY):
        return []
    return [Error(f"orders.pos.REGISTRY knows {sorted(pos.REGISTRY)}, Store.Pos {sorted(kinds)}", id="orders.E002")]


@register(Tags.security, deploy=True)
def check_callback_tls(**_: Any) -> list[CheckMessage]:
    """A POS callback is not signed: over plain HTTP anybody on the way reads the order id and speaks for the store."""
    if not settings.PETPOOJA_API_BASE or settings.PUBLIC_URL.startswith("https://"):
        return []
    return [checks.Warning("PUBLIC_URL is not https, and PetPooja's callbacks are unsigned", id="orders.W001")]
