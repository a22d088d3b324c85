"""What the page says of each status: headline, what happens next, and the five steps."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from foundation.money import format_money
from orders import line_items
from orders.lifecycle import OrderStatus
from orders.line_items import LineItem, LineState
from orders.models import Order, Substitution

_S = OrderStatus
HEADLINES: dict[str, tuple[str, str]] = {
    _S.PENDING: ("Waiting for your payment", "The store is told as soon as it has arrived."),
    _S.PAYMENT_CONFIRMED: ("Order placed", "The store is being told."),
    _S.STORE_NOTIFIED: ("Order placed", "The store confirms it in a moment."),
    _S.CONFIRMED: ("The store prepares your order", "When it is ready, a rider fetches it."),
    _S.PICKING_IN_PROGRESS: ("The store prepares your order", "When it is ready, a rider fetches it."),
    _S.SUBSTITUTIONS_NEEDED: ("The store suggests replacements", "Please answer below."),
    _S.READY_FOR_PICKUP: ("Your order is ready", "A rider comes to fetch it."),
    _S.ASSIGNED_TO_DRIVER: ("Your order is ready", "The rider is on the way to the store."),
    _S.PICKED_UP: ("Your order is on its way", "The next stop may be yours."),
    _S.IN_TRANSIT: ("Your order is on its way", "Soon at your door."),
    _S.DELIVERED: ("Delivered", "Enjoy! A word about the delivery helps the rider."),
    _S.DELIVERY_FAILED: ("It could not be delivered", "We are looking into it and will get in touch."),
    _S.CANCELLED: ("Cancelled", "This order will not come. Questions? Ask where you ordered."),
    _S.FAILED: ("Something went wrong", "This order will not come. Questions? Ask where you ordered."),
    _S.REFUNDED: ("Refunded", "Your money is on its way back to you."),
}

STEPS = ("placed", "accepted", "ready", "on_the_way", "delivered")
LABELS = {
    "placed": "Order placed",
    "accepted": "Accepted by the store",
    "ready": "Ready",
    "on_the_way": "On the way",
    "delivered": "Delivered",
}
REACHED: dict[str, str] = {
    _S.CONFIRMED: "accepted",
    _S.PICKING_IN_PROGRESS: "accepted",
    _S.SUBSTITUTIONS_NEEDED: "accepted",
    _S.READY_FOR_PICKUP: "ready",
    _S.ASSIGNED_TO_DRIVER: "ready",
    _S.PICKED_UP: "on_the_way",
    _S.IN_TRANSIT: "on_the_way",
    _S.DELIVERED: "delivered",
}
STOPPED = (_S.DELIVERY_FAILED, _S.CANCELLED, _S.FAILED, _S.REFUNDED)


def list_steps(order: Order, zone: ZoneInfo) -> list[dict[str, Any]]:
    """Each step as [{key, label, state: done | now | todo, at}]; an order that stopped shows how far it came."""
    moments = {
        "placed": order.created_at,
        "accepted": order.confirmed_at,
        "ready": order.ready_at,
        "on_the_way": order.picked_up_at,
        "delivered": order.delivered_at,
    }
    stopped = order.status in STOPPED
    if stopped:
        reached = max((STEPS.index(key) for key, moment in moments.items() if moment), default=0)
    else:
        reached = STEPS.index(REACHED.get(order.status, "placed"))
    shown = []
    for number, key in enumerate(STEPS):
        now = number == reached and not stopped and key != "delivered"
        state = "now" if now else "done" if number <= reached else "todo"
        at = format_hour(moments[key], zone) if state != "todo" else ""
        shown.append({"key": key, "label": LABELS[key], "state": state, "at": at})
    return shown


def format_hour(moment: datetime | None, zone: ZoneInfo) -> str:
    return "" if moment is None else f"{moment.astimezone(zone):%H:%M}"


def day_and_hour(moment: datetime | None, zone: ZoneInfo, now: datetime) -> str:
    """With its day, unless that is today."""
    if moment is None:
        return ""
    local = moment.astimezone(zone)
    return f"{local:%H:%M}" if local.date() == now.astimezone(zone).date() else f"{local:%a %d %b, %H:%M}"


def describe_line(line: LineItem, currency: str) -> dict[str, str]:
    """An item as it stands: [{text, note}]."""
    notes = {
        LineState.REPLACED: f"instead of {line.item.quantity} × {line.item.name}",
        LineState.LEFT_OUT: "left out, not charged",
    }
    return {"text": str(line), "price": format_money(line.amount_minor, currency), "note": notes.get(line.state, "")}


def describe_substitution(one: Substitution, zone: ZoneInfo) -> dict[str, str]:
    """What the store proposes: the item, what would come instead, the price of each, until when to answer."""
    before, currency = line_items.item_as_substituted(one.item, one), one.order.currency
    return {
        "id": one.public_id,
        "item": f"{before} ({format_money(before.amount_minor, currency)})",
        "instead": f"{one.quantity} × {one.name} ({format_money(one.quantity * one.price_minor, currency)})",
        "reason": one.reason,
        "until": f"Please answer by {format_hour(one.decide_by, zone)}.",
    }


def format_distance(distance_m: float) -> str:
    """A distance as people say it: 80 m, 350 m, 1.2 km."""
    if distance_m < 1000:
        return f"{max(10, round(distance_m, -1)):.0f} m"
    return f"{distance_m / 1000:.1f} km"
