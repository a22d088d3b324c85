"""COOCO, a courier company, in both directions: we ask for deliveries, it tells how they go.

Documented in its partner contract (API v2). The base URL (COOCO_API_BASE) has /v2 in it.
Authentication: `Authorization: Bearer` and `X-RideNDine-Request-ID`, the same on every try. Its webhooks carry
`X-COOCO-Signature: sha256=…`, HMAC-SHA256 of "{X-COOCO-Timestamp}.{JSON.stringify(body)}", at most 300 s from now.
Event id: none; delivery_id, event and timestamp together are one.
Retries: ours after 1, 2, 4, 8 and 16 s; its own at once and after 1, 5, 15 and 60 min, signed anew.
Units: US cents, kilometres in the tariff, degrees, minutes.
Quirks: it gives no prices, its tariff is public (cooco_tariff.py). It looks jobs up by its own id only. `completed` and
`delivered` are the same word. Its events say `failed` for cancelled too. What it signs is the body as JavaScript writes
it, which may differ from the bytes it sends: both count (cooco_json.py).
"""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote as quoted

from django.conf import settings

from deliveries.couriers import calls, cooco_bodies, cooco_json, cooco_news, cooco_tariff, reading, signatures
from deliveries.couriers.base import (
    Cancelled,
    CannotCancel,
    Company,
    Handle,
    NotAsked,
    Parcel,
    Quote,
    Try,
)
from deliveries.couriers.cooco_news import EVENTS, NAME, STATUSES
from deliveries.evidence import CourierNews, Stage
from foundation import clock
from foundation.errors import Permanent, Unknown
from foundation.webhook import Knock, Notice, Refused, Seal
from foundation.work import Exact

TOLERANCE_S = 300
QUOTE_LIFE = timedelta(hours=1)  # a price by a public tariff: how long we rely on it


class Cooco(Company):
    name = NAME
    title = "COOCO"
    words = {**STATUSES, **EVENTS}
    create_retries = Exact((1, 2, 4, 8, 16))

    def enabled(self) -> bool:
        return bool(settings.COOCO_API_KEY and settings.COOCO_API_BASE)

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────
    def quote(self, parcel: Parcel, call: Try) -> Quote:
        """By the tariff, without a call. When it would arrive, COOCO says only once it was asked to carry."""
        if parcel.currency != cooco_tariff.CURRENCY:
            raise Permanent(f"COOCO charges in {cooco_tariff.CURRENCY}, the order is in {parcel.currency}")
        fee_minor = cooco_tariff.delivery_fee_minor(parcel.distance_m, parcel.ready_at, parcel.time_zone)
        return Quote(fee_minor, cooco_tariff.CURRENCY, None, clock.now() + QUOTE_LIFE)

    def create(self, parcel: Parcel, quote_ref: str, call: Try) -> CourierNews:
        try:
            answer = self._call("POST", "deliveries", "create", call, cooco_bodies.create_body(parcel))
        except Permanent as refusal:
            if refusal.code != "409":
                raise
            return self._adopt(parcel, refusal, call)
        return cooco_news.of_answer(answer, Handle(parcel.external_id))

    def get(self, handle: Handle, call: Try) -> CourierNews:
        with calls.about_a_job():
            return cooco_news.of_answer(self._call("GET", f"deliveries/{_path(handle)}", "get", call), handle)

    def cancel(self, handle: Handle, reason: str, call: Try) -> Cancelled:
        path = f"deliveries/{_path(handle)}/cancel"
        try:
            with calls.about_a_job():
                answer = self._call("PATCH", path, "cancel", call, {"reason": reason})
        except Permanent as refusal:
            if cooco_news.is_cancelled(refusal.answer):
                return cooco_news.cancelled(refusal.answer)
            if refusal.code == "404":
                raise
            raise CannotCancel(str(refusal), code=refusal.code, answer=refusal.answer) from refusal
        if cooco_news.is_cancelled(answer):
            return cooco_news.cancelled(answer)
        status = reading.text(answer, "status", reading.WORD_LENGTH)
        if STATUSES.get(status) in (None, Stage.REQUESTED):
            raise Unknown(f"COOCO answered a cancellation with status {status!r}", answer=answer)
        raise CannotCancel(f"COOCO goes on: {status}", answer=answer)

    def _adopt(self, parcel: Parcel, conflict: Permanent, call: Try) -> CourierNews:
        """It has a job under our id already: an earlier try arrived. Raises Unknown where it does not say which."""
        known = calls.said(conflict, "delivery_id")
        if not known:
            raise Unknown(str(conflict), code=conflict.code, answer=conflict.answer) from conflict
        with calls.maybe_there():
            news = self.get(Handle(parcel.external_id, known), call)
        if news.external_id != parcel.external_id:
            raise Permanent(f"COOCO knows {parcel.external_id} as a job of {news.external_id}")
        return news

    def _call(self, method: str, path: str, purpose: str, call: Try, body: Any = None) -> dict[str, Any]:
        return calls.send(
            self.name,
            method,
            f"{settings.COOCO_API_BASE.rstrip('/')}/{path}",
            purpose=f"delivery.{purpose}",
            call=call,
            headers={
                "Authorization": f"Bearer {settings.COOCO_API_KEY}",
                "X-RideNDine-Request-ID": str(call.request_id),
            },
            json=body,
        )

    # ── the door ─────────────────────────────────────────────────────────────────────────────────────────────────
    def verify(self, knock: Knock) -> Seal:
        if not settings.COOCO_WEBHOOK_SECRETS:
            raise Refused(503, "not_enabled", "COOCO is not configured here")
        signature = knock.headers.get("x-cooco-signature", "")
        timestamp = knock.headers.get("x-cooco-timestamp", "")
        if not signature or not timestamp:
            raise Refused(401, "missing_signature", "X-COOCO-Signature or X-COOCO-Timestamp is missing")
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            raise Refused(401, "wrong_signature", "X-COOCO-Timestamp is not a number of seconds")
        if abs(time.time() - int(timestamp)) > TOLERANCE_S:
            raise Refused(401, "old_signature", f"X-COOCO-Timestamp is more than {TOLERANCE_S} s from now")
        if _signed(knock.raw, timestamp, signature):
            return Seal(signature)
        rewritten = cooco_json.stringified(knock.raw)
        if rewritten is not None and _signed(rewritten, timestamp, signature):
            return Seal(signature)
        raise Refused(401, "wrong_signature", "X-COOCO-Signature does not match")

    def notices(self, payload: Any, seal: Seal) -> Sequence[Notice]:
        event = reading.required(payload, "event", longest=reading.TYPE_LENGTH)
        job = reading.required(payload, "delivery_id", longest=reading.REF_LENGTH)
        at = reading.required(payload, "timestamp", longest=reading.KEY_LENGTH)
        return [Notice(event, reading.key(job, event, at), payload)]

    def read(self, event_type: str, payload: Any) -> CourierNews | None:
        return cooco_news.of_event(event_type, payload) if event_type in EVENTS else None


def _path(handle: Handle) -> str:
    if not handle.courier_ref:
        raise NotAsked("COOCO looks jobs up by its own id only, and we were not told it")
    return quoted(handle.courier_ref, safe="")


def _signed(body: bytes, timestamp: str, signature: str) -> bool:
    digests = signatures.sha256(timestamp.encode() + b"." + body, settings.COOCO_WEBHOOK_SECRETS)
    return signatures.matches(signature, [f"sha256={digest}" for digest in digests])
