"""Watching the page's order live (SPEC T3): a ticket that the page is given, and whom it lets in at the sockets."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from django.conf import settings
from django.core import signing

from deliveries import announcing, links, live_tickets
from deliveries.links import LinkOver
from deliveries.live_tickets import TICKET_S
from deliveries.models import TrackingLink
from deliveries.page.state import state_of
from deliveries.visitors import Ending, Visitor

PATH = "/ws/track"
LONGEST_S = 3600  # then the page asks for another ticket
LINK_OVER = Ending(4403, "link is over")
_signer = signing.TimestampSigner(salt="deliveries.page.ticket")


def socket_url(link: TrackingLink) -> str:
    """Where the page's socket is, good for a minute."""
    return f"{settings.SOCKETS_URL}{PATH}?ticket={_signer.sign(str(link.pk))}"


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkVisitor(Visitor):
    """Somebody with a tracking link."""

    link_id: int

    def snapshot(self) -> dict[str, Any]:
        return state_of(_link(self.link_id).order)

    @classmethod
    def refused(cls, visitors: Sequence[Self]) -> dict[Self, Ending]:
        rows = TrackingLink.objects.select_related("order").filter(pk__in={one.link_id for one in visitors})
        opens = {link.pk for link in rows if _is_open(link)}
        return {one: LINK_OVER for one in visitors if one.link_id not in opens}


def admit(ticket: str) -> LinkVisitor:
    """Raises Problem: 401 for a ticket that is not (any more) good, what links.require_open raises."""
    try:
        link = _link(int(_signer.unsign(ticket, max_age=TICKET_S)))
    except (signing.BadSignature, ValueError, TrackingLink.DoesNotExist) as error:
        raise live_tickets.refused() from error
    links.require_open(link)
    ends_at = min(time.time() + LONGEST_S, link.expires_at.timestamp())
    return LinkVisitor(topic=announcing.order_topic(link.order.public_id), expires_at=ends_at, link_id=link.pk)


def _link(pk: int) -> TrackingLink:
    return TrackingLink.objects.select_related("order__store", "order__customer").get(pk=pk)


def _is_open(link: TrackingLink) -> bool:
    try:
        links.require_open(link)
    except LinkOver:
        return False
    return True
