"""Swift, a courier company that does not exist: a whole module, as docs/adding-a-courier.md shows it.

Documented nowhere. Authentication: an API key; webhooks carry the HMAC-SHA256 of the body in `x-swift-signature`.
Event id: `id`. Units: cents. Quirks: it knows jobs by our id alone.
"""

from collections.abc import Sequence
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
from deliveries.couriers.providers.parsing import Fields
from deliveries.couriers.providers.status_update import CourierStage, CourierUpdate
from foundation import clock
from foundation.errors import Permanent, Unknown
from foundation.webhook import IncomingEvent, VerifiedSignature, WebhookRejected, WebhookRequest


class Swift(CourierProvider):
    name = "swift"
    title = "Swift"
    status_words = {
        "booked": CourierStage.REQUESTED,
        "rider_found": CourierStage.ASSIGNED,
        "fetched": CourierStage.PICKED_UP,
        "done": CourierStage.DELIVERED,
        "off": CourierStage.CANCELLED,
    }

    def is_enabled(self) -> bool:
        return bool(settings.SWIFT_API_KEY)

    def request_quote(self, parcel: Shipment, call: CallAttempt) -> Quote:
        body = {"metres": parcel.distance_m}
        answer = self._call("POST", "prices", "quote", call, body, timeout_s=QUOTE_TIMEOUT_S)
        fee_minor = parsing.parse_amount(answer.get("cents"))
        if fee_minor is None:
            raise Unknown("Swift's price has no cents", answer=answer)
        return Quote(fee_minor, "USD", None, clock.now() + timedelta(minutes=10))

    def create_job(self, parcel: Shipment, quote_ref: str, call: CallAttempt) -> CourierUpdate:
        return _read(
            self._call("POST", "jobs", "create", call, {"id": parcel.external_id, "to": parcel.dropoff.address})
        )

    def get(self, handle: JobReference, call: CallAttempt) -> CourierUpdate:
        with http.about_a_job():
            return _read(self._call("GET", f"jobs/{handle.external_id}", "get", call))

    def cancel_job(self, handle: JobReference, reason: str, call: CallAttempt) -> CancellationResult:
        try:
            with http.about_a_job():
                self._call("POST", f"jobs/{handle.external_id}/off", "cancel", call, {"why": reason})
        except Permanent as refusal:
            if refusal.code == "404":
                raise
            raise CannotCancel(str(refusal), code=refusal.code, answer=refusal.answer) from refusal
        return CancellationResult()

    def _call(
        self, method: str, path: str, purpose: str, call: CallAttempt, body: Any = None, timeout_s: float | None = None
    ) -> dict[str, Any]:
        return http.send_request(
            self.name,
            method,
            f"{settings.SWIFT_API_BASE}/{path}",
            purpose=f"delivery.{purpose}",
            attempt=call,
            timeout_s=timeout_s,
            headers={"Authorization": f"Bearer {settings.SWIFT_API_KEY}"},
            json=body,
        )

    def verify_signature(self, request: WebhookRequest) -> VerifiedSignature:
        if not settings.SWIFT_WEBHOOK_SECRETS:
            raise WebhookRejected(503, "not_enabled", "Swift is not configured here")
        signature = request.headers.get("x-swift-signature", "")
        if not signature:
            raise WebhookRejected(401, "missing_signature", "X-Swift-Signature is missing")
        if not signatures.matches_any(signature, signatures.hmac_digests(request.raw, settings.SWIFT_WEBHOOK_SECRETS)):
            raise WebhookRejected(401, "wrong_signature", "X-Swift-Signature does not match")
        return VerifiedSignature(signature)

    def list_events(self, payload: Any, verified: VerifiedSignature) -> Sequence[IncomingEvent]:
        event = parsing.require_text(payload, "event", longest=parsing.TYPE_LENGTH)
        return [IncomingEvent(event, parsing.require_text(payload, "id", longest=parsing.KEY_LENGTH), payload)]

    def read_event(self, event_type: str, payload: Any) -> CourierUpdate | None:
        return _news(parsing.require_object(payload)) if event_type == "job" else None


def _read(answer: Fields) -> CourierUpdate:
    try:
        return _news(answer)
    except (KeyError, TypeError, ValueError) as error:
        raise Unknown(f"Swift's answer is not a job: {error!r}", answer=answer) from error


def _news(job: Fields) -> CourierUpdate:
    word, ref = parsing.get_text(job, "state", parsing.WORD_LENGTH), parsing.parse_reference(job["job"], longest=60)
    at = parsing.parse_time(job["at"])
    url = parsing.parse_url(job.get("map"))
    return CourierUpdate(
        courier=Swift.name,
        external_id=ref,
        courier_ref=ref,
        status_text=word,
        stage=Swift.status_words.get(word),
        occurred_at=at,
        tracking_url=url,
    )
