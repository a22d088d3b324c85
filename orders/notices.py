"""What this room says to customers, stores and ops: rows of notifications, written in the caller's transaction.

A fact is told once per order; `again` tells apart what may happen to one order more than once (a second attempt).
"""

from typing import Any

from notifications.incidents import service
from notifications.models import Severity
from notifications.outbox import enqueue
from orders.models import Order


def notify_customer(order: Order, event: str, *, dedupe_suffix: str = "", **params: Any) -> None:
    _enqueue_notice(order, order.customer.recipient_id, event, dedupe_suffix, params)


def notify_store(order: Order, event: str, *, dedupe_suffix: str = "", **params: Any) -> None:
    _enqueue_notice(order, order.store.recipient_id, event, dedupe_suffix, params)


def _enqueue_notice(order: Order, recipient_id: int, event: str, dedupe_suffix: str, params: dict[str, Any]) -> None:
    dedupe = f"{order.public_id}:{dedupe_suffix}" if dedupe_suffix else order.public_id
    enqueue.enqueue_message(
        recipient_id, event, {"orderId": order.order_id, **params}, dedupe=dedupe, order_ref=order.public_id
    )


def report_to_ops(
    order: Order,
    kind: str,
    title: str,
    *,
    severity: Severity = Severity.WARNING,
    dedupe_suffix: str = "",
    **detail: Any,
) -> None:
    service.open_incident(
        kind,
        severity=severity,
        title=title,
        dedupe=incident_key(order, kind, dedupe_suffix),
        subject=f"order:{order.pk}",
        order_ref=order.public_id,
        detail=detail,
    )


def resolve_report(order: Order, kind: str, resolution: str) -> None:
    """What was reported is right again."""
    service.resolve_key(incident_key(order, kind), resolution)


def incident_key(order: Order, kind: str, dedupe_suffix: str = "") -> str:
    return f"{kind}:{order.public_id}" + (f":{dedupe_suffix}" if dedupe_suffix else "")
