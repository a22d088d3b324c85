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
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote as quoted

from django.conf import settings

from deliveries.couriers import calls, cooco_json, cooco_tariff, reading, signatures
from deliveries.couriers.base import (
    Cancelled,
    CannotCancel,
    Company,
    Handle,
    NotAsked,
    Parcel,
    Quote,
    Stop,
    Try,
)
from deliveries.couriers.reading import Fields
from deliveries.evidence import CourierNews, Stage
from foundation import clock
from foundation.errors import Permanent, Unknown
from foundation.webhook import Knock, Notice, Refused, Seal
from foundation.work import Exact

TOLERANCE_S = 300
QUOTE_LIFE = timedelta(hours=1)  # a price by a public tariff: how long we rely on it
STATUSES: dict[str, Stage | None] = {
    "pending": Stage.REQUESTED,
    "driver_assigned": Stage.ASSIGNED,
    "picked_up": Stage.PICKED_UP,
    "in_transit": Stage.IN_TRANSIT,
    "completed": Stage.DELIVERED,
    "delivered": Stage.DELIVERED,
    "failed": Stage.FAILED,
    "cancelled": Stage.CANCELLED,
}
EVENTS: dict[str, Stage | None] = {
    "delivery.assigned": Stage.ASSIGNED,
    "delivery.picked_up": Stage.PICKED_UP,
    "delivery.in_transit": Stage.IN_TRANSIT,
    "delivery.completed": Stage.DELIVERED,
    "delivery.failed": Stage.FAILED,
}


class Cooco(Company):
    name = "cooco"
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
            answer = self._call("POST", "deliveries", "create", call, create_body(parcel))
        except Permanent as refusal:
            if refusal.code != "409":
                raise
            return self._adopt(parcel, refusal, call)
        return _of_answer(answer, Handle(parcel.external_id))

    def get(self, handle: Handle, call: Try) -> CourierNews:
        with calls.about_a_job():
            return _of_answer(self._call("GET", f"deliveries/{_path(handle)}", "get", call), handle)

    def cancel(self, handle: Handle, reason: str, call: Try) -> Cancelled:
        path = f"deliveries/{_path(handle)}/cancel"
        try:
            with calls.about_a_job():
                answer = self._call("PATCH", path, "cancel", call, {"reason": reason})
        except Permanent as refusal:
            if _is_cancelled(refusal.answer):
                return _cancelled(refusal.answer)
            if refusal.code == "404":
                raise
            raise CannotCancel(str(refusal), code=refusal.code, answer=refusal.answer) from refusal
        if _is_cancelled(answer):
            return _cancelled(answer)
        status = reading.text(answer, "status", reading.WORD_LENGTH)
        if STATUSES.get(status) in (None, Stage.REQUESTED):
            raise Unknown(f"COOCO answered a cancellation with status {status!r}", answer=answer)
        raise CannotCancel(f"COOCO goes on: {status}", answer=answer)

    def _adopt(self, parcel: Parcel, conflict: Permanent, call: Try) -> CourierNews:
        """It has a job under our id already: an earlier try arrived. Raises Unknown where it does not say which."""
        known = calls.said(conflict, "delivery_id")
        if not known:
            raise Unknown(str(conflict), code=conflict.code, answer=conflict.answer) from conflict
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
        if event_type not in EVENTS:
            return None
        event = reading.fields(payload)
        at = reading.moment(event["timestamp"])
        data = reading.part(event, "data")
        tried = reading.part(data, "attempted_at") or reading.part(data, "delivered_at")
        return CourierNews(
            courier=self.name,
            external_id=reading.text(event, "external_id", 60),
            courier_ref=reading.ref(event["delivery_id"]),
            word=event_type,
            stage=EVENTS[event_type],
            occurred_at=at,
            driver=_driver(reading.part(data, "driver")),
            position=reading.point(data.get("driver_latitude"), data.get("driver_longitude")),
            arrival_at=_in_minutes(at, data.get("eta_minutes")),
            reason=reading.text(data, "reason"),
            driver_notes=reading.text(data, "driver_notes", 500),
            attempted_at=reading.point(tried.get("latitude"), tried.get("longitude")),
            proofs=_proofs(data),
        )


