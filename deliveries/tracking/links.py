"""Tracking links (SPEC T3): an unguessable address per order that opens the customer's page, and nothing else.

The token is made of the order, the link's number and the installation's secret, so that the same order keeps giving the
same address, while the table holds digests only: neither the rows nor a backup of them open a page. It has 192 bits.
After SECRET_KEY was changed, old links work on, and who asks is given a new one.
"""

import base64
import hashlib
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.crypto import salted_hmac

from deliveries.models import TrackingLink
from foundation import clock
from foundation.errors import APIError, Conflict, NotFound
from foundation.events import Cause
from orders import locks
from orders.lifecycle import LIVE
from orders.models import Order

TOKEN_BYTES = 24
LONGEST_TOKEN = 64
REVOKED = "order.tracking_link_revoked"


class LinkExpired(APIError):
    """There was such a link once: it has expired or was revoked."""

    status = 410
    code = "LINK_OVER"


def url_of(order: Order, *, by: Cause) -> str | None:
    """The address of the order's page, made on first asking. None: the time of its links is over."""
    if is_over(order, clock.now()):
        return None
    known = list(TrackingLink.objects.filter(order=order).order_by("number"))
    ours = [link.number for link in known if link.revoked_at is None and _is_ours(link, order)]
    number = ours[-1] if ours else 1 + max((link.number for link in known), default=0)
    while not ours and not _is_ours(create_link(order, number, by=by), order):
        number += 1  # somebody with another secret was quicker
    return f"{settings.PUBLIC_URL}/track/{token_of(order, number)}"


def create_link(order: Order, number: int, *, by: Cause) -> TrackingLink:
    """Link `number` of the order; of two who ask at once both are given the same."""
    made = TrackingLink(
        order=order,
        number=number,
        token_sha256=digest_token(token_of(order, number)),
        expires_at=last_day(order),
        created_by=by.actor,
    )
    TrackingLink.objects.bulk_create([made], ignore_conflicts=True)
    return TrackingLink.objects.get(order=order, number=number)


def resolve_token(token: str) -> TrackingLink:
    """The link with its order. Raises NotFound for what never was one, LinkOver for an expired or revoked one."""
    link = (
        TrackingLink.objects.select_related("order__store", "order__customer")
        .filter(token_sha256=digest_token(token[:LONGEST_TOKEN]))
        .first()
    )
    if link is None:
        raise NotFound("There is no such link", code="LINK_NOT_FOUND")
    require_open(link)
    return link


def require_open(link: TrackingLink) -> None:
    """Raises LinkOver. `link.order` must be fresh."""
    now = clock.now()
    if link.revoked_at is not None or link.expires_at <= now or is_over(link.order, now):
        raise LinkExpired("This link is over")


def revoke_link(link_id: int, reason: str, *, by: Cause) -> TrackingLink:
    """From now on it opens nothing, and open pages are told so. The next to ask for the order's link gets a new one.
    Raises Conflict when it was revoked before."""
    with transaction.atomic():
        order = locks.lock_order(TrackingLink.objects.values_list("order_id", flat=True).get(pk=link_id))
        link = TrackingLink.objects.get(pk=link_id)
        if link.revoked_at is not None:
            raise Conflict("it was revoked before")
        link.revoked_at, link.revoked_by, link.revoke_reason = clock.now(), by.actor, reason
        link.save(update_fields=["revoked_at", "revoked_by", "revoke_reason"])
        locks.record_event(order, REVOKED, by=by, data={"number": link.number, "why": reason})
        order.save(update_fields=["version"])
    return link


# ── how long ─────────────────────────────────────────────────────────────────────────────────────────────────────
def last_day(order: Order) -> datetime:
    """However long the order takes; one that was placed ahead of its day counts from that day."""
    return max(order.created_at, order.promised_at or order.created_at) + timedelta(days=settings.TRACKING_LINK_DAYS)


def is_over(order: Order, now: datetime) -> bool:
    ends_at = last_day(order)
    ended_at = order.delivered_at or order.failed_at or order.refunded_at
    if order.status not in LIVE and ended_at is not None:
        ends_at = min(ends_at, ended_at + timedelta(hours=settings.TRACKING_LINK_HOURS))
    return ends_at <= now


# ── the token ────────────────────────────────────────────────────────────────────────────────────────────────────
def token_of(order: Order, number: int) -> str:
    mac = salted_hmac("deliveries.links", f"{order.public_id}/{number}", algorithm="sha256").digest()
    return base64.urlsafe_b64encode(mac[:TOKEN_BYTES]).decode()


def _is_ours(link: TrackingLink, order: Order) -> bool:
    return digest_token(token_of(order, link.number)) == link.token_sha256


def digest_token(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
