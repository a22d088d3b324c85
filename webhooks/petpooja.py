"""PetPooja's stored callbacks, read again (their door: pos_callback.py; their contract: orders/pos/petpooja.py)."""

from typing import Any

from foundation.errors import Permanent, Problem
from foundation.evidence import Verdict
from foundation.webhook import Reader
from orders import pos_status
from orders.models import Order
from orders.pos import petpooja

PROVIDER = petpooja.PetPooja.kind


class PetPoojaReader(Reader):
    """Stored callbacks were let in when they came: a replay speaks in the name of the order's store."""

    provider = PROVIDER

    def handle(self, event_type: str, event_id: str, payload: Any) -> Verdict:
        try:
            order = Order.objects.select_related("store").get(public_id=payload["orderID"])
            callback = petpooja.read(order.store.slug, payload, token=order.store.pos_callback_token)
            return pos_status.take(callback)[0]
        except (KeyError, TypeError, Order.DoesNotExist, Problem) as error:
            raise Permanent(f"the callback cannot be taken: {error!r}") from error
