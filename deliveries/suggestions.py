"""Asking the customer about what the store suggests (SPEC O6): a message that leads to the page of the order."""

from zoneinfo import ZoneInfo

import structlog

from deliveries import links
from foundation import clock
from foundation.events import Cause
from orders import telling, verdicts
from orders.models import Order

log = structlog.get_logger(__name__)
EVENT = "order.substitutions_proposed"
BY = Cause("system", "job:deliveries.ask_customer")


def ask(order_id: int) -> None:
    """Once for the proposals that may be answered now; what is proposed later is asked about again."""
    order = Order.objects.select_related("store", "customer").get(pk=order_id)
    now = clock.database_now()
    waiting = [one for one in verdicts.undecided(order) if one.decide_by > now]
    if not waiting:
        return
    link = links.url_of(order, by=BY)
    if link is None:  # the time of its links is over: the deadline decides
        log.warning("nowhere_to_answer", order=order.public_id)
        return
    until = min(one.decide_by for one in waiting).astimezone(ZoneInfo(order.store.time_zone))
    telling.customer(order, EVENT, again=waiting[-1].public_id, until=f"{until:%H:%M}", link=link)
