"""PetPooja's stored callbacks, read again: they came in at webhooks/pos_callback.py and are read by petpooja.py."""

from typing import Any

from foundation.errors import APIError, Permanent
from foundation.evidence import EventOutcome
from foundation.webhook import EventReader
from orders.models import Order
from orders.pos import callbacks, petpooja

PROVIDER = petpooja.PetPooja.kind


class PetPoojaReader(EventReader):
    """Stored callbacks were let in when they came: a replay speaks in the name of the order's store."""

    provider = PROVIDER

    def handle(self, event_type: str, event_id: str, payload: Any) -> EventOutcome:
        try:
            order = Order.objects.select_related("store").get(public_id=payload["orderID"])
            callback = petpooja.read_callback(order.store.slug, payload, token=order.store.pos_callback_token)
            return callbacks.apply_callback(callback)[0]
        except (KeyError, TypeError, Order.DoesNotExist, APIError) as error:
            raise Permanent(f"the callback cannot be taken: {error!r}") from error