# ── what we send ─────────────────────────────────────────────────────────────────────────────────────────────────
def create_body(parcel: Parcel) -> dict[str, Any]:
    count = sum(item.quantity for item in parcel.items)
    return {
        "external_id": parcel.external_id,
        "pickup": _stop(parcel.pickup, "Store"),
        "dropoff": _stop(parcel.dropoff, "Customer"),
        "delivery_window": {"pickup_after": _wire(parcel.ready_at), "deliver_by": _wire(parcel.deliver_by)},
        "package": {
            "description": f"Food order ({count} item{'' if count == 1 else 's'})",
            "requires_signature": False,
            "fragile": True,
        },
        "callback_url": f"{settings.PUBLIC_URL}/webhooks/{Cooco.name}",
        "metadata": {
            "order_id": parcel.order_ref,
            "chef_id": parcel.store_ref,
            "customer_id": parcel.customer_ref,
        },
    }


def _stop(stop: Stop, nameless: str) -> dict[str, Any]:
    return {
        "address": stop.address,
        "latitude": stop.point.lat,
        "longitude": stop.point.lng,
        "contact_name": stop.name or nameless,
        "contact_phone": stop.phone,
        "instructions": stop.instructions,
    }


def _wire(moment: datetime) -> str:
    """Whole seconds and Z, as its contract writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _path(handle: Handle) -> str:
    if not handle.courier_ref:
        raise NotAsked("COOCO looks jobs up by its own id only, and we were not told it")
    return quoted(handle.courier_ref, safe="")


# ── what it says ─────────────────────────────────────────────────────────────────────────────────────────────────
def _of_answer(answer: Fields, handle: Handle) -> CourierNews:
    """The answer to create or get. Raises Unknown when it does not say which job it speaks of."""
    try:
        courier_ref = reading.ref(answer["delivery_id"])
    except (KeyError, TypeError, ValueError) as error:
        raise Unknown(f"COOCO's answer names no delivery: {error!r}", answer=answer) from error
    word = reading.text(answer, "status", reading.WORD_LENGTH)
    timeline = _timeline(answer)
    driver = reading.part(answer, "driver")
    arrival_at = _in_minutes(clock.now(), driver.get("eta_minutes"))
    return CourierNews(
        courier=Cooco.name,
        external_id=reading.text(answer, "external_id", 60) or handle.external_id,
        courier_ref=courier_ref,
        word=word,
        stage=STATUSES.get(word),
        occurred_at=max((at for said, at in timeline if said == word), default=None),
        passed=_passed(timeline),
        driver=_driver(driver),
        position=reading.point(driver.get("latitude"), driver.get("longitude")),
        arrival_at=arrival_at or reading.some_moment(answer.get("estimated_delivery_time")),
        reason=reading.text(answer, "reason"),
        tracking_url=reading.url(answer.get("tracking_url")),
    )


def _timeline(answer: Fields) -> list[tuple[str, datetime]]:
    entries = answer.get("timeline")
    found = []
    for entry in entries if isinstance(entries, list) else []:
        at = reading.some_moment(entry.get("timestamp")) if isinstance(entry, Mapping) else None
        if at is not None:
            found.append((reading.text(entry, "status", reading.WORD_LENGTH), at))
    return found


def _passed(timeline: Sequence[tuple[str, datetime]]) -> dict[Stage, datetime]:
    """When each stage was first reached."""
    first: dict[Stage, datetime] = {}
    for word, at in timeline:
        stage = STATUSES.get(word)
        if stage is not None:
            first[stage] = min(at, first.get(stage, at))
    return first


def _driver(driver: Fields) -> dict[str, str]:
    said = {name: reading.text(driver, name, 120) for name in ("id", "name", "phone", "vehicle")}
    return reading.told(**said)


def _in_minutes(since: datetime, minutes: Any) -> datetime | None:
    wait = reading.minutes(minutes)
    return None if wait is None else since + timedelta(minutes=wait)


def _proofs(data: Fields) -> dict[str, str]:
    return reading.told(
        pickup_photo_url=reading.url(data.get("pickup_photo_url")),
        pickup_signature=reading.text(data, "pickup_signature", 120),
        delivery_photo_url=reading.url(data.get("delivery_photo_url")),
        recipient_signature=reading.text(data, "recipient_signature", 120),
    )


def _is_cancelled(answer: Any) -> bool:
    return isinstance(answer, Mapping) and answer.get("status") == "cancelled"


def _cancelled(answer: Fields) -> Cancelled:
    fee_minor = reading.amount(answer.get("cancellation_fee"))
    return Cancelled(fee_minor, "" if fee_minor is None else cooco_tariff.CURRENCY)


def _signed(body: bytes, timestamp: str, signature: str) -> bool:
    digests = signatures.sha256(timestamp.encode() + b"." + body, settings.COOCO_WEBHOOK_SECRETS)
    return signatures.matches(signature, [f"sha256={digest}" for digest in digests])
