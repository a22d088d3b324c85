"""Tickets for sockets (SPEC T2, S2): a browser sends no header with a WebSocket, and addresses with tokens are logged.

A ticket names a user and what they may watch, opens that one socket for a minute, and the socket ends with the token
that the ticket was asked for with.
"""

from dataclasses import asdict, dataclass

from django.conf import settings
from django.core import signing

from foundation.errors import APIError

TICKET_S = 60
_SALT = "deliveries.live_tickets"


@dataclass(frozen=True)
class TicketClaims:
    """`path`: of the socket, with our own ids in it. `expires_at`: of the user's token, in Unix seconds."""

    path: str
    user_id: int
    expires_at: float


def url_of(ticket: TicketClaims) -> str:
    """Where the socket is, good for a minute."""
    return f"{settings.SOCKETS_URL}{ticket.path}?ticket={signing.dumps(asdict(ticket), salt=_SALT)}"


def read_ticket(text: str, path: str) -> TicketClaims:
    """Raises APIError (401) for one that is not (any more) good, or not for this path."""
    try:
        ticket = TicketClaims(**signing.loads(text, salt=_SALT, max_age=TICKET_S))
    except (signing.BadSignature, ValueError) as error:
        raise ticket_refused() from error
    if ticket.path != path:
        raise ticket_refused()
    return ticket


def ticket_refused() -> APIError:
    return APIError("Ticket is missing, invalid or expired", status=401, code="NOT_AUTHENTICATED")
