"""DoorDash Drive v2, a courier company, in both directions.

Documented at developer.doordash.com (Drive: API reference, webhooks, JWTs).
Authentication: a JWT that we sign (auth.py). Its webhooks are not signed at all: they carry the Authorization
header that was entered in its portal, so what they tell is a hint (`CourierUpdate.is_hint`), and ends are looked up.
Event id: none; external_delivery_id, event_name and created_at together are one.
Retries: of its webhooks three, until it is answered 200. Ours: jobs are known by our id alone, `duplicate_delivery_id`
says that it exists.
Units: cents, ISO times.
Quirks: a quote is a delivery with status `quote`, takes our id and lives five minutes; it is accepted, not referred to.
Events come out of order. Fields without a value are left out. The names of its older API (v1, lower case) are known to
mean something else and move nothing; of the new ones the dasher_enroute_… are written in lower case.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings

from deliveries.couriers.providers import http, parsing, signatures
from deliveries.couriers.providers.base import (
    QUOTE_TIMEOUT_S,
    CallAttempt,
    CancellationResult,
    CannotCancel,
    CourierProvider,
    JobReference,
    Quote,
    Shipment,
)
from deliveries.couriers.providers.doordash import auth, requests, responses
from deliveries.couriers.providers.doordash.responses import EVENTS, NAME, QUOTED, STATUSES
from deliveries.couriers.providers.status_update import CourierUpdate
from foundation import clock
from foundation.errors import Permanent, Transient, Unknown
from foundation.webhook import IncomingEvent, VerifiedSignature, WebhookRejected, WebhookRequest

QUOTE_LIFE = timedelta(minutes=5)
# Reasons of `cancel_not_allowed` that pass by themselves.
PASSING = frozenset({"delivery_creation_in_progress", "duplicate_request"})
LAPSED = frozenset({"400", "404", "410"})  # what accepting a quote is answered with that is no more


class DoorDash(CourierProvider):
    name = NAME
    title = "DoorDash Drive"
    status_words = {**STATUSES, **EVENTS}

    def is_enabled(self) -> bool:
        return bool(settings.DOORDASH_DEVELOPER_ID and settings.DOORDASH_KEY_ID and settings.DOORDASH_SIGNING_SECRET)

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────
    def request_quote(self, shipment: Shipment, attempt: CallAttempt) -> Quote:
        """Asking again with the same id is refused: then the quote that stands is the answer."""
        shipment.require_phones(store=False, customer=True)
        body = requests.build_delivery(shipment)
        try:
            answer = self._call("POST", "quotes", "quote", attempt, body, timeout_s=QUOTE_TIMEOUT_S)
        except Permanent as refusal:
            if not _is_duplicate(refusal):
                raise
            answer = self._look_up(shipment.external_id, attempt, timeout_s=QUOTE_TIMEOUT_S)
            if answer.get("delivery_status") != QUOTED:
                raise Permanent(f"{shipment.external_id} is a delivery already", code="409", answer=answer) from refusal
        fee_minor = parsing.parse_amount(answer.get("fee"))
        if fee_minor is None:
            raise Unknown("DoorDash's quote has no fee", answer=answer)
        return Quote(
            fee_minor,
            responses.read_currency(answer) or shipment.currency,
            parsing.parse_estimate(answer.get("dropoff_time_estimated")),
            parsing.parse_estimate(answer.get("expires_at")) or clock.now() + QUOTE_LIFE,
            shipment.external_id,
        )

    def create_job(self, shipment: Shipment, quote_ref: str, attempt: CallAttempt) -> CourierUpdate:
        if quote_ref:
            try:
                path = f"quotes/{shipment.external_id}/accept"
                return responses.of_answer(self._call("POST", path, "accept", attempt, requests.accept_body(shipment)))
            except Permanent as refusal:
                if refusal.code == "409":  # maybe accepted by an earlier try
                    return self._adopt_job(shipment, refusal, attempt)
                if refusal.code not in LAPSED:
                    raise
        try:
            return responses.of_answer(
                self._call("POST", "deliveries", "create", attempt, requests.build_delivery(shipment))
            )
        except Permanent as refusal:
            if not _is_duplicate(refusal):
                raise
            return self._adopt_job(shipment, refusal, attempt)

    def _adopt_job(self, shipment: Shipment, duplicate: Permanent, attempt: CallAttempt) -> CourierUpdate:
        """It knows our id: an earlier try arrived, unless it only ever was a quote, or somebody else's parcel."""
        with http.maybe_there():
            delivery = self._look_up(shipment.external_id, attempt)
        if delivery.get("delivery_status") == QUOTED:
            raise Permanent("its quote has lapsed, and takes our id", code="409", answer=delivery) from duplicate
        if not requests.is_the_same(delivery, shipment):
            raise Permanent("DoorDash has another delivery under our id", code="409") from duplicate
        return responses.of_answer(delivery)

    def get(self, job: JobReference, attempt: CallAttempt) -> CourierUpdate:
        with http.about_a_job():
            return responses.of_answer(self._look_up(job.external_id, attempt))

    def cancel_job(self, job: JobReference, reason: str, attempt: CallAttempt) -> CancellationResult:
        """DoorDash takes no reason in words, and does not say what a cancellation costs."""
        try:
            with http.about_a_job():
                answer = self._call("PUT", f"deliveries/{job.external_id}/cancel", "cancel", attempt, {})
        except Permanent as refusal:
            if refusal.code == "404":
                raise
            why = http.read_refusal(refusal, "reason")
            if why == "delivery_cancelled":
                return CancellationResult()
            if why in PASSING:
                raise Transient(str(refusal), code=refusal.code, answer=refusal.answer) from refusal
            raise CannotCancel(str(refusal), code=refusal.code, answer=refusal.answer) from refusal
        status = parsing.get_text(answer, "delivery_status", parsing.WORD_LENGTH)
        if status in ("", "cancelled"):
            return CancellationResult()
        raise CannotCancel(f"DoorDash goes on: {status}", answer=answer)

    def update(self, shipment: Shipment, attempt: CallAttempt) -> CourierUpdate:
        """Tell it of changed instructions, phone numbers, times or a tip. Raises Permanent when it is too late."""
        body = {
            name: said for name, said in requests.build_delivery(shipment).items() if name != "external_delivery_id"
        }
        with http.about_a_job():
            return responses.of_answer(
                self._call("PATCH", f"deliveries/{shipment.external_id}", "update", attempt, body)
            )

    def _look_up(self, external_id: str, attempt: CallAttempt, timeout_s: float | None = None) -> dict[str, Any]:
        return self._call("GET", f"deliveries/{external_id}", "get", attempt, timeout_s=timeout_s)

    def _call(
        self,
        method: str,
        path: str,
        purpose: str,
        attempt: CallAttempt,
        body: Any = None,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        return http.send_request(
            self.name,
            method,
            f"{settings.DOORDASH_API_BASE.rstrip('/')}/drive/v2/{path}",
            purpose=f"delivery.{purpose}",
            attempt=attempt,
            timeout_s=timeout_s,
            headers={"Authorization": f"Bearer {auth.make_token()}"},
            json=body,
        )

    # ── the webhook endpoint ─────────────────────────────────────────────────────────────────────────────────────
    def verify_signature(self, request: WebhookRequest) -> VerifiedSignature:
        """Nothing of it is kept: it is a password."""
        expected = settings.DOORDASH_WEBHOOK_AUTHORIZATIONS
        if not expected:
            raise WebhookRejected(503, "not_enabled", "DoorDash Drive is not configured here")
        said = request.headers.get("authorization", "")
        if not said:
            raise WebhookRejected(401, "missing_signature", "Authorization is missing")
        if not signatures.matches_any(said, expected):
            raise WebhookRejected(401, "wrong_signature", "Authorization does not match")
        return VerifiedSignature()

    def list_events(self, payload: Any, verified: VerifiedSignature) -> Sequence[IncomingEvent]:
        event = parsing.require_text(payload, "event_name", longest=parsing.TYPE_LENGTH)
        job_id = parsing.require_text(payload, "external_delivery_id", longest=parsing.REF_LENGTH)
        at = parsing.get_text(payload, "created_at", 60) or parsing.digest_payload(payload)
        return [IncomingEvent(event, parsing.build_event_id(job_id, event, at), payload)]

    def read_event(self, event_type: str, payload: Any) -> CourierUpdate | None:
        return responses.of_event(event_type, payload) if event_type in EVENTS else None


def _is_duplicate(refusal: Permanent) -> bool:
    """The documented code, or a 409 that names the id it is about."""
    said = refusal.answer if isinstance(refusal.answer, Mapping) else {}
    return refusal.code == "409" and (said.get("code") == "duplicate_delivery_id" or "external_delivery_id" in said)
