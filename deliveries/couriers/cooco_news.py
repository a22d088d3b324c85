"""COOCO's words, and what its events and answers say as CourierNews."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from deliveries.couriers import cooco_tariff, reading
from deliveries.couriers.base import Cancelled, Handle
from deliveries.couriers.reading import Fields
from deliveries.evidence import CourierNews, Stage
from foundation import clock
from foundation.errors import Unknown

NAME = "cooco"
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


def of_event(event_type: str, payload: Any) -> CourierNews:
    """Raises KeyError, TypeError or ValueError where it is not shaped as documented."""
    event = reading.fields(payload)
    at = reading.moment(event["timestamp"])
    data = reading.part(event, "data")
    tried = reading.part(data, "attempted_at") or reading.part(data, "delivered_at")
    return CourierNews(
        courier=NAME,
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


def of_answer(answer: Fields, handle: Handle) -> CourierNews:
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
        courier=NAME,
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


def is_cancelled(answer: Any) -> bool:
    return isinstance(answer, Mapping) and answer.get("status") == "cancelled"


def cancelled(answer: Fields) -> Cancelled:
    fee_minor = reading.amount(answer.get("cancellation_fee"))
    return Cancelled(fee_minor, "" if fee_minor is None else cooco_tariff.CURRENCY)
