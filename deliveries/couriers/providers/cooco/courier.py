"""COOCO, a courier company, in both directions: we ask for deliveries, it tells how they go.

Documented in its partner contract (API v2). The base URL (COOCO_API_BASE) has /v2 in it.
Authentication: `Authorization: Bearer` and `X-RideNDine-Request-ID`, the same on every try. Its webhooks carry
`X-COOCO-Signature: sha256=…`, HMAC-SHA256 of "{X-COOCO-Timestamp}.{JSON.stringify(body)}", at most 300 s from now.
Event id: none; delivery_id, event and timestamp together are one.
Retries: ours after 1, 2, 4, 8 and 16 s; its own at once and after 1, 5, 15 and 60 min, signed anew.
Units: US cents, kilometres in the tariff, degrees, minutes.
Quirks: it gives no prices, its tariff is public (tariff.py). It looks jobs up by its own id only. `completed` and
`delivered` are the same word. Its events say `failed` for cancelled too. What it signs is the body as JavaScript writes
it, which may differ from the bytes it sends: both count (ecmascript_json.py).
"""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote as quoted

from django.conf import settings

from deliveries.couriers.providers import http, parsing, signatures
from deliveries.couriers.providers.base import (
    CallAttempt,
    CancellationResult,
    CannotCancel,
    CourierProvider,
    JobReference,
    LookupUnsupported,
    Quote,
    Shipment,
)
from deliveries.couriers.providers.cooco import ecmascript_json, requests, responses, tariff
from deliveries.couriers.providers.cooco.responses import EVENTS, NAME, STATUSES
from deliveries.couriers.providers.status_update import CourierStage, CourierUpdate
from foundation import clock
from foundation.errors import Permanent, Unknown
from foundation.webhook import IncomingEvent, VerifiedSignature, WebhookRejected, WebhookRequest
from foundation.work import Exact

TOLERANCE_S = 300
QUOTE_LIFE = timedelta(hours=1)  # a price by a public tariff: how long we rely on it


