"""Who may watch what: what the sockets ask the database, in threads of their own (Django's is synchronous)."""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken

from deliveries import access, announcing
from deliveries.api.tracking_bodies import OrderTracking
from deliveries.selectors import Tracking
from foundation.errors import Forbidden, Problem
from foundation.models import User
from orders.models import Order

Result = TypeVar("Result")
_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="sockets-database")


@dataclass(frozen=True)
class Visitor:
    """Somebody who was let in to watch one order. `expires_at` is the token's end, in Unix seconds."""

    user: User
    order_id: int
    topic: str
    expires_at: float

    def seconds_left(self) -> float:
        return max(0.0, self.expires_at - time.time())

    def snapshot(self) -> dict[str, Any]:
        order = Order.objects.select_related("store", "customer").get(pk=self.order_id)
        return dict(OrderTracking(Tracking(order, self.user)).data)


async def in_thread(ask: Callable[[], Result]) -> Result:
    """Run a question to the database without holding up the sockets; its connection ends with it."""

    def asked() -> Result:
        try:
            return ask()
        finally:
            connection.close()

    return await asyncio.get_running_loop().run_in_executor(_threads, asked)


def admit(token: str, ref: str) -> Visitor:
    """Raises Problem: 401 for a token that is not (any more) good, what access.visible_order raises for the order."""
    user, expires_at = _bearer(token)
    order = access.visible_order(user, ref)
    return Visitor(user, order.pk, announcing.order_topic(order.public_id), expires_at)


def _bearer(token: str) -> tuple[User, float]:
    refused = Problem("Token is missing, invalid or expired", status=401, code="NOT_AUTHENTICATED")
    try:
        claims = AccessToken(token)  # type: ignore[arg-type]
        user = User.objects.filter(public_id=claims[str(settings.SIMPLE_JWT["USER_ID_CLAIM"])], is_active=True).first()
    except (TokenError, KeyError, ValidationError) as error:
        raise refused from error
    if user is None:
        raise refused
    return user, float(claims["exp"])


def require_known_origin(origin: str | None) -> None:
    """Browsers send cookies and tokens wherever a page asks them to; apps have no origin. Raises Forbidden."""
    if origin and origin not in {settings.PUBLIC_URL, *settings.CSRF_TRUSTED_ORIGINS}:
        raise Forbidden("This origin may not open sockets", code="ORIGIN_REFUSED")


def versions(topics: Sequence[str]) -> dict[str, int]:
    """The newest version of each order topic."""
    refs = [topic.removeprefix(announcing.order_topic("")) for topic in topics]
    known = Order.objects.filter(public_id__in=refs).values_list("public_id", "version")
    return {announcing.order_topic(ref): version for ref, version in known}


class _MaskTokens(logging.Filter):
    """The server logs the address of every socket, and the address holds the token."""

    token = re.compile(r"(token=)[^&\s\"]+")

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(self.token.sub(r"\1•••", arg) if isinstance(arg, str) else arg for arg in record.args)
        return True


def keep_tokens_out_of_logs() -> None:
    for name in ("uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        if not any(isinstance(known, _MaskTokens) for known in logger.filters):
            logger.addFilter(_MaskTokens())
