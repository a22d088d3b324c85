"""Telling the customer where to follow the order (SPEC T3): once it is paid, the message that leads to its page."""

import structlog

from deliveries.tracking import links
from foundation.events import Cause
from orders import notices
from orders.lifecycle import LIVE
from orders.models import Order

log = structlog.get_logger(__name__)
EVENT = "order.placed"
BY = Cause("system", "job:deliveries.invite_customer")


def send_tracking_link(order_id: int) -> None:
    """Once per order, while there is something to follow."""
    order = Order.objects.select_related("store", "customer").get(pk=order_id)
    link = links.url_of(order, by=BY) if order.status in LIVE else None
    if link is None:
        log.info("nothing_to_follow", order=order.public_id, status=order.status)
        return
    notices.notify_customer(order, EVENT, store=order.store.name, link=link)
