"""DoorDash Drive v2, a courier company, in both directions.

Documented at developer.doordash.com (Drive: API reference, webhooks, JWTs).
Authentication: a JWT that we sign (doordash_token.py). Its webhooks are not signed at all: they carry the Authorization
header that was entered in its portal, so what they tell is a hint (`CourierNews.is_hint`), and ends are looked up.
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

from deliveries.couriers import calls, doordash_bodies, doordash_news, doordash_token, reading, signatures
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
from deliveries.couriers.doordash_news import EVENTS, NAME, QUOTED, STATUSES
from deliveries.evidence import CourierNews
from foundation import clock
from foundation.errors import Permanent, Transient, Unknown
from foundation.webhook import Knock, Notice, Refused, Seal

QUOTE_LIFE = timedelta(minutes=5)
# Reasons of `cancel_not_allowed` that pass by themselves.
PASSING = frozenset({"delivery_creation_in_progress", "duplicate_request"})
LAPSED = frozenset({"400", "404", "410"})  # what accepting a quote is answered with that is no more


class DoorDash(Company):
    name = NAME
    title = "DoorDash Drive"
    words = {**STATUSES, **EVENTS}

    def enabled(self) -> bool:
        return bool(settings.DOORDASH_DEVELOPER_ID and settings.DOORDASH_KEY_ID and settings.DOORDASH_SIGNING_SECRET)

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────
    def quote(self, parcel: Parcel, call: Try) -> Quote:
        """Asking again with the same id is refused: then the quote that stands is the answer."""
        parcel.require_phones(store=False, customer=True)
        body = doordash_bodies.body(parcel)
        try:
            answer = self._call("POST", "quotes", "quote", call, body, timeout_s=QUOTE_TIMEOUT_S)
        except Permanent as refusal:
            if not _is_duplicate(refusal):
                raise
            answer = self._look_up(parcel.external_id, call, timeout_s=QUOTE_TIMEOUT_S)
            if answer.get("delivery_status") != QUOTED:
                raise Permanent(f"{parcel.external_id} is a delivery already", code="409", answer=answer) from refusal
        fee_minor = reading.amount(answer.get("fee"))
        if fee_minor is None:
            raise Unknown("DoorDash's quote has no fee", answer=answer)
        return Quote(
            fee_minor,
            doordash_news.currency(answer) or parcel.currency,
            reading.some_moment(answer.get("dropoff_time_estimated")),
            reading.some_moment(answer.get("expires_at")) or clock.now() + QUOTE_LIFE,
            parcel.external_id,
        )

    def create(self, parcel: Parcel, quote_ref: str, call: Try) -> CourierNews:
        if quote_ref:
            try:
                path = f"quotes/{parcel.external_id}/accept"
                return doordash_news.of_answer(
                    self._call("POST", path, "accept", call, doordash_bodies.accept_body(parcel))
                )
            except Permanent as refusal:
                if refusal.code == "409":  # maybe accepted by an earlier try
                    return self._adopt(parcel, refusal, call)
                if refusal.code not in LAPSED:
                    raise
        try:
            return doordash_news.of_answer(
                self._call("POST", "deliveries", "create", call, doordash_bodies.body(parcel))
            )
        except Permanent as refusal:
            if not _is_duplicate(refusal):
                raise
            return self._adopt(parcel, refusal, call)

    def _adopt(self, parcel: Parcel, duplicate: Permanent, call: Try) -> CourierNews:
        """It knows our id: an earlier try arrived, unless it only ever was a quote, or somebody else's parcel."""
        with calls.maybe_there():
            delivery = self._look_up(parcel.external_id, call)
        if delivery.get("delivery_status") == QUOTED:
            raise Permanent("its quote has lapsed, and takes our id", code="409", answer=delivery) from duplicate
        if not doordash_bodies.is_the_same(delivery, parcel):
            raise Permanent("DoorDash has another delivery under our id", code="409") from duplicate
        return doordash_news.of_answer(delivery)

    def get(self, handle: Handle, call: Try) -> CourierNews:
        with calls.about_a_job():
            return doordash_news.of_answer(self._look_up(handle.external_id, call))

    def cancel(self, handle: Handle, reason: str, call: Try) -> Cancelled:
        """DoorDash takes no reason in words, and does not say what a cancellation costs."""
        try:
            with calls.about_a_job():
                answer = self._call("PUT", f"deliveries/{handle.external_id}/cancel", "cancel", call, {})
        except Permanent as refusal:
            if refusal.code == "404":
                raise
            why = calls.said(refusal, "reason")
            if why == "delivery_cancelled":
                return Cancelled()
            if why in PASSING:
                raise Transient(str(refusal), code=refusal.code, answer=refusal.answer) from refusal
            raise CannotCancel(str(refusal), code=refusal.code, answer=refusal.answer) from refusal
        status = reading.text(answer, "delivery_status", reading.WORD_LENGTH)
        if status in ("", "cancelled"):
            return Cancelled()
        raise CannotCancel(f"DoorDash goes on: {status}", answer=answer)

    def update(self, parcel: Parcel, call: Try) -> CourierNews:
        """Tell it of changed instructions, phone numbers, times or a tip. Raises Permanent when it is too late."""
        body = {name: said for name, said in doordash_bodies.body(parcel).items() if name != "external_delivery_id"}
        with calls.about_a_job():
            return doordash_news.of_answer(
                self._call("PATCH", f"deliveries/{parcel.external_id}", "update", call, body)
            )

    def _look_up(self, external_id: str, call: Try, timeout_s: float | None = None) -> dict[str, Any]:
        return self._call("GET", f"deliveries/{external_id}", "get", call, timeout_s=timeout_s)

    def _call(
        self, method: str, path: str, purpose: str, call: Try, body: Any = None, timeout_s: float | None = None
    ) -> dict[str, Any]:
        return calls.send(
            self.name,
            method,
            f"{settings.DOORDASH_API_BASE.rstrip('/')}/drive/v2/{path}",
            purpose=f"delivery.{purpose}",
            call=call,
            timeout_s=timeout_s,
            headers={"Authorization": f"Bearer {doordash_token.bearer()}"},
            json=body,
        )

    # ── the door ─────────────────────────────────────────────────────────────────────────────────────────────────
    def verify(self, knock: Knock) -> Seal:
        """Nothing of it is kept: it is a password."""
        expected = settings.DOORDASH_WEBHOOK_AUTHORIZATIONS
        if not expected:
            raise Refused(503, "not_enabled", "DoorDash Drive is not configured here")
        said = knock.headers.get("authorization", "")
        if not said:
            raise Refused(401, "missing_signature", "Authorization is missing")
        if not signatures.matches(said, expected):
            raise Refused(401, "wrong_signature", "Authorization does not match")
        return Seal()

    def notices(self, payload: Any, seal: Seal) -> Sequence[Notice]:
        event = reading.required(payload, "event_name", longest=reading.TYPE_LENGTH)
        job = reading.required(payload, "external_delivery_id", longest=reading.REF_LENGTH)
        at = reading.text(payload, "created_at", 60) or reading.digest(payload)
        return [Notice(event, reading.key(job, event, at), payload)]

    def read(self, event_type: str, payload: Any) -> CourierNews | None:
        return doordash_news.of_event(event_type, payload) if event_type in EVENTS else None


def _is_duplicate(refusal: Permanent) -> bool:
    """The documented code, or a 409 that names the id it is about."""
    said = refusal.answer if isinstance(refusal.answer, Mapping) else {}
    return refusal.code == "409" and (said.get("code") == "duplicate_delivery_id" or "external_delivery_id" in said)
