"""Swift, a courier company that does not exist: a whole module, as docs/adding-a-courier.md shows it.

Documented nowhere. Authentication: an API key; webhooks carry the HMAC-SHA256 of the body in `x-swift-signature`.
Event id: `id`. Units: cents. Quirks: it knows jobs by our id alone.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings

from deliveries.couriers import calls, reading, signatures
from deliveries.couriers.base import (
    QUOTE_TIMEOUT_S,
    Cancelled,
    CannotCancel,
    Company,
    Handle,
    Parcel,
    Quote,
    Try,
)
from deliveries.couriers.reading import Fields
from deliveries.evidence import CourierNews, Stage
from foundation import clock
from foundation.errors import Permanent, Unknown
from foundation.webhook import Knock, Notice, Refused, Seal


class Swift(Company):
    name = "swift"
    title = "Swift"
    words = {
        "booked": Stage.REQUESTED,
        "rider_found": Stage.ASSIGNED,
        "fetched": Stage.PICKED_UP,
        "done": Stage.DELIVERED,
        "off": Stage.CANCELLED,
    }

    def enabled(self) -> bool:
        return bool(settings.SWIFT_API_KEY)

    def quote(self, parcel: Parcel, call: Try) -> Quote:
        body = {"metres": parcel.distance_m}
        answer = self._call("POST", "prices", "quote", call, body, timeout_s=QUOTE_TIMEOUT_S)
        fee_minor = reading.amount(answer.get("cents"))
        if fee_minor is None:
            raise Unknown("Swift's price has no cents", answer=answer)
        return Quote(fee_minor, "USD", None, clock.now() + timedelta(minutes=10))

    def create(self, parcel: Parcel, quote_ref: str, call: Try) -> CourierNews:
        return _read(
            self._call("POST", "jobs", "create", call, {"id": parcel.external_id, "to": parcel.dropoff.address})
        )

    def get(self, handle: Handle, call: Try) -> CourierNews:
        with calls.about_a_job():
            return _read(self._call("GET", f"jobs/{handle.external_id}", "get", call))

    def cancel(self, handle: Handle, reason: str, call: Try) -> Cancelled:
        try:
            with calls.about_a_job():
                self._call("POST", f"jobs/{handle.external_id}/off", "cancel", call, {"why": reason})
        except Permanent as refusal:
            if refusal.code == "404":
                raise
            raise CannotCancel(str(refusal), code=refusal.code, answer=refusal.answer) from refusal
        return Cancelled()

    def _call(
        self, method: str, path: str, purpose: str, call: Try, body: Any = None, timeout_s: float | None = None
    ) -> dict[str, Any]:
        return calls.send(
            self.name,
            method,
            f"{settings.SWIFT_API_BASE}/{path}",
            purpose=f"delivery.{purpose}",
            call=call,
            timeout_s=timeout_s,
            headers={"Authorization": f"Bearer {settings.SWIFT_API_KEY}"},
            json=body,
        )

    def verify(self, knock: Knock) -> Seal:
        if not settings.SWIFT_WEBHOOK_SECRETS:
            raise Refused(503, "not_enabled", "Swift is not configured here")
        signature = knock.headers.get("x-swift-signature", "")
        if not signature:
            raise Refused(401, "missing_signature", "X-Swift-Signature is missing")
        if not signatures.matches(signature, signatures.sha256(knock.raw, settings.SWIFT_WEBHOOK_SECRETS)):
            raise Refused(401, "wrong_signature", "X-Swift-Signature does not match")
        return Seal(signature)

    def notices(self, payload: Any, seal: Seal) -> Sequence[Notice]:
        event = reading.required(payload, "event", longest=reading.TYPE_LENGTH)
        return [Notice(event, reading.required(payload, "id", longest=reading.KEY_LENGTH), payload)]

    def read(self, event_type: str, payload: Any) -> CourierNews | None:
        return _news(reading.fields(payload)) if event_type == "job" else None


def _read(answer: Fields) -> CourierNews:
    try:
        return _news(answer)
    except (KeyError, TypeError, ValueError) as error:
        raise Unknown(f"Swift's answer is not a job: {error!r}", answer=answer) from error


def _news(job: Fields) -> CourierNews:
    word, ref = reading.text(job, "state", reading.WORD_LENGTH), reading.ref(job["job"], longest=60)
    at = reading.moment(job["at"])
    url = reading.url(job.get("map"))
    return CourierNews(
        courier=Swift.name,
        external_id=ref,
        courier_ref=ref,
        word=word,
        stage=Swift.words.get(word),
        occurred_at=at,
        tracking_url=url,
    )
