"""Who is let in at the sockets, and how these ask the database: in threads of their own (Django's is synchronous)."""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import parse_qs

from django.conf import settings
from django.db import OperationalError, connection
from rest_framework_simplejwt.exceptions import AuthenticationFailed, TokenError
from rest_framework_simplejwt.tokens import AccessToken

from deliveries import permissions
from deliveries.realtime import publisher, tickets
from deliveries.realtime.subscriptions import OrderSubscription, StoreSubscription, Subscription
from deliveries.tracking.page import subscription
from foundation.api.authentication import TokenAuthentication
from foundation.errors import APIError, Forbidden
from foundation.models import User

Result = TypeVar("Result")
ORDER = re.compile(r"^/ws/orders/([^/]{1,64})$")
STORE = re.compile(r"^/ws/stores/([^/]{1,60})$")
_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="sockets-database")


async def in_thread(ask: Callable[[], Result]) -> Result:
    """Run a question to the database without holding up the sockets. It may be asked twice: the threads keep their
    connections, and one that broke while nobody used it is replaced."""

    def ask_once() -> Result:
        try:
            return ask()
        except OperationalError:
            if connection.is_usable():
                raise
            connection.close()
            return ask()

    return await asyncio.get_running_loop().run_in_executor(_threads, ask_once)


# ── letting in ───────────────────────────────────────────────────────────────────────────────────────────────────
def admit_socket(path: str, query: str, headers: Mapping[str, str]) -> Subscription:
    """Raises APIError: 404 for an address without a socket, 401 for a token or ticket that is not (any more) good, what
    access.visible_order and visible_store raise."""
    given = {name: values[0] for name, values in parse_qs(query).items()}
    if path == subscription.PATH:
        return subscription.admit_ticket(given.get("ticket", ""))
    order, store = ORDER.match(path), STORE.match(path)
    if order is None and store is None:
        raise APIError("There is no socket at this address", status=404, code="NOT_FOUND")
    if ticket := given.get("ticket"):
        known = tickets.read_ticket(ticket, path)
        user, expires_at = _find_active_user(pk=known.user_id), known.expires_at
    else:
        user, expires_at = _authenticate_bearer(
            given.get("token") or headers.get("authorization", "").removeprefix("Bearer ")
        )
    return _of_order(user, order[1], expires_at) if order else _of_store(user, path.rpartition("/")[2], expires_at)


def _of_order(user: User, ref: str, expires_at: float) -> OrderSubscription:
    order = permissions.visible_order(user, ref)
    topic = publisher.order_topic(order.public_id)
    return OrderSubscription(topic=topic, expires_at=expires_at, user_id=user.pk, order_id=order.pk)


def _of_store(user: User, slug: str, expires_at: float) -> StoreSubscription:
    store, only_of = permissions.visible_store(user, slug), permissions.own_orders_only(user)
    topic = publisher.store_topic(store.slug)
    return StoreSubscription(topic=topic, expires_at=expires_at, user_id=user.pk, store_id=store.pk, only_of=only_of)


def _authenticate_bearer(token: str) -> tuple[User, float]:
    try:
        claims = AccessToken(token)  # type: ignore[arg-type]
        user: User = TokenAuthentication().get_user(claims)
    except (TokenError, AuthenticationFailed) as error:
        raise _token_refused() from error
    return user, float(claims["exp"])


def _find_active_user(**which: object) -> User:
    user = User.objects.filter(is_active=True, **which).first()
    if user is None:
        raise _token_refused()
    return user


def _token_refused() -> APIError:
    return APIError("Token is missing, invalid or expired", status=401, code="NOT_AUTHENTICATED")


def require_known_origin(origin: str | None) -> None:
    """Browsers send cookies and tokens wherever a page asks them to; apps have no origin. Raises Forbidden."""
    if origin and origin not in settings.SOCKETS_ORIGINS:
        raise Forbidden("This origin may not open sockets", code="ORIGIN_REFUSED")


# ── the log ──────────────────────────────────────────────────────────────────────────────────────────────────────
class _MaskTokens(logging.Filter):
    """The server logs the address of every socket, and the address holds the token or ticket."""

    token = re.compile(r"((?:token|ticket)=)[^&\s\"]+")

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(self.token.sub(r"\1•••", arg) if isinstance(arg, str) else arg for arg in record.args)
        return True


def keep_tokens_out_of_logs() -> None:
    for name in ("uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        if not any(isinstance(known, _MaskTokens) for known in logger.filters):
            logger.addFilter(_MaskTokens())
