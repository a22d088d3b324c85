"""Asking the customer about what the store suggests (SPEC O6): a message that leads to the page of the order."""

from collections.abc import Iterable
from zoneinfo import ZoneInfo

import structlog

from deliveries.tracking import links
from foundation import clock
from foundation.events import Cause
from orders import notices, substitution_decisions
from orders.models import Order, Substitution

log = structlog.get_logger(__name__)
EVENT = "order.substitutions_proposed"
BY = Cause("system", "job:deliveries.ask_customer")


def ask_customer(order_id: int) -> None:
    """Once for the proposals that may be answered now; what is proposed later is asked about again."""
    order = Order.objects.select_related("store", "customer").get(pk=order_id)
    waiting = _list_waiting(order)
    if not waiting:
        return
    link = links.url_of(order, by=BY)
    if link is None:  # the time of its links is over: the deadline decides
        log.warning("nowhere_to_answer", order=order.public_id)
        return
    notices.notify_customer(
        order, EVENT, dedupe_suffix=waiting[-1].public_id, until=_hour_until(order, waiting), link=link
    )


def answer_until(order: Order) -> str | None:
    """The hour of the next deadline, on the store's clock. None: nothing can be answered any more."""
    waiting = _list_waiting(order)
    return _hour_until(order, waiting) if waiting else None


def _list_waiting(order: Order) -> list[Substitution]:
    now = clock.database_now()
    return [one for one in substitution_decisions.list_undecided(order) if one.decide_by > now]


def _hour_until(order: Order, waiting: Iterable[Substitution]) -> str:
    until = min(one.decide_by for one in waiting).astimezone(ZoneInfo(order.store.time_zone))
    return f"{until:%H:%M}"
