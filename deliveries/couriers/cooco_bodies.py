"""What COOCO is sent, to the letter of its contract."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from deliveries.couriers.base import Parcel, Stop


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
        "callback_url": f"{settings.PUBLIC_URL}/webhooks/cooco",
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
