"""Locking deliveries: after their order (orders/locks.py), before offers and riders."""

from django.db.models import QuerySet

from deliveries.models import Delivery


def lockable_deliveries() -> QuerySet[Delivery]:
    """Those that are read of it are locked until the end of the transaction, the rider of each beside it."""
    return Delivery.objects.select_for_update(no_key=True, of=("self",)).select_related("rider")


def lock_delivery(pk: int) -> Delivery:
    """Raises Delivery.DoesNotExist."""
    return lockable_deliveries().get(pk=pk)
