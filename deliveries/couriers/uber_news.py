"""Uber Direct's words, and what its events and answers say as CourierNews."""

from collections.abc import Callable, Mapping
from typing import Any

from deliveries.couriers import reading
from deliveries.couriers.base import Handle
from deliveries.couriers.reading import Fields
from deliveries.evidence import CourierNews, Stage
from foundation.errors import Unknown
from foundation.geo import Point

NAME = "uber"
STATUS, POSITION = "event.delivery_status", "event.courier_update"
WORDS: dict[str, Stage | None] = {
    "pending": Stage.REQUESTED,
    "pickup": Stage.ASSIGNED,
    "pickup_complete": Stage.PICKED_UP,
    "dropoff": Stage.IN_TRANSIT,
    "delivered": Stage.DELIVERED,
    "canceled": Stage.CANCELLED,
    "returned": Stage.RETURNED,
}


def of_status(event: Fields) -> CourierNews:
    """Raises KeyError, TypeError or ValueError where it is not shaped as documented, as `of_position` does."""
    data = {**reading.fields(event["data"]), "id": reading.ref(job(event)), "status": status(event)}
    at = reading.moment(data.get("updated") or event["created"])
    return _of_delivery({**data, "updated": at.isoformat()})


def of_answer(answer: Fields, handle: Handle) -> CourierNews:
    """The answer to create or get. Raises Unknown when it does not say which job it speaks of."""
    try:
        return _of_delivery({"external_id": handle.external_id, **answer})
    except (KeyError, TypeError, ValueError) as error:
        raise Unknown(f"Uber's answer is not a delivery: {error!r}", answer=answer) from error


def _of_delivery(delivery: Fields) -> CourierNews:
    word = reading.text(delivery, "status", reading.WORD_LENGTH)
    at = reading.some_moment(delivery.get("updated"))
    original = _original(delivery)
    if original:  # the way back
        stage = Stage.RETURNED if word == "delivered" else None
        return CourierNews(
            courier=NAME,
            courier_ref=original,
            word=f"return {word}"[: reading.WORD_LENGTH],
            stage=stage,
            occurred_at=at,
        )
    courier = reading.part(delivery, "courier")
    fee_minor = reading.amount(delivery.get("fee"))
    return CourierNews(
        courier=NAME,
        external_id=reading.text(delivery, "external_id", 60),
        courier_ref=reading.ref(delivery["id"]),
        word=word,
        stage=Stage.ASSIGNED if word == "pending" and courier else WORDS.get(word),
        occurred_at=at,
        driver=_driver(courier),
        position=_point(courier),
        arrival_at=reading.some_moment(delivery.get("dropoff_eta")),
        reason=reading.text(delivery, "undeliverable_reason"),
        proofs=_proofs(delivery),
        fee_minor=fee_minor,
        currency="" if fee_minor is None else currency(delivery),
        tracking_url=reading.url(delivery.get("tracking_url")),
    )


def of_position(event: Fields) -> CourierNews:
    data = reading.part(event, "data")
    return CourierNews(
        courier=NAME,
        external_id=reading.text(data, "external_id", 60),
        courier_ref=reading.ref(job(event)),
        occurred_at=reading.some_moment(event.get("created")) or reading.some_moment(data.get("updated")),
        position=_point(event) or _point(reading.part(data, "courier")),
        arrival_at=reading.some_moment(data.get("dropoff_eta")),
    )


def job(event: Fields) -> Any:
    """Uber's id of the delivery that an event is about."""
    return event.get("delivery_id") or reading.part(event, "data").get("id")


def status(event: Fields) -> str:
    data = reading.part(event, "data")
    return reading.text(data, "status", reading.WORD_LENGTH) or reading.text(event, "status", reading.WORD_LENGTH)


def _original(delivery: Fields) -> str:
    """The delivery whose parcel this one brings back, "" for one that brings it to the customer."""
    related = delivery.get("related_deliveries")
    for one in related if isinstance(related, list) else [related]:
        if isinstance(one, Mapping) and one.get("relationship") == "original":
            return reading.text(one, "id", reading.REF_LENGTH)
    return ""


def _driver(courier: Fields) -> dict[str, str]:
    return reading.told(
        name=reading.text(courier, "name", 120),
        phone=reading.text(courier, "phone_number", 40),
        vehicle=reading.text(courier, "vehicle_type", 120),
    )


def _point(holder: Fields) -> Point | None:
    location = reading.part(holder, "location")
    return reading.point(location.get("lat"), location.get("lng"))


def _proofs(delivery: Fields) -> dict[str, str]:
    found = {}
    for end in ("pickup", "dropoff"):
        proof = reading.part(reading.part(delivery, end), "verification")
        for kind in ("picture", "signature"):
            found[f"{end}_{kind}"] = reading.url(reading.part(proof, kind).get("image_url"))
    return reading.told(**found)


def currency(answer: Fields) -> str:
    return reading.currency(answer.get("currency_type")) or reading.currency(answer.get("currency"))


READERS: dict[str, Callable[[Fields], CourierNews]] = {STATUS: of_status, POSITION: of_position}
