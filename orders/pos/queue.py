"""Asking for a store's POS to be told of an order, or that it is off: rows; orders/pos/outbox.py makes the calls."""

from django.db.models.functions import Now

from foundation.work import OPEN, WorkState
from orders.models import Order, PosRelay

NEVER_SENT = "taken back before it was sent"


def enqueue_save(order: Order) -> None:
    """The order is locked and paid."""
    PosRelay.objects.get_or_create(order=order, kind=PosRelay.Kind.SAVE)


def enqueue_cancel(order: Order) -> bool:
    """The order is locked and called off. Nothing is sent to a POS that never heard of it. False: this order was never
    meant for a POS (the store has none, or it was turned off)."""
    saves = PosRelay.objects.filter(order=order, kind=PosRelay.Kind.SAVE)
    unsent = saves.filter(state=WorkState.PENDING, retry_count=0)
    if unsent.update(state=WorkState.DISCARDED, error_message=NEVER_SENT, processed_at=Now()):
        return True
    if saves.filter(state__in=(*OPEN, WorkState.DONE, WorkState.DEAD)).exists():
        PosRelay.objects.get_or_create(order=order, kind=PosRelay.Kind.CANCEL)
    return saves.exists()