class Cooco(CourierProvider):
    name = NAME
    title = "COOCO"
    status_words = {**STATUSES, **EVENTS}
    create_retries = Exact((1, 2, 4, 8, 16))

    def is_enabled(self) -> bool:
        return bool(settings.COOCO_API_KEY and settings.COOCO_API_BASE)

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────
    def request_quote(self, shipment: Shipment, attempt: CallAttempt) -> Quote:
        """By the tariff, without a call. When it would arrive, COOCO says only once it was asked to carry."""
        if shipment.currency != tariff.CURRENCY:
            raise Permanent(f"COOCO charges in {tariff.CURRENCY}, the order is in {shipment.currency}")
        fee_minor = tariff.delivery_fee_minor(shipment.distance_m, shipment.ready_at, shipment.time_zone)
        return Quote(fee_minor, tariff.CURRENCY, None, clock.now() + QUOTE_LIFE)

    def create_job(self, shipment: Shipment, quote_ref: str, attempt: CallAttempt) -> CourierUpdate:
        try:
            answer = self._call("POST", "deliveries", "create", attempt, requests.create_body(shipment))
        except Permanent as refusal:
            if refusal.code != "409":
                raise
            return self._adopt_job(shipment, refusal, attempt)
        return responses.of_answer(answer, JobReference(shipment.external_id))

    def get(self, job: JobReference, attempt: CallAttempt) -> CourierUpdate:
        with http.about_a_job():
            return responses.of_answer(self._call("GET", f"deliveries/{_job_path(job)}", "get", attempt), job)

    def cancel_job(self, job: JobReference, reason: str, attempt: CallAttempt) -> CancellationResult:
        path = f"deliveries/{_job_path(job)}/cancel"
        try:
            with http.about_a_job():
                answer = self._call("PATCH", path, "cancel", attempt, {"reason": reason})
        except Permanent as refusal:
            if responses.is_cancelled(refusal.answer):
                return responses.read_cancellation(refusal.answer)
            if refusal.code == "404":
                raise
            raise CannotCancel(str(refusal), code=refusal.code, answer=refusal.answer) from refusal
        if responses.is_cancelled(answer):
            return responses.read_cancellation(answer)
        status = parsing.get_text(answer, "status", parsing.WORD_LENGTH)
        if STATUSES.get(status) in (None, CourierStage.REQUESTED):
            raise Unknown(f"COOCO answered a cancellation with status {status!r}", answer=answer)
        raise CannotCancel(f"COOCO goes on: {status}", answer=answer)

    def _adopt_job(self, shipment: Shipment, conflict: Permanent, attempt: CallAttempt) -> CourierUpdate:
        """It has a job under our id already: an earlier try arrived. Raises Unknown where it does not say which."""
        known = http.read_refusal(conflict, "delivery_id")
        if not known:
            raise Unknown(str(conflict), code=conflict.code, answer=conflict.answer) from conflict
        with http.maybe_there():
            news = self.get(JobReference(shipment.external_id, known), attempt)
        if news.external_id != shipment.external_id:
            raise Permanent(f"COOCO knows {shipment.external_id} as a job of {news.external_id}")
        return news

    def _call(self, method: str, path: str, purpose: str, attempt: CallAttempt, body: Any = None) -> dict[str, Any]:
        return http.send_request(
            self.name,
            method,
            f"{settings.COOCO_API_BASE.rstrip('/')}/{path}",
            purpose=f"delivery.{purpose}",
            attempt=attempt,
            headers={
                "Authorization": f"Bearer {settings.COOCO_API_KEY}",
                "X-RideNDine-Request-ID": str(attempt.request_id),
            },
            json=body,
        )

    # ── the webhook endpoint ─────────────────────────────────────────────────────────────────────────────────────
    def verify_signature(self, request: WebhookRequest) -> VerifiedSignature:
        if not settings.COOCO_WEBHOOK_SECRETS:
            raise WebhookRejected(503, "not_enabled", "COOCO is not configured here")
        signature = request.headers.get("x-cooco-signature", "")
        timestamp = request.headers.get("x-cooco-timestamp", "")
        if not signature or not timestamp:
            raise WebhookRejected(401, "missing_signature", "X-COOCO-Signature or X-COOCO-Timestamp is missing")
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            raise WebhookRejected(401, "wrong_signature", "X-COOCO-Timestamp is not a number of seconds")
        if abs(time.time() - int(timestamp)) > TOLERANCE_S:
            raise WebhookRejected(401, "old_signature", f"X-COOCO-Timestamp is more than {TOLERANCE_S} s from now")
        if _is_signed(request.raw, timestamp, signature):
            return VerifiedSignature(signature)
        rewritten = ecmascript_json.stringify_body(request.raw)
        if rewritten is not None and _is_signed(rewritten, timestamp, signature):
            return VerifiedSignature(signature)
        raise WebhookRejected(401, "wrong_signature", "X-COOCO-Signature does not match")

    def list_events(self, payload: Any, verified: VerifiedSignature) -> Sequence[IncomingEvent]:
        event = parsing.require_text(payload, "event", longest=parsing.TYPE_LENGTH)
        job_id = parsing.require_text(payload, "delivery_id", longest=parsing.REF_LENGTH)
        at = parsing.require_text(payload, "timestamp", longest=parsing.KEY_LENGTH)
        return [IncomingEvent(event, parsing.build_event_id(job_id, event, at), payload)]

    def read_event(self, event_type: str, payload: Any) -> CourierUpdate | None:
        return responses.of_event(event_type, payload) if event_type in EVENTS else None


def _job_path(job: JobReference) -> str:
    if not job.courier_ref:
        raise LookupUnsupported("COOCO looks jobs up by its own id only, and we were not told it")
    return quoted(job.courier_ref, safe="")


def _is_signed(body: bytes, timestamp: str, signature: str) -> bool:
    digests = signatures.hmac_digests(timestamp.encode() + b"." + body, settings.COOCO_WEBHOOK_SECRETS)
    return signatures.matches_any(signature, [f"sha256={digest}" for digest in digests])
