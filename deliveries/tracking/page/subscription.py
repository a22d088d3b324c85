"""Watching the page's order live (SPEC T3): a ticket that the page is given, and whom it lets in at the sockets."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from django.conf import settings
from django.core import signing

from deliveries.models import TrackingLink
from deliveries.realtime import publisher, tickets
from deliveries.realtime.subscriptions import CloseReason, Subscription
from deliveries.realtime.tickets import TICKET_S
from deliveries.tracking import links
from deliveries.tracking.links import LinkExpired
from deliveries.tracking.page.state import state_of

PATH = "/ws/track"
LONGEST_S = 3600  # then the page asks for another ticket
LINK_OVER = CloseReason(4403, "link is over")
_signer = signing.TimestampSigner(salt="deliveries.page.ticket")


def socket_url(link: TrackingLink) -> str:
    """Where the page's socket is, good for a minute."""
    return f"{settings.SOCKETS_URL}{PATH}?ticket={_signer.sign(str(link.pk))}"


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkSubscription(Subscription):
    """Somebody with a tracking link."""

    link_id: int

    def load_snapshot(self) -> dict[str, Any]:
        return state_of(_get_link(self.link_id).order)

    @classmethod
    def find_refused(cls, visitors: Sequence[Self]) -> dict[Self, CloseReason]:
        rows = TrackingLink.objects.select_related("order").filter(pk__in={one.link_id for one in visitors})
        opens = {link.pk for link in rows if _is_open(link)}
        return {one: LINK_OVER for one in visitors if one.link_id not in opens}


def admit_ticket(ticket: str) -> LinkSubscription:
    """Raises APIError: 401 for a ticket that is not (any more) good, what links.require_open raises."""
    try:
        link = _get_link(int(_signer.unsign(ticket, max_age=TICKET_S)))
    except (signing.BadSignature, ValueError, TrackingLink.DoesNotExist) as error:
        raise tickets.ticket_refused() from error
    links.require_open(link)
    ends_at = min(time.time() + LONGEST_S, link.expires_at.timestamp())
    return LinkSubscription(topic=publisher.order_topic(link.order.public_id), expires_at=ends_at, link_id=link.pk)


def _get_link(pk: int) -> TrackingLink:
    return TrackingLink.objects.select_related("order__store", "order__customer").get(pk=pk)


def _is_open(link: TrackingLink) -> bool:
    try:
        links.require_open(link)
    except LinkExpired:
        return False
    return True
