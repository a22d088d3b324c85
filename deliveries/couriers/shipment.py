"""What a courier company is told of an order: a Parcel made from the order, its store and its customer (SPEC C2)."""

from datetime import timedelta

from deliveries.couriers.providers.base import Shipment, ShipmentItem, Stop
from deliveries.eta import estimate
from deliveries.models import Delivery
from foundation.errors import Permanent
from foundation.geo import Point
from orders import deadlines, line_items
from orders.models import Order

WITHIN = timedelta(minutes=60)  # ready to door, where nothing was promised: the contract's example


def build_shipment(delivery: Delivery) -> Shipment:
    """Raises Permanent when it cannot be described: then no company is asked."""
    order = delivery.order
    store, customer = order.store.point, order.point
    if store is None or customer is None:
        raise Permanent("store or customer has no coordinates")
    ready_at = deadlines.expected_ready_at(order)
    return Shipment(
        external_id=delivery.external_id,
        order_ref=order.public_id,
        store_ref=order.store.slug,
        customer_ref=order.customer.external_id,
        pickup=Stop(order.store.name, order.store.recipient.phone, order.store.address or order.store.name, store),
        dropoff=_build_dropoff(order, customer),
        ready_at=ready_at,
        deliver_by=max(order.promised_at or ready_at + WITHIN, ready_at + timedelta(minutes=20)),
        items=[ShipmentItem(item.name, item.quantity, item.price_minor) for item in line_items.current_items(order)],
        value_minor=order.items_minor,
        tip_minor=order.tip_minor,
        currency=order.currency,
        country=order.store.country,
        time_zone=order.store.time_zone,
        distance_m=delivery.distance_m if delivery.distance_m is not None else (estimate.distance_m(order) or 0),
        contact_free=bool(order.delivery_preferences.get("contact_free")),
    )


def _build_dropoff(order: Order, customer: Point) -> Stop:
    snapshot, wishes = order.address_snapshot, order.delivery_preferences
    said = [order.instructions, str(wishes.get("entrance") or ""), str(snapshot.get("landmark") or "")]
    if wishes.get("contact_free"):
        said.append("Leave at the door")
    if wishes.get("call_before_arriving"):
        said.append("Call before arriving")
    return Stop(
        order.customer_name,
        order.customer_phone,
        str(snapshot.get("address") or snapshot.get("label") or ""),
        customer,
        "; ".join(text for text in said if text),
    )
