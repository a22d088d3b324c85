"""Uber Direct, a courier company, in both directions.

Documented at developer.uber.com/docs/deliveries and by the OpenAPI file of Uber's own SDK (uber/uber-direct-sdk).
Authentication: OAuth client credentials (uber_token.py). Its webhooks carry the HMAC-SHA256 of the raw body, hex, in
`x-uber-signature` or, by its older name, `x-postmates-signature`; either counts. There is no time in it.
Event id: none is promised. A status is the same event by delivery, kind, status, courier_imminent and `updated`;
anything else by its content.
Retries: of its webhooks undocumented. Ours: a create carries our id as `external_id` and as `idempotency_key`, which
Uber keeps for an hour; `duplicate_delivery` names the job that exists.
Units: cents, RFC 3339 times. `fee` has the tip in it.
Quirks: addresses are JSON within strings (uber_bodies.py). A quote lives for minutes and works once. Jobs are looked up
by Uber's id only. `canceled` has one l. `courier_imminent` means near, not arrived. The way back of an undeliverable
parcel is a delivery of its own, related to the original: that it was delivered means that ours was returned.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import timedelta
from typing import Any
from urllib.parse import quote as quoted

from django.conf import settings

from deliveries.couriers import calls, reading, signatures, uber_bodies, uber_news, uber_token
from deliveries.couriers.base import (
    QUOTE_TIMEOUT_S,
    Cancelled,
    CannotCancel,
    Company,
    Handle,
    NotAsked,
    Parcel,
    Quote,
    Try,
)
from deliveries.couriers.uber_news import NAME, POSITION, STATUS, WORDS
from deliveries.evidence import CourierNews, Stage
from foundation import clock
from foundation.errors import Permanent, Transient, Unknown
from foundation.webhook import Knock, Notice, Refused, Seal

SIGNATURES = ("x-uber-signature", "x-postmates-signature")
QUOTE_LIFE = timedelta(minutes=5)  # where it does not say: less than any that was seen
USED_QUOTE = "used_quote"
STALE_QUOTES = frozenset({"expired_quote", USED_QUOTE})
NO_ACCOUNT = "customer_not_found"  # a 404 that is about us
LATER = frozenset({"couriers_busy", "robo_couriers_busy", "service_unavailable"})  # 503, and nothing was done


class Uber(Company):
    name = NAME
    title = "Uber Direct"
    words = WORDS

    def enabled(self) -> bool:
        return bool(settings.UBER_CLIENT_ID and settings.UBER_CLIENT_SECRET and settings.UBER_CUSTOMER_ID)

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────
    def quote(self, parcel: Parcel, call: Try) -> Quote:
        parcel.require_phones(store=True, customer=True)
        body = uber_bodies.quote_body(parcel)
        answer = self._call("POST", "delivery_quotes", "quote", call, body, timeout_s=QUOTE_TIMEOUT_S)
        fee_minor, reference = reading.amount(answer.get("fee")), reading.text(answer, "id", reading.REF_LENGTH)
        if fee_minor is None or not reference:
            raise Unknown("Uber's quote has no fee or no id", answer=answer)
        return Quote(
            fee_minor,
            uber_news.currency(answer) or parcel.currency,
            reading.some_moment(answer.get("dropoff_eta")),
            reading.some_moment(answer.get("expires")) or clock.now() + QUOTE_LIFE,
            reference,
        )

    def create(self, parcel: Parcel, quote_ref: str, call: Try) -> CourierNews:
        """A quote that has lapsed meanwhile is asked for anew, once. One that was used may have been used by an earlier
        try of ours, so that nothing which then fails says that there is no job."""
        try:
            return self._create(parcel, quote_ref, call)
        except Permanent as refusal:
            stale = calls.said(refusal, "code") if quote_ref else ""
            if stale not in STALE_QUOTES:
                raise
        with calls.maybe_there() if stale == USED_QUOTE else nullcontext():
            return self._create(parcel, self.quote(parcel, call).reference, call)

    def _create(self, parcel: Parcel, quote_ref: str, call: Try) -> CourierNews:
        body = uber_bodies.create_body(parcel, quote_ref)
        try:
            return uber_news.of_answer(
                self._call("POST", "deliveries", "create", call, body), Handle(parcel.external_id)
            )
        except Permanent as refusal:
            if refusal.code != "409" or calls.said(refusal, "code") != "duplicate_delivery":
                raise
            return self._adopt(parcel, refusal, call)

    def _adopt(self, parcel: Parcel, duplicate: Permanent, call: Try) -> CourierNews:
        """An earlier try arrived: the job that it made is the answer. Raises Unknown where it is not named."""
        known = reading.text(reading.part(reading.fields(duplicate.answer), "metadata"), "delivery_id")
        if not known:
            raise Unknown(str(duplicate), code=duplicate.code, answer=duplicate.answer) from duplicate
        with calls.maybe_there():
            news = self.get(Handle(parcel.external_id, known), call)
        if news.external_id != parcel.external_id:
            raise Permanent(f"Uber knows {parcel.external_id} as a job of {news.external_id}")
        return news

    def get(self, handle: Handle, call: Try) -> CourierNews:
        with calls.about_a_job(NO_ACCOUNT):
            return uber_news.of_answer(self._call("GET", _path(handle), "get", call), handle)

    def cancel(self, handle: Handle, reason: str, call: Try) -> Cancelled:
        """Uber takes no reason. What a cancellation costs, it does not say here."""
        try:
            with calls.about_a_job(NO_ACCOUNT):
                answer = self._call("POST", f"{_path(handle)}/cancel", "cancel", call, {})
        except Permanent as refusal:
            if refusal.code == "404":
                raise
            if self.get(handle, call).stage == Stage.CANCELLED:
                return Cancelled()
            raise CannotCancel(str(refusal), code=refusal.code, answer=refusal.answer) from refusal
        status = reading.text(answer, "status", reading.WORD_LENGTH)
        if status in ("", "canceled"):
            return Cancelled()
        raise CannotCancel(f"Uber goes on: {status}", answer=answer)

    def _call(
        self, method: str, path: str, purpose: str, call: Try, body: Any = None, timeout_s: float | None = None
    ) -> dict[str, Any]:
        """One call with a token; when that is refused, once more with a new one."""
        token = uber_token.bearer(call)
        try:
            return self._send(method, path, purpose, call, body, timeout_s, token)
        except Permanent as refusal:
            if refusal.code != "401":
                raise
        uber_token.forget(token)
        return self._send(method, path, purpose, call, body, timeout_s, uber_token.bearer(call))

    def _send(
        self, method: str, path: str, purpose: str, call: Try, body: Any, timeout_s: float | None, token: str
    ) -> dict[str, Any]:
        base = f"{settings.UBER_API_BASE.rstrip('/')}/customers/{quoted(settings.UBER_CUSTOMER_ID, safe='')}"
        headers = {"Authorization": f"Bearer {token}"}
        try:
            return calls.send(
                self.name,
                method,
                f"{base}/{path}",
                purpose=f"delivery.{purpose}",
                call=call,
                timeout_s=timeout_s,
                headers=headers,
                json=body,
            )
        except Unknown as error:
            if error.code == "503" and calls.said(error, "code") in LATER:
                raise Transient(str(error), code=error.code, answer=error.answer) from error
            raise

    # ── the door ─────────────────────────────────────────────────────────────────────────────────────────────────
    def verify(self, knock: Knock) -> Seal:
        keys = settings.UBER_WEBHOOK_SIGNING_KEYS
        if not keys:
            raise Refused(503, "not_enabled", "Uber Direct is not configured here")
        said = [signature for name in SIGNATURES if (signature := knock.headers.get(name, ""))]
        if not said:
            raise Refused(401, "missing_signature", "X-Uber-Signature is missing")
        expected = signatures.sha256(knock.raw, keys)
        good = [signature for signature in said if signatures.matches(signature, expected)]
        if not good:
            raise Refused(401, "wrong_signature", "X-Uber-Signature does not match")
        return Seal(good[0])

    def notices(self, payload: Any, seal: Seal) -> Sequence[Notice]:
        kind = reading.required(payload, "kind", longest=reading.TYPE_LENGTH)
        job = reading.required({"delivery_id": uber_news.job(payload)}, "delivery_id", longest=reading.REF_LENGTH)
        data = reading.part(payload, "data")
        updated = reading.text(data, "updated") or reading.text(payload, "created")
        if kind != STATUS or not updated:
            return [Notice(kind, reading.key(job, kind, reading.digest(payload)), payload)]
        near = "near" if data.get("courier_imminent") is True else ""
        return [Notice(kind, reading.key(job, kind, uber_news.status(payload), near, updated), payload)]

    def read(self, event_type: str, payload: Any) -> CourierNews | None:
        reader = uber_news.READERS.get(event_type)
        return None if reader is None else reader(reading.fields(payload))

    def is_position(self, event_type: str) -> bool:
        return event_type == POSITION


def _path(handle: Handle) -> str:
    if not handle.courier_ref:
        raise NotAsked("Uber looks jobs up by its own id only, and we were not told it")
    return f"deliveries/{quoted(handle.courier_ref, safe='')}"
