"""What this room says to customers, stores and ops: rows of the post, written in the caller's transaction.

A fact is told once per order; `again` tells apart what may happen to one order more than once (a second attempt).
"""

from typing import Any

from notifications import incidents, messages
from notifications.models import Severity
from orders.models import Order


def customer(order: Order, event: str, *, again: str = "", **params: Any) -> None:
    _send(order, order.customer.recipient_id, event, again, params)


def store(order: Order, event: str, *, again: str = "", **params: Any) -> None:
    _send(order, order.store.recipient_id, event, again, params)


def _send(order: Order, recipient_id: int, event: str, again: str, params: dict[str, Any]) -> None:
    dedupe = f"{order.public_id}:{again}" if again else order.public_id
    messages.send(recipient_id, event, {"orderId": order.order_id, **params}, dedupe=dedupe, order_ref=order.public_id)


def ops(
    order: Order, kind: str, title: str, *, severity: Severity = Severity.WARNING, again: str = "", **detail: Any
) -> None:
    incidents.open(
        kind,
        severity=severity,
        title=title,
        dedupe=incident_key(order, kind, again),
        subject=f"order:{order.pk}",
        order_ref=order.public_id,
        detail=detail,
    )


def ops_no_more(order: Order, kind: str, resolution: str) -> None:
    """What was reported is right again."""
    incidents.resolve_key(incident_key(order, kind), resolution)


def incident_key(order: Order, kind: str, again: str = "") -> str:
    return f"{kind}:{order.public_id}" + (f":{again}" if again else "")
