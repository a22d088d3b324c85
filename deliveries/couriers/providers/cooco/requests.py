"""What COOCO is sent, to the letter of its contract."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from deliveries.couriers.providers.base import Shipment, Stop


def create_body(shipment: Shipment) -> dict[str, Any]:
    count = sum(item.quantity for item in shipment.items)
    return {
        "external_id": shipment.external_id,
        "pickup": _build_stop(shipment.pickup, "Store"),
        "dropoff": _build_stop(shipment.dropoff, "Customer"),
        "delivery_window": {
            "pickup_after": _format_time(shipment.ready_at),
            "deliver_by": _format_time(shipment.deliver_by),
        },
        "package": {
            "description": f"Food order ({count} item{'' if count == 1 else 's'})",
            "requires_signature": False,
            "fragile": True,
        },
        "callback_url": f"{settings.PUBLIC_URL}/webhooks/cooco",
        "metadata": {
            "order_id": shipment.order_ref,
            "chef_id": shipment.store_ref,
            "customer_id": shipment.customer_ref,
        },
    }


def _build_stop(stop: Stop, nameless: str) -> dict[str, Any]:
    return {
        "address": stop.address,
        "latitude": stop.point.lat,
        "longitude": stop.point.lng,
        "contact_name": stop.name or nameless,
        "contact_phone": stop.phone,
        "instructions": stop.instructions,
    }


def _format_time(moment: datetime) -> str:
    """Whole seconds and Z, as its contract writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
