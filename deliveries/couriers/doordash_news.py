"""DoorDash Drive's words, and what its events and answers say as CourierNews."""

from datetime import datetime
from typing import Any

from deliveries.couriers import reading
from deliveries.couriers.reading import Fields
from deliveries.evidence import ENDS, CourierNews, Stage
from foundation.errors import Unknown

NAME = "doordash"
QUOTED = "quote"
STATUSES: dict[str, Stage | None] = {
    QUOTED: None,
    "created": Stage.REQUESTED,
    "confirmed": Stage.ASSIGNED,
    "enroute_to_pickup": Stage.ASSIGNED,
    "arrived_at_pickup": Stage.ASSIGNED,
    "picked_up": Stage.PICKED_UP,
    "enroute_to_dropoff": Stage.IN_TRANSIT,
    "arrived_at_dropoff": Stage.IN_TRANSIT,
    "delivered": Stage.DELIVERED,
    "enroute_to_return": None,
    "arrived_at_return": None,
    "returned": Stage.RETURNED,
    "cancelled": Stage.CANCELLED,
}
EVENTS: dict[str, Stage | None] = {
    "DASHER_CONFIRMED": Stage.ASSIGNED,
    "dasher_enroute_to_pickup": Stage.ASSIGNED,
    "DASHER_CONFIRMED_PICKUP_ARRIVAL": Stage.ASSIGNED,
    "DASHER_PICKED_UP": Stage.PICKED_UP,
    "dasher_enroute_to_dropoff": Stage.IN_TRANSIT,
    "DASHER_CONFIRMED_DROPOFF_ARRIVAL": Stage.IN_TRANSIT,
    "DASHER_DROPPED_OFF": Stage.DELIVERED,
    "DELIVERY_RETURN_INITIALIZED": None,
    "dasher_enroute_to_return": None,
    "DASHER_CONFIRMED_RETURN_ARRIVAL": None,
    "DELIVERY_RETURNED": Stage.RETURNED,
    "DELIVERY_CANCELLED": Stage.CANCELLED,
}
# When DoorDash itself says that a stage was reached.
TIMES = {
    Stage.PICKED_UP: "pickup_time_actual",
    Stage.DELIVERED: "dropoff_time_actual",
    Stage.RETURNED: "return_time_actual",
}


def of_event(event_type: str, payload: Any) -> CourierNews:
    """Nobody signed it. Raises KeyError, TypeError or ValueError where it is not shaped as documented."""
    event = reading.fields(payload)
    at = reading.moment(event["created_at"]) if "created_at" in event else None
    return _news(event, event_type, EVENTS[event_type], at, is_hint=True)


def of_answer(delivery: Fields) -> CourierNews:
    """Raises Unknown when it does not say which job it speaks of."""
    word = reading.text(delivery, "delivery_status", reading.WORD_LENGTH)
    try:
        return _news(delivery, word, STATUSES.get(word), reading.some_moment(delivery.get("updated_at")))
    except (KeyError, TypeError, ValueError) as error:
        raise Unknown(f"DoorDash's answer is not a delivery: {error!r}", answer=delivery) from error


def _news(
    delivery: Fields, word: str, stage: Stage | None, at: datetime | None, *, is_hint: bool = False
) -> CourierNews:
    """`at` is when it was told; where DoorDash says when it happened, that counts."""
    job = reading.ref(delivery["external_delivery_id"])
    location = reading.part(delivery, "dasher_location")
    fee_minor = reading.amount(delivery.get("fee"))
    passed = _passed(delivery, stage)
    return CourierNews(
        courier=NAME,
        external_id=job,
        courier_ref=job,
        word=word,
        stage=stage,
        occurred_at=passed.get(stage, at) if stage is not None else at,
        passed={} if is_hint else passed,
        driver=_driver(delivery),
        position=reading.point(location.get("lat"), location.get("lng")),
        arrival_at=reading.some_moment(delivery.get("dropoff_time_estimated")),
        reason=reading.text(delivery, "cancellation_reason"),
        proofs=_proofs(delivery),
        fee_minor=fee_minor,
        currency="" if fee_minor is None else currency(delivery),
        tracking_url=reading.url(delivery.get("tracking_url")),
        is_hint=is_hint,
    )


def _passed(delivery: Fields, stage: Stage | None) -> dict[Stage, datetime]:
    """An end only where it stands: a dropoff in vain may have had its time too."""
    times = {
        reached: reading.some_moment(delivery.get(name))
        for reached, name in TIMES.items()
        if reached == stage or reached not in ENDS
    }
    return {reached: at for reached, at in times.items() if at is not None}


def _driver(delivery: Fields) -> dict[str, str]:
    """The number that answers on the way to the customer, as soon as there is one."""
    to_customer = reading.text(delivery, "dasher_dropoff_phone_number", 40)
    vehicle = [reading.text(delivery, f"dasher_vehicle_{part}", 40) for part in ("color", "make", "model", "year")]
    return reading.told(
        id=reading.text(delivery, "dasher_id", 60),
        name=reading.text(delivery, "dasher_name", 120),
        phone=to_customer or reading.text(delivery, "dasher_pickup_phone_number", 40),
        vehicle=" ".join(word for word in vehicle if word),
    )


def _proofs(delivery: Fields) -> dict[str, str]:
    names = ("pickup_verification_image_url", "dropoff_verification_image_url", "dropoff_signature_image_url")
    return reading.told(**{name: reading.url(delivery.get(name)) for name in names})


def currency(answer: Fields) -> str:
    return reading.currency(answer.get("currency"))
