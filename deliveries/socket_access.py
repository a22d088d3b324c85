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

from deliveries import access, announcing, live_tickets
from deliveries.page import watching
from deliveries.visitors import OrderVisitor, StoreVisitor, Visitor
from foundation.api.authentication import TokenAuthentication
from foundation.errors import Forbidden, Problem
from foundation.models import User

Result = TypeVar("Result")
ORDER = re.compile(r"^/ws/orders/([^/]{1,64})$")
STORE = re.compile(r"^/ws/stores/([^/]{1,60})$")
_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="sockets-database")


async def in_thread(ask: Callable[[], Result]) -> Result:
    """Run a question to the database without holding up the sockets. It may be asked twice: the threads keep their
    connections, and one that broke while nobody used it is replaced."""

    def asked() -> Result:
        try:
            return ask()
        except OperationalError:
            if connection.is_usable():
                raise
            connection.close()
            return ask()

    return await asyncio.get_running_loop().run_in_executor(_threads, asked)


# ── letting in ───────────────────────────────────────────────────────────────────────────────────────────────────
def admit(path: str, query: str, headers: Mapping[str, str]) -> Visitor:
    """Raises Problem: 404 for an address without a socket, 401 for a token or ticket that is not (any more) good, what
    access.visible_order and visible_store raise."""
    given = {name: values[0] for name, values in parse_qs(query).items()}
    if path == watching.PATH:
        return watching.admit(given.get("ticket", ""))
    order, store = ORDER.match(path), STORE.match(path)
    if order is None and store is None:
        raise Problem("There is no socket at this address", status=404, code="NOT_FOUND")
    if ticket := given.get("ticket"):
        known = live_tickets.read(ticket, path)
        user, expires_at = _active(pk=known.user_id), known.expires_at
    else:
        user, expires_at = _bearer(given.get("token") or headers.get("authorization", "").removeprefix("Bearer "))
    return _of_order(user, order[1], expires_at) if order else _of_store(user, path.rpartition("/")[2], expires_at)


def _of_order(user: User, ref: str, expires_at: float) -> OrderVisitor:
    order = access.visible_order(user, ref)
    topic = announcing.order_topic(order.public_id)
    return OrderVisitor(topic=topic, expires_at=expires_at, user_id=user.pk, order_id=order.pk)


def _of_store(user: User, slug: str, expires_at: float) -> StoreVisitor:
    store, only_of = access.visible_store(user, slug), access.own_orders_only(user)
    topic = announcing.store_topic(store.slug)
    return StoreVisitor(topic=topic, expires_at=expires_at, user_id=user.pk, store_id=store.pk, only_of=only_of)


def _bearer(token: str) -> tuple[User, float]:
    try:
        claims = AccessToken(token)  # type: ignore[arg-type]
        user: User = TokenAuthentication().get_user(claims)
    except (TokenError, AuthenticationFailed) as error:
        raise _refused() from error
    return user, float(claims["exp"])


def _active(**which: object) -> User:
    user = User.objects.filter(is_active=True, **which).first()
    if user is None:
        raise _refused()
    return user


def _refused() -> Problem:
    return Problem("Token is missing, invalid or expired", status=401, code="NOT_AUTHENTICATED")


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
