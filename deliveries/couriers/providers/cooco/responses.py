"""COOCO's words, and what its events and answers say as CourierUpdate."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from deliveries.couriers.providers import parsing
from deliveries.couriers.providers.base import CancellationResult, JobReference
from deliveries.couriers.providers.cooco import tariff
from deliveries.couriers.providers.parsing import Fields
from deliveries.couriers.providers.status_update import CourierStage, CourierUpdate
from foundation import clock
from foundation.errors import Unknown

NAME = "cooco"
STATUSES: dict[str, CourierStage | None] = {
    "pending": CourierStage.REQUESTED,
    "driver_assigned": CourierStage.ASSIGNED,
    "picked_up": CourierStage.PICKED_UP,
    "in_transit": CourierStage.IN_TRANSIT,
    "completed": CourierStage.DELIVERED,
    "delivered": CourierStage.DELIVERED,
    "failed": CourierStage.FAILED,
    "cancelled": CourierStage.CANCELLED,
}
EVENTS: dict[str, CourierStage | None] = {
    "delivery.assigned": CourierStage.ASSIGNED,
    "delivery.picked_up": CourierStage.PICKED_UP,
    "delivery.in_transit": CourierStage.IN_TRANSIT,
    "delivery.completed": CourierStage.DELIVERED,
    "delivery.failed": CourierStage.FAILED,
}


def of_event(event_type: str, payload: Any) -> CourierUpdate:
    """Raises KeyError, TypeError or ValueError where it is not shaped as documented."""
    event = parsing.require_object(payload)
    at = parsing.parse_time(event["timestamp"])
    data = parsing.get_object(event, "data")
    tried = parsing.get_object(data, "attempted_at") or parsing.get_object(data, "delivered_at")
    return CourierUpdate(
        courier=NAME,
        external_id=parsing.get_text(event, "external_id", 60),
        courier_ref=parsing.parse_reference(event["delivery_id"]),
        status_text=event_type,
        stage=EVENTS[event_type],
        occurred_at=at,
        told_at=at,
        driver=_read_driver(parsing.get_object(data, "driver")),
        position=parsing.parse_point(data.get("driver_latitude"), data.get("driver_longitude")),
        arrival_at=_in_minutes(at, data.get("eta_minutes")),
        reason=parsing.get_text(data, "reason"),
        driver_notes=parsing.get_text(data, "driver_notes", 500),
        attempted_at=parsing.parse_point(tried.get("latitude"), tried.get("longitude")),
        proofs=_read_proofs(data),
    )


def of_answer(answer: Fields, handle: JobReference) -> CourierUpdate:
    """The answer to create or get. Raises Unknown when it does not say which job it speaks of."""
    try:
        courier_ref = parsing.parse_reference(answer["delivery_id"])
    except (KeyError, TypeError, ValueError) as error:
        raise Unknown(f"COOCO's answer names no delivery: {error!r}", answer=answer) from error
    word = parsing.get_text(answer, "status", parsing.WORD_LENGTH)
    timeline = _read_timeline(answer)
    driver = parsing.get_object(answer, "driver")
    arrival_at = _in_minutes(clock.now(), driver.get("eta_minutes"))
    return CourierUpdate(
        courier=NAME,
        external_id=parsing.get_text(answer, "external_id", 60) or handle.external_id,
        courier_ref=courier_ref,
        status_text=word,
        stage=STATUSES.get(word),
        occurred_at=max((at for said, at in timeline if said == word), default=None),
        passed=_stages_passed(timeline),
        driver=_read_driver(driver),
        position=parsing.parse_point(driver.get("latitude"), driver.get("longitude")),
        arrival_at=arrival_at or parsing.parse_estimate(answer.get("estimated_delivery_time")),
        reason=parsing.get_text(answer, "reason"),
        tracking_url=parsing.parse_url(answer.get("tracking_url")),
    )


def _read_timeline(answer: Fields) -> list[tuple[str, datetime]]:
    entries = answer.get("timeline")
    found = []
    for entry in entries if isinstance(entries, list) else []:
        at = parsing.some_moment(entry.get("timestamp")) if isinstance(entry, Mapping) else None
        if at is not None:
            found.append((parsing.get_text(entry, "status", parsing.WORD_LENGTH), at))
    return found


def _stages_passed(timeline: Sequence[tuple[str, datetime]]) -> dict[CourierStage, datetime]:
    """When each stage was first reached."""
    first: dict[CourierStage, datetime] = {}
    for word, at in timeline:
        stage = STATUSES.get(word)
        if stage is not None:
            first[stage] = min(at, first.get(stage, at))
    return first


def _read_driver(driver: Fields) -> dict[str, str]:
    said = {name: parsing.get_text(driver, name, 120) for name in ("id", "name", "phone", "vehicle")}
    return parsing.drop_empty(**said)


def _in_minutes(since: datetime | None, minutes: Any) -> datetime | None:
    wait = parsing.parse_minutes(minutes)
    return None if wait is None else (since or clock.now()) + timedelta(minutes=wait)


def _read_proofs(data: Fields) -> dict[str, str]:
    return parsing.drop_empty(
        pickup_photo_url=parsing.parse_url(data.get("pickup_photo_url")),
        pickup_signature=parsing.get_text(data, "pickup_signature", 120),
        delivery_photo_url=parsing.parse_url(data.get("delivery_photo_url")),
        recipient_signature=parsing.get_text(data, "recipient_signature", 120),
    )


def is_cancelled(answer: Any) -> bool:
    return isinstance(answer, Mapping) and answer.get("status") == "cancelled"


def read_cancellation(answer: Fields) -> CancellationResult:
    fee_minor = parsing.parse_amount(answer.get("cancellation_fee"))
    return CancellationResult(fee_minor, "" if fee_minor is None else tariff.CURRENCY)
