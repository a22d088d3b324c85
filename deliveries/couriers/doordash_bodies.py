"""What DoorDash Drive is sent, and whether a delivery that it has is the one that we ask for."""

import re
from typing import Any

from deliveries.couriers.base import Parcel
from deliveries.couriers.reading import Fields
from foundation import clock

# What may be said again when a quote is accepted.
_ACCEPT = (
    "tip",
    "dropoff_phone_number",
    "order_value",
    "pickup_phone_number",
    "pickup_instructions",
    "pickup_reference_tag",
    "dropoff_contact_given_name",
    "dropoff_contact_family_name",
    "dropoff_instructions",
    "contactless_dropoff",
    "action_if_undeliverable",
    "items",
)


def body(parcel: Parcel) -> dict[str, Any]:
    """Of a quote and of a delivery alike."""
    given, _, family = parcel.dropoff.name.strip().partition(" ")
    said = {
        "external_delivery_id": parcel.external_id,
        "pickup_address": parcel.pickup.address,
        "pickup_business_name": parcel.pickup.name,
        "pickup_phone_number": parcel.pickup.phone,
        "pickup_instructions": parcel.pickup.instructions,
        "pickup_reference_tag": parcel.order_ref,
        "dropoff_address": parcel.dropoff.address,
        "dropoff_phone_number": parcel.dropoff.phone,
        "dropoff_contact_given_name": given,
        "dropoff_contact_family_name": family,
        "dropoff_instructions": parcel.dropoff.instructions,
        "order_value": parcel.value_minor,
        "tip": parcel.tip_minor,
        "contactless_dropoff": parcel.contact_free,
        "action_if_undeliverable": "return_to_pickup",
        "items": [{"name": item.name, "quantity": item.quantity, "price": item.price_minor} for item in parcel.items],
    }
    if parcel.ready_at > clock.now():  # else as soon as possible; a pickup or a dropoff time, never both
        said["pickup_time"] = clock.wire(parcel.ready_at)
    return {name: value for name, value in said.items() if value != ""}


def accept_body(parcel: Parcel) -> dict[str, Any]:
    said = body(parcel)
    return {name: said[name] for name in _ACCEPT if name in said}


def is_the_same(delivery: Fields, parcel: Parcel) -> bool:
    """Whether a delivery of DoorDash's goes from and to where ours goes. One that it does not show says nothing."""
    return all(
        not isinstance(shown, str) or not shown or _alike(shown, ours)
        for shown, ours in (
            (delivery.get("pickup_address"), parcel.pickup.address),
            (delivery.get("dropoff_address"), parcel.dropoff.address),
        )
    )


def _alike(shown: str, ours: str) -> bool:
    """DoorDash may spell an address its own way (`St` as `Street`); house number and postal code it does not change."""
    if _words(shown) == _words(ours):
        return True
    numbers, our_numbers = _numbers(shown), _numbers(ours)
    return bool(numbers and our_numbers) and (numbers <= our_numbers or our_numbers <= numbers)


def _words(address: str) -> list[str]:
    return re.findall(r"\w+", address.casefold())


def _numbers(address: str) -> set[str]:
    return {word for word in _words(address) if any(letter.isdigit() for letter in word)}
