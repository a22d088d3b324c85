"""How often somebody may do something (SPEC S2), counted in PostgreSQL so that it holds over all processes.

A limit lets `most` calls through at once and takes `per_s` seconds to let so many through again, evenly. One moment per
key says it all: `free_at`, when it will be as if nobody had ever called. Taking is one upsert under the row's lock: of
any number of racing calls exactly as many get through as may. A refused call writes nothing. The table is unlogged: a
crash of the database forgets the counts, and counting waits for no disk.

Call these outside of transactions: the row stays locked, and the next caller waiting, until the end of yours.
"""

import hashlib
import ipaddress
import math
from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.http import HttpRequest

from foundation.errors import TooManyRequests

_CONSUME_SQL = """
    INSERT INTO foundation_ratelimit AS known (key, free_at)
    VALUES (%(key)s, clock_timestamp() + make_interval(secs => %(each_s)s))
    ON CONFLICT (key) DO UPDATE
        SET free_at = greatest(known.free_at, clock_timestamp()) + make_interval(secs => %(each_s)s)
        WHERE known.free_at + make_interval(secs => %(each_s)s) <= clock_timestamp() + make_interval(secs => %(per_s)s)
    RETURNING true
"""
_WAIT_SQL = """
    SELECT extract(epoch FROM free_at - clock_timestamp())::float8 + %(each_s)s - %(per_s)s
    FROM foundation_ratelimit WHERE key = %(key)s
"""
SUBNET_BITS = 64  # whoever has one IPv6 address has all of its subnet


@dataclass(frozen=True)
class RateLimitRule:
    """So many per so many seconds; how many is a setting, read when it is asked for."""

    name: str
    setting: str
    per_s: float

    def statement_params(self, who: str) -> dict[str, str | float]:
        most: int = getattr(settings, self.setting)
        digest = hashlib.sha256(who.encode("utf-8", "replace")).hexdigest()  # addresses and names are personal data
        return {"key": f"{self.name}:{digest[:32]}", "each_s": self.per_s / most, "per_s": self.per_s}


def consume_call(limit: RateLimitRule, who: str) -> None:
    """Count one call of `who`. Raises TooManyRequests, nothing counted, when it is one too many."""
    with connection.cursor() as cursor:
        cursor.execute(_CONSUME_SQL, limit.statement_params(who))
        if cursor.fetchone():
            return
    raise TooManyRequests(retry_after_s=_round_up_seconds(_wait_s(limit, who)))


def require_capacity(limit: RateLimitRule, who: str) -> None:
    """Raises TooManyRequests when a call of `who` would be one too many now. Counts nothing: racers all pass."""
    if (wait_s := _wait_s(limit, who)) > 0:
        raise TooManyRequests(retry_after_s=_round_up_seconds(wait_s))


def _wait_s(limit: RateLimitRule, who: str) -> float:
    with connection.cursor() as cursor:
        cursor.execute(_WAIT_SQL, limit.statement_params(who))
        row = cursor.fetchone()
    return float(row[0]) if row else 0.0


def _round_up_seconds(seconds: float) -> int:
    return max(1, math.ceil(seconds))


# ── who ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def client_address(request: HttpRequest) -> str:
    """Where the request came from, as far as our own proxies (TRUSTED_PROXIES) can tell: what stands further left in
    X-Forwarded-For was written by the caller. Of an IPv6 address the subnet."""
    direct = request.META.get("REMOTE_ADDR", "")
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    hops = [*forwarded, direct][-1 - settings.TRUSTED_PROXIES :]
    try:
        address = ipaddress.ip_address(hops[0])
    except ValueError:
        return str(direct)
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, SUBNET_BITS), strict=False))
    return str(address)
