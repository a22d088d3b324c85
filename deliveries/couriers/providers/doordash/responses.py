"""DoorDash Drive's words, and what its events and answers say as CourierUpdate."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from deliveries.couriers.providers import parsing
from deliveries.couriers.providers.parsing import Fields
from deliveries.couriers.providers.status_update import ENDS, CourierStage, CourierUpdate
from foundation.errors import Unknown

NAME = "doordash"
QUOTED = "quote"
STATUSES: dict[str, CourierStage | None] = {
    QUOTED: None,
    "created": CourierStage.REQUESTED,
    "confirmed": CourierStage.ASSIGNED,
    "enroute_to_pickup": CourierStage.ASSIGNED,
    "arrived_at_pickup": CourierStage.ASSIGNED,
    "picked_up": CourierStage.PICKED_UP,
    "enroute_to_dropoff": CourierStage.IN_TRANSIT,
    "arrived_at_dropoff": CourierStage.IN_TRANSIT,
    "delivered": CourierStage.DELIVERED,
    "enroute_to_return": None,
    "arrived_at_return": None,
    "returned": CourierStage.RETURNED,
    "cancelled": CourierStage.CANCELLED,
}
EVENTS: dict[str, CourierStage | None] = {
    "DASHER_CONFIRMED": CourierStage.ASSIGNED,
    "dasher_enroute_to_pickup": CourierStage.ASSIGNED,
    "DASHER_CONFIRMED_PICKUP_ARRIVAL": CourierStage.ASSIGNED,
    "DASHER_PICKED_UP": CourierStage.PICKED_UP,
    "dasher_enroute_to_dropoff": CourierStage.IN_TRANSIT,
    "DASHER_CONFIRMED_DROPOFF_ARRIVAL": CourierStage.IN_TRANSIT,
    "DASHER_DROPPED_OFF": CourierStage.DELIVERED,
    "DELIVERY_RETURN_INITIALIZED": None,
    "dasher_enroute_to_return": None,
    "DASHER_CONFIRMED_RETURN_ARRIVAL": None,
    "DELIVERY_RETURNED": CourierStage.RETURNED,
    "DELIVERY_CANCELLED": CourierStage.CANCELLED,
}
# When DoorDash itself says that a stage was reached.
TIMES = {
    CourierStage.PICKED_UP: "pickup_time_actual",
    CourierStage.DELIVERED: "dropoff_time_actual",
    CourierStage.RETURNED: "return_time_actual",
}


def of_event(event_type: str, payload: Any) -> CourierUpdate:
    """Nobody signed it. Raises KeyError, TypeError or ValueError where it is not shaped as documented."""
    event = parsing.require_object(payload)
    at = parsing.parse_time(event["created_at"]) if "created_at" in event else None
    return replace(_build_update(event, event_type, EVENTS[event_type], at, is_hint=True), told_at=at)


def of_answer(delivery: Fields) -> CourierUpdate:
    """Raises Unknown when it does not say which job it speaks of."""
    word = parsing.get_text(delivery, "delivery_status", parsing.WORD_LENGTH)
    try:
        return _build_update(delivery, word, STATUSES.get(word), parsing.some_moment(delivery.get("updated_at")))
    except (KeyError, TypeError, ValueError) as error:
        raise Unknown(f"DoorDash's answer is not a delivery: {error!r}", answer=delivery) from error


def _build_update(
    delivery: Fields, word: str, stage: CourierStage | None, at: datetime | None, *, is_hint: bool = False
) -> CourierUpdate:
    """`at` is when it was told; where DoorDash says when it happened, that counts."""
    job = parsing.parse_reference(delivery["external_delivery_id"])
    location = parsing.get_object(delivery, "dasher_location")
    fee_minor = parsing.parse_amount(delivery.get("fee"))
    passed = _stages_passed(delivery, stage)
    return CourierUpdate(
        courier=NAME,
        external_id=job,
        courier_ref=job,
        status_text=word,
        stage=stage,
        occurred_at=passed.get(stage, at) if stage is not None else at,
        passed={} if is_hint else passed,
        driver=_read_driver(delivery),
        position=parsing.parse_point(location.get("lat"), location.get("lng")),
        arrival_at=parsing.parse_estimate(delivery.get("dropoff_time_estimated")),
        reason=parsing.get_text(delivery, "cancellation_reason"),
        proofs=_read_proofs(delivery),
        fee_minor=fee_minor,
        currency="" if fee_minor is None else read_currency(delivery),
        tracking_url=parsing.parse_url(delivery.get("tracking_url")),
        is_hint=is_hint,
    )


def _stages_passed(delivery: Fields, stage: CourierStage | None) -> dict[CourierStage, datetime]:
    """An end only where it stands: a dropoff in vain may have had its time too."""
    times = {
        reached: parsing.some_moment(delivery.get(name))
        for reached, name in TIMES.items()
        if reached == stage or reached not in ENDS
    }
    return {reached: at for reached, at in times.items() if at is not None}


def _read_driver(delivery: Fields) -> dict[str, str]:
    """The number that answers on the way to the customer, as soon as there is one."""
    to_customer = parsing.get_text(delivery, "dasher_dropoff_phone_number", 40)
    vehicle = [parsing.get_text(delivery, f"dasher_vehicle_{part}", 40) for part in ("color", "make", "model", "year")]
    return parsing.drop_empty(
        id=parsing.get_text(delivery, "dasher_id", 60),
        name=parsing.get_text(delivery, "dasher_name", 120),
        phone=to_customer or parsing.get_text(delivery, "dasher_pickup_phone_number", 40),
        vehicle=" ".join(word for word in vehicle if word),
    )


def _read_proofs(delivery: Fields) -> dict[str, str]:
    names = ("pickup_verification_image_url", "dropoff_verification_image_url", "dropoff_signature_image_url")
    return parsing.drop_empty(**{name: parsing.parse_url(delivery.get(name)) for name in names})


def read_currency(answer: Fields) -> str:
    return parsing.parse_currency(answer.get("currency"))
