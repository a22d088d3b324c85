"""Watching the page's order live (SPEC T3): a ticket that the page is given, and whom it lets in at the sockets."""

import time
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core import signing

from deliveries import announcing, links
from deliveries.links import LinkOver
from deliveries.models import TrackingLink
from deliveries.page.state import state_of
from foundation.errors import Problem

TICKET_S = 60
LONGEST_S = 3600  # then the page asks for another ticket
_signer = signing.TimestampSigner(salt="deliveries.page.ticket")


def socket_url(link: TrackingLink) -> str:
    """Where the page's socket is, good for a minute."""
    return f"{settings.SOCKETS_URL}/ws/track?token={_signer.sign(str(link.pk))}"


@dataclass(frozen=True)
class LinkVisitor:
    """Somebody with a tracking link. `expires_at` in Unix seconds."""

    link_id: int
    topic: str
    expires_at: float

    def seconds_left(self) -> float:
        return max(0.0, self.expires_at - time.time())

    def snapshot(self) -> dict[str, Any]:
        return state_of(_link(self.link_id).order)

    def still_welcome(self) -> bool:
        try:
            links.require_open(_link(self.link_id))
        except (LinkOver, TrackingLink.DoesNotExist):
            return False
        return True


def admit(ticket: str) -> LinkVisitor:
    """Raises Problem: 401 for a ticket that is not (any more) good, what links.require_open raises."""
    try:
        link = _link(int(_signer.unsign(ticket, max_age=TICKET_S)))
    except (signing.BadSignature, ValueError, TrackingLink.DoesNotExist) as error:
        raise Problem("Ticket is missing, invalid or expired", status=401, code="NOT_AUTHENTICATED") from error
    links.require_open(link)
    ends_at = min(time.time() + LONGEST_S, link.expires_at.timestamp())
    return LinkVisitor(link.pk, announcing.order_topic(link.order.public_id), ends_at)


def _link(pk: int) -> TrackingLink:
    return TrackingLink.objects.select_related("order__store", "order__customer").get(pk=pk)
