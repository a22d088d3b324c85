"""What DoorDash Drive is sent, and whether a delivery that it has is the one that we ask for."""

import re
from typing import Any

from deliveries.couriers.providers.base import Shipment
from deliveries.couriers.providers.parsing import Fields
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


def build_delivery(shipment: Shipment) -> dict[str, Any]:
    """Of a quote and of a delivery alike."""
    given, _, family = shipment.dropoff.name.strip().partition(" ")
    said = {
        "external_delivery_id": shipment.external_id,
        "pickup_address": shipment.pickup.address,
        "pickup_business_name": shipment.pickup.name,
        "pickup_phone_number": shipment.pickup.phone,
        "pickup_instructions": shipment.pickup.instructions,
        "pickup_reference_tag": shipment.order_ref,
        "dropoff_address": shipment.dropoff.address,
        "dropoff_phone_number": shipment.dropoff.phone,
        "dropoff_contact_given_name": given,
        "dropoff_contact_family_name": family,
        "dropoff_instructions": shipment.dropoff.instructions,
        "order_value": shipment.value_minor,
        "tip": shipment.tip_minor,
        "contactless_dropoff": shipment.contact_free,
        "action_if_undeliverable": "return_to_pickup",
        "items": [{"name": item.name, "quantity": item.quantity, "price": item.price_minor} for item in shipment.items],
    }
    if shipment.ready_at > clock.now():  # else as soon as possible; a pickup or a dropoff time, never both
        said["pickup_time"] = clock.format_wire(shipment.ready_at)
    return {name: value for name, value in said.items() if value != ""}


def accept_body(shipment: Shipment) -> dict[str, Any]:
    said = build_delivery(shipment)
    return {name: said[name] for name in _ACCEPT if name in said}


def is_the_same(delivery: Fields, shipment: Shipment) -> bool:
    """Whether a delivery of DoorDash's goes from and to where ours goes. One that it does not show says nothing."""
    return all(
        not isinstance(shown, str) or not shown or _is_same_address(shown, ours)
        for shown, ours in (
            (delivery.get("pickup_address"), shipment.pickup.address),
            (delivery.get("dropoff_address"), shipment.dropoff.address),
        )
    )


def _is_same_address(shown: str, ours: str) -> bool:
    """DoorDash may spell an address its own way (`St` as `Street`); house number and postal code it does not change."""
    if _split_words(shown) == _split_words(ours):
        return True
    numbers, our_numbers = _split_numbers(shown), _split_numbers(ours)
    return bool(numbers and our_numbers) and (numbers <= our_numbers or our_numbers <= numbers)


def _split_words(address: str) -> list[str]:
    return re.findall(r"\w+", address.casefold())


def _split_numbers(address: str) -> set[str]:
    return {word for word in _split_words(address) if any(letter.isdigit() for letter in word)}
