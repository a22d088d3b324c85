"""Addresses that nothing is sent to any more, each with its reason and time, and the way back (SPEC N3).

What is retired is the address on one channel, whoever it is written down for. News about it comes in any order: what is
older than what is known, or than the way back, changes nothing. Of news of the same moment always the same one stands.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog
from django.db import connection
from django.db.models.functions import Now

from foundation import clock
from foundation.fields import max_length
from notifications.models import SuppressedAddress

log = structlog.get_logger(__name__)

RETIRED = "retired: "  # opens the reason of a step of the ladder that was passed over
LONGEST = max_length(SuppressedAddress, "address")
BY_LENGTH = max_length(SuppressedAddress, "reinstated_by")

_RETIRE = """
    INSERT INTO notifications_suppressedaddress AS r
        (channel, address, reason, detail, retired_at, reinstated_at, reinstated_by)
    VALUES (%s, %s, %s, %s, %s, NULL, '')
    ON CONFLICT (address, channel) DO UPDATE
    SET reason = excluded.reason, detail = excluded.detail, retired_at = excluded.retired_at,
        reinstated_at = NULL, reinstated_by = ''
    WHERE (excluded.retired_at, excluded.reason, excluded.detail) > (r.retired_at, r.reason, r.detail)
      AND (r.reinstated_at IS NULL OR excluded.retired_at > r.reinstated_at)
"""
# Kept even of an address that is not retired: the news that it takes back may still be on its way.
_BRING_BACK = """
    INSERT INTO notifications_suppressedaddress AS r
        (channel, address, reason, detail, retired_at, reinstated_at, reinstated_by)
    VALUES (%(channel)s, %(address)s, '', '', %(at)s, %(at)s, %(by)s)
    ON CONFLICT (address, channel) DO UPDATE
    SET reinstated_at = excluded.reinstated_at, reinstated_by = excluded.reinstated_by
    WHERE excluded.reinstated_at >= r.retired_at
      AND (r.reinstated_at IS NULL OR excluded.reinstated_at > r.reinstated_at)
"""


def suppress_address(channel: str, address: str, reason: str, *, detail: str = "", at: datetime | None = None) -> bool:
    """Write to it no more. `at` is when it became so, by the provider's clock (None: now). False: known already, or
    older than what is known."""
    if not address:
        return False
    with connection.cursor() as cursor:
        cursor.execute(_RETIRE, [channel, normalize_address(address), reason[:60], detail[:300], at or clock.now()])
        if cursor.rowcount:
            log.info("address_retired", channel=channel, reason=reason)
        return bool(cursor.rowcount)


def bring_back(channel: str, address: str, by: str, *, at: datetime) -> bool:
    """Its owner wants to be written to again, says a provider (`by`), since `at`. False: known already, or older than
    what is known."""
    if not address:
        return False
    facts: dict[str, str | datetime] = {
        "channel": channel,
        "address": normalize_address(address),
        "at": at,
        "by": by[:BY_LENGTH],
    }
    with connection.cursor() as cursor:
        cursor.execute(_BRING_BACK, facts)
        return bool(cursor.rowcount)


def reinstate_address(channel: str, address: str, by: str) -> bool:
    """It is good again, says `by` ("user:7"). Returns whether it was retired."""
    known = SuppressedAddress.objects.filter(channel=channel, address=normalize_address(address), reinstated_at=None)
    return bool(known.update(reinstated_at=Now(), reinstated_by=by[:BY_LENGTH]))


def deliverable_addresses(channel: str, addresses: Sequence[str]) -> list[str]:
    """Those that may be written to."""
    wanted = {normalize_address(address) for address in addresses}
    gone = SuppressedAddress.objects.filter(channel=channel, address__in=wanted, reinstated_at=None)
    retired = set(gone.values_list("address", flat=True))
    return [address for address in addresses if normalize_address(address) not in retired]


def suppression_reason(channel: str, address: str) -> str:
    """In the words of the ladder: why a retired address is passed over."""
    known = SuppressedAddress.objects.filter(
        channel=channel, address=normalize_address(address), reinstated_at=None
    ).first()
    return f"{RETIRED}{known.reason if known else 'just now'}"


def normalize_address(address: str) -> str:
    """As it is written down: mailboxes and numbers are the same in any case."""
    return address.strip().lower()[:LONGEST]
