"""Uber Direct's words, and what its events and answers say as CourierUpdate."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from deliveries.couriers.providers import parsing
from deliveries.couriers.providers.base import JobReference
from deliveries.couriers.providers.parsing import Fields
from deliveries.couriers.providers.status_update import CourierStage, CourierUpdate
from foundation.errors import Unknown
from foundation.geo import Point

NAME = "uber"
STATUS, POSITION = "event.delivery_status", "event.courier_update"
WORDS: dict[str, CourierStage | None] = {
    "pending": CourierStage.REQUESTED,
    "pickup": CourierStage.ASSIGNED,
    "pickup_complete": CourierStage.PICKED_UP,
    "dropoff": CourierStage.IN_TRANSIT,
    "delivered": CourierStage.DELIVERED,
    "canceled": CourierStage.CANCELLED,
    "returned": CourierStage.RETURNED,
}


def of_status(event: Fields) -> CourierUpdate:
    """Raises KeyError, TypeError or ValueError where it is not shaped as documented, as `of_position` does."""
    data = {
        **parsing.require_object(event["data"]),
        "id": parsing.parse_reference(job_id_of(event)),
        "status": read_status(event),
    }
    at = parsing.parse_time(data.get("updated") or event["created"])
    return replace(_of_delivery({**data, "updated": at and at.isoformat()}), told_at=at)


def of_answer(answer: Fields, handle: JobReference) -> CourierUpdate:
    """The answer to create or get. Raises Unknown when it does not say which job it speaks of."""
    try:
        return _of_delivery({"external_id": handle.external_id, **answer})
    except (KeyError, TypeError, ValueError) as error:
        raise Unknown(f"Uber's answer is not a delivery: {error!r}", answer=answer) from error


def _of_delivery(delivery: Fields) -> CourierUpdate:
    word = parsing.get_text(delivery, "status", parsing.WORD_LENGTH)
    at = parsing.some_moment(delivery.get("updated"))
    original = _original_job_id(delivery)
    if original:  # the way back
        stage = CourierStage.RETURNED if word == "delivered" else None
        return CourierUpdate(
            courier=NAME,
            courier_ref=original,
            status_text=f"return {word}"[: parsing.WORD_LENGTH],
            stage=stage,
            occurred_at=at,
        )
    courier = parsing.get_object(delivery, "courier")
    fee_minor = parsing.parse_amount(delivery.get("fee"))
    return CourierUpdate(
        courier=NAME,
        external_id=parsing.get_text(delivery, "external_id", 60),
        courier_ref=parsing.parse_reference(delivery["id"]),
        status_text=word,
        stage=CourierStage.ASSIGNED if word == "pending" and courier else WORDS.get(word),
        occurred_at=at,
        driver=_read_driver(courier),
        position=_read_point(courier),
        arrival_at=parsing.parse_estimate(delivery.get("dropoff_eta")),
        reason=parsing.get_text(delivery, "undeliverable_reason"),
        proofs=_read_proofs(delivery),
        fee_minor=fee_minor,
        currency="" if fee_minor is None else read_currency(delivery),
        tracking_url=parsing.parse_url(delivery.get("tracking_url")),
    )


def of_position(event: Fields) -> CourierUpdate:
    data = parsing.get_object(event, "data")
    at = parsing.some_moment(event.get("created")) or parsing.some_moment(data.get("updated"))
    return CourierUpdate(
        courier=NAME,
        external_id=parsing.get_text(data, "external_id", 60),
        courier_ref=parsing.parse_reference(job_id_of(event)),
        occurred_at=at,
        told_at=at,
        position=_read_point(event) or _read_point(parsing.get_object(data, "courier")),
        arrival_at=parsing.parse_estimate(data.get("dropoff_eta")),
    )


def job_id_of(event: Fields) -> Any:
    """Uber's id of the delivery that an event is about."""
    return event.get("delivery_id") or parsing.get_object(event, "data").get("id")


def read_status(event: Fields) -> str:
    data = parsing.get_object(event, "data")
    return parsing.get_text(data, "status", parsing.WORD_LENGTH) or parsing.get_text(
        event, "status", parsing.WORD_LENGTH
    )


def _original_job_id(delivery: Fields) -> str:
    """The delivery whose parcel this one brings back, "" for one that brings it to the customer."""
    related = delivery.get("related_deliveries")
    for one in related if isinstance(related, list) else [related]:
        if isinstance(one, Mapping) and one.get("relationship") == "original":
            return parsing.get_text(one, "id", parsing.REF_LENGTH)
    return ""


def _read_driver(courier: Fields) -> dict[str, str]:
    return parsing.drop_empty(
        name=parsing.get_text(courier, "name", 120),
        phone=parsing.get_text(courier, "phone_number", 40),
        vehicle=parsing.get_text(courier, "vehicle_type", 120),
    )


def _read_point(holder: Fields) -> Point | None:
    location = parsing.get_object(holder, "location")
    return parsing.parse_point(location.get("lat"), location.get("lng"))


def _read_proofs(delivery: Fields) -> dict[str, str]:
    found = {}
    for end in ("pickup", "dropoff"):
        proof = parsing.get_object(parsing.get_object(delivery, end), "verification")
        for kind in ("picture", "signature"):
            found[f"{end}_{kind}"] = parsing.parse_url(parsing.get_object(proof, kind).get("image_url"))
    return parsing.drop_empty(**found)


def read_currency(answer: Fields) -> str:
    return parsing.parse_currency(answer.get("currency_type")) or parsing.parse_currency(answer.get("currency"))


READERS: dict[str, Callable[[Fields], CourierUpdate]] = {STATUS: of_status, POSITION: of_position}
