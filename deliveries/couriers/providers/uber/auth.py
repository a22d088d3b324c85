"""Uber's access token: fetched by client credentials, kept by the process, renewed before it ends.

A token lives for weeks and asking for many is throttled, so that one is shared by all threads: whoever finds it missing
fetches it, the others wait for him.
"""

import threading
import time
from dataclasses import dataclass

from django.conf import settings

from deliveries.couriers.providers import http
from deliveries.couriers.providers.base import QUOTE_TIMEOUT_S, CallAttempt
from foundation.errors import Permanent, Transient, Unknown

SCOPE = "eats.deliveries"
REFUSED = "401"
MARGIN_S = 60.0  # renewed so long before its end, but never before half of its life is over


@dataclass(frozen=True)
class AccessToken:
    value: str
    account: tuple[str, ...]
    renew_at: float  # by time.monotonic()


class _ProcessTokens:
    lock = threading.Lock()
    token: AccessToken | None = None


def access_token(attempt: CallAttempt) -> str:
    """A token that is valid now. Raises Permanent when our credentials are refused; Transient, never Unknown, when
    there is no answer: what the token was for has not been sent."""
    with _ProcessTokens.lock:
        token = _ProcessTokens.token
        if token is None or token.account != _account_key() or time.monotonic() >= token.renew_at:
            token = _ProcessTokens.token = _fetch_token(attempt)
        return token.value


def forget_token(value: str) -> None:
    """It was refused. Somebody may have renewed it meanwhile: that one stays."""
    with _ProcessTokens.lock:
        if _ProcessTokens.token is not None and _ProcessTokens.token.value == value:
            _ProcessTokens.token = None


def _account_key() -> tuple[str, ...]:
    return settings.UBER_AUTH_BASE, settings.UBER_CLIENT_ID, settings.UBER_CLIENT_SECRET


def _fetch_token(attempt: CallAttempt) -> AccessToken:
    form = {
        "client_id": settings.UBER_CLIENT_ID,
        "client_secret": settings.UBER_CLIENT_SECRET,
        "grant_type": "client_credentials",
        "scope": SCOPE,
    }
    url = f"{settings.UBER_AUTH_BASE.rstrip('/')}/oauth/v2/token"
    try:
        answer = http.send_request(
            "uber", "POST", url, purpose="token", attempt=attempt, timeout_s=QUOTE_TIMEOUT_S, form=form
        )
    except Unknown as error:
        raise Transient(f"no token: {error}", code=error.code, answer=error.answer) from error
    except Permanent as refusal:  # whatever the status: it is about our credentials, not about a job
        raise Permanent(f"no token: {refusal}", code=REFUSED, answer=refusal.answer) from refusal
    value, life_s = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(value, str) or not value or not isinstance(life_s, int | float) or life_s <= 0:
        raise Transient("no token: the answer holds none")
    return AccessToken(value, _account_key(), time.monotonic() + max(life_s - MARGIN_S, life_s / 2))
