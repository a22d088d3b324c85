"""Uber Direct, a courier company, in both directions.

Documented at developer.uber.com/docs/deliveries and by the OpenAPI file of Uber's own SDK (uber/uber-direct-sdk).
Authentication: OAuth client credentials (auth.py). Its webhooks carry the HMAC-SHA256 of the raw body, hex, in
`x-uber-signature` or, by its older name, `x-postmates-signature`; either counts. There is no time in it.
Event id: none is promised. A status is the same event by delivery, kind, status, courier_imminent and `updated`;
anything else by its content.
Retries: of its webhooks undocumented. Ours: a create carries our id as `external_id` and as `idempotency_key`, which
Uber keeps for an hour; `duplicate_delivery` names the job that exists.
Units: cents, RFC 3339 times. `fee` has the tip in it.
Quirks: addresses are JSON within strings (requests.py). A quote lives for minutes and works once. Jobs are looked up
by Uber's id only. `canceled` has one l. `courier_imminent` means near, not arrived. The way back of an undeliverable
parcel is a delivery of its own, related to the original: that it was delivered means that ours was returned.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import timedelta
from typing import Any
from urllib.parse import quote as quoted

from django.conf import settings

from deliveries.couriers.providers import http, parsing, signatures
from deliveries.couriers.providers.base import (
    QUOTE_TIMEOUT_S,
    CallAttempt,
    CancellationResult,
    CannotCancel,
    CourierProvider,
    JobReference,
    LookupUnsupported,
    Quote,
    Shipment,
)
from deliveries.couriers.providers.status_update import CourierStage, CourierUpdate
from deliveries.couriers.providers.uber import auth, requests, responses
from deliveries.couriers.providers.uber.responses import NAME, POSITION, STATUS, WORDS
from foundation import clock
from foundation.errors import Permanent, Transient, Unknown
from foundation.webhook import IncomingEvent, VerifiedSignature, WebhookRejected, WebhookRequest

SIGNATURES = ("x-uber-signature", "x-postmates-signature")
QUOTE_LIFE = timedelta(minutes=5)  # where it does not say: less than any that was seen
USED_QUOTE = "used_quote"
STALE_QUOTES = frozenset({"expired_quote", USED_QUOTE})
NO_ACCOUNT = "customer_not_found"  # a 404 that is about us
LATER = frozenset({"couriers_busy", "robo_couriers_busy", "service_unavailable"})  # 503, and nothing was done


class Uber(CourierProvider):
    name = NAME
    title = "Uber Direct"
    status_words = WORDS

    def is_enabled(self) -> bool:
        return bool(settings.UBER_CLIENT_ID and settings.UBER_CLIENT_SECRET and settings.UBER_CUSTOMER_ID)

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────
    def request_quote(self, shipment: Shipment, attempt: CallAttempt) -> Quote:
        shipment.require_phones(store=True, customer=True)
        body = requests.quote_body(shipment)
        answer = self._call("POST", "delivery_quotes", "quote", attempt, body, timeout_s=QUOTE_TIMEOUT_S)
        fee_minor, reference = (
            parsing.parse_amount(answer.get("fee")),
            parsing.get_text(answer, "id", parsing.REF_LENGTH),
        )
        if fee_minor is None or not reference:
            raise Unknown("Uber's quote has no fee or no id", answer=answer)
        return Quote(
            fee_minor,
            responses.read_currency(answer) or shipment.currency,
            parsing.parse_estimate(answer.get("dropoff_eta")),
            parsing.parse_estimate(answer.get("expires")) or clock.now() + QUOTE_LIFE,
            reference,
        )

    def create_job(self, shipment: Shipment, quote_ref: str, attempt: CallAttempt) -> CourierUpdate:
        """A quote that has lapsed meanwhile is asked for anew, once. One that was used may have been used by an earlier
        try of ours, so that nothing which then fails says that there is no job."""
        try:
            return self._create_once(shipment, quote_ref, attempt)
        except Permanent as refusal:
            stale = http.read_refusal(refusal, "code") if quote_ref else ""
            if stale not in STALE_QUOTES:
                raise
        with http.maybe_there() if stale == USED_QUOTE else nullcontext():
            return self._create_once(shipment, self.request_quote(shipment, attempt).reference, attempt)

    def _create_once(self, shipment: Shipment, quote_ref: str, attempt: CallAttempt) -> CourierUpdate:
        body = requests.create_body(shipment, quote_ref)
        try:
            return responses.of_answer(
                self._call("POST", "deliveries", "create", attempt, body), JobReference(shipment.external_id)
            )
        except Permanent as refusal:
            if refusal.code != "409" or http.read_refusal(refusal, "code") != "duplicate_delivery":
                raise
            return self._adopt_job(shipment, refusal, attempt)

    def _adopt_job(self, shipment: Shipment, duplicate: Permanent, attempt: CallAttempt) -> CourierUpdate:
        """An earlier try arrived: the job that it made is the answer. Raises Unknown where it is not named."""
        known = parsing.get_text(
            parsing.get_object(parsing.require_object(duplicate.answer), "metadata"), "delivery_id"
        )
        if not known:
            raise Unknown(str(duplicate), code=duplicate.code, answer=duplicate.answer) from duplicate
        with http.maybe_there():
            news = self.get(JobReference(shipment.external_id, known), attempt)
        if news.external_id != shipment.external_id:
            raise Permanent(f"Uber knows {shipment.external_id} as a job of {news.external_id}")
        return news

    def get(self, job: JobReference, attempt: CallAttempt) -> CourierUpdate:
        with http.about_a_job(NO_ACCOUNT):
            return responses.of_answer(self._call("GET", _job_path(job), "get", attempt), job)

    def cancel_job(self, job: JobReference, reason: str, attempt: CallAttempt) -> CancellationResult:
        """Uber takes no reason. What a cancellation costs, it does not say here."""
        try:
            with http.about_a_job(NO_ACCOUNT):
                answer = self._call("POST", f"{_job_path(job)}/cancel", "cancel", attempt, {})
        except Permanent as refusal:
            if refusal.code == "404":
                raise
            if self.get(job, attempt).stage == CourierStage.CANCELLED:
                return CancellationResult()
            raise CannotCancel(str(refusal), code=refusal.code, answer=refusal.answer) from refusal
        status = parsing.get_text(answer, "status", parsing.WORD_LENGTH)
        if status in ("", "canceled"):
            return CancellationResult()
        raise CannotCancel(f"Uber goes on: {status}", answer=answer)

    def _call(
        self,
        method: str,
        path: str,
        purpose: str,
        attempt: CallAttempt,
        body: Any = None,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """One call with a token; when that is refused, once more with a new one."""
        token = auth.access_token(attempt)
        try:
            return self._send_authorized(method, path, purpose, attempt, body, timeout_s, token)
        except Permanent as refusal:
            if refusal.code != "401":
                raise
        auth.forget_token(token)
        return self._send_authorized(method, path, purpose, attempt, body, timeout_s, auth.access_token(attempt))

    def _send_authorized(
        self, method: str, path: str, purpose: str, attempt: CallAttempt, body: Any, timeout_s: float | None, token: str
    ) -> dict[str, Any]:
        base = f"{settings.UBER_API_BASE.rstrip('/')}/customers/{quoted(settings.UBER_CUSTOMER_ID, safe='')}"
        headers = {"Authorization": f"Bearer {token}"}
        try:
            return http.send_request(
                self.name,
                method,
                f"{base}/{path}",
                purpose=f"delivery.{purpose}",
                attempt=attempt,
                timeout_s=timeout_s,
                headers=headers,
                json=body,
            )
        except Unknown as error:
            if error.code == "503" and http.read_refusal(error, "code") in LATER:
                raise Transient(str(error), code=error.code, answer=error.answer) from error
            raise

    # ── the webhook endpoint ─────────────────────────────────────────────────────────────────────────────────────
    def verify_signature(self, request: WebhookRequest) -> VerifiedSignature:
        keys = settings.UBER_WEBHOOK_SIGNING_KEYS
        if not keys:
            raise WebhookRejected(503, "not_enabled", "Uber Direct is not configured here")
        said = [signature for name in SIGNATURES if (signature := request.headers.get(name, ""))]
        if not said:
            raise WebhookRejected(401, "missing_signature", "X-Uber-Signature is missing")
        expected = signatures.hmac_digests(request.raw, keys)
        good = [signature for signature in said if signatures.matches_any(signature, expected)]
        if not good:
            raise WebhookRejected(401, "wrong_signature", "X-Uber-Signature does not match")
        return VerifiedSignature(good[0])

    def list_events(self, payload: Any, verified: VerifiedSignature) -> Sequence[IncomingEvent]:
        kind = parsing.require_text(payload, "kind", longest=parsing.TYPE_LENGTH)
        job_id = parsing.require_text(
            {"delivery_id": responses.job_id_of(payload)}, "delivery_id", longest=parsing.REF_LENGTH
        )
        data = parsing.get_object(payload, "data")
        updated = parsing.get_text(data, "updated") or parsing.get_text(payload, "created")
        if kind != STATUS or not updated:
            return [IncomingEvent(kind, parsing.build_event_id(job_id, kind, parsing.digest_payload(payload)), payload)]
        near = "near" if data.get("courier_imminent") is True else ""
        return [
            IncomingEvent(
                kind, parsing.build_event_id(job_id, kind, responses.read_status(payload), near, updated), payload
            )
        ]

    def read_event(self, event_type: str, payload: Any) -> CourierUpdate | None:
        reader = responses.READERS.get(event_type)
        return None if reader is None else reader(parsing.require_object(payload))

    def is_position(self, event_type: str) -> bool:
        return event_type == POSITION


def _job_path(job: JobReference) -> str:
    if not job.courier_ref:
        raise LookupUnsupported("Uber looks jobs up by its own id only, and we were not told it")
    return f"deliveries/{quoted(job.courier_ref, safe='')}"
