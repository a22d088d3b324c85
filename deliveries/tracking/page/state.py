"""What the page shows of an order at this moment: the template, the JSON endpoint and the socket's snapshot alike.

All words and times are made here, in the store's time zone, so that a page without JavaScript says the same as one
that is refreshed in place. Where the carrier is stands in it only while the order is on its way (SPEC T4).
"""

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from deliveries.eta import estimate
from deliveries.lifecycle import CARRIED
from deliveries.models import IN_HOUSE, Delivery
from deliveries.tracking import masked_calls as tracking_masked_calls
from deliveries.tracking import ratings
from deliveries.tracking.page import texts
from deliveries.tracking.snapshot import OrderSnapshot
from foundation import clock
from foundation.geo import haversine_m
from foundation.money import format_money
from notifications import masked_calls as notifications_masked_calls
from orders import delivery_preferences, substitution_decisions, substitutions
from orders.lifecycle import LIVE, OrderStatus
from orders.models import Order, Substitution

State = dict[str, Any]
LATE_AFTER = timedelta(minutes=1)
CALLING = "Your phone rings in a moment. Answer it, and we put you through; nobody sees your number."


def state_of(order: Order) -> State:
    """Plain JSON. `version` counts up with all that happens to the order; positions come between versions."""
    tracking, zone = OrderSnapshot(order, None), ZoneInfo(order.store.time_zone)
    headline, following = texts.HEADLINES[order.status]
    rating = ratings.find_rating(order) if order.status in (OrderStatus.DELIVERED, OrderStatus.REFUNDED) else None
    arrival_at = tracking.arrival_at
    return {
        "version": order.version,
        "status": tracking.current_status,
        "live": order.status in LIVE,
        "headline": headline,
        "following": following,
        "steps": texts.list_steps(order, zone),
        "promised": texts.day_and_hour(order.promised_at, zone, tracking.now),
        "arrival": _describe_arrival(arrival_at, zone, tracking.now),
        "late": _describe_lateness(arrival_at, order.promised_at),
        "driver": _describe_driver(tracking),
        "calling": CALLING if notifications_masked_calls.is_ringing(order.public_id) else "",
        "position": _describe_position(tracking),
        "away": _describe_distance(tracking),
        "may_rate": order.status == OrderStatus.DELIVERED and rating is None,
        "rating": _describe_rating(rating.stars) if rating else "",
        "may_change": may_change(order, tracking.delivery),
        "suggestions": [texts.describe_substitution(one, zone) for one in _list_undecided(order)],
        "may_prefer": substitutions.can_set_preference(order),
        "prefers": order.substitution_preference,
        "lines": [texts.describe_line(line, order.currency) for line in tracking.items],
        "total": format_money(order.total_minor, order.currency),
        "less": _amount_taken_off(order),
        "preferences": {name: order.delivery_preferences.get(name) or empty for name, empty in PREFERENCES.items()},
    }


PREFERENCES: dict[str, Any] = {"contact_free": False, "call_before_arriving": False, "entrance": ""}


def may_change(order: Order, delivery: Delivery | None) -> bool:
    """A courier company has been told already: what is changed later would reach nobody."""
    if not delivery_preferences.can_change(order):
        return False
    return delivery is None or delivery.status not in CARRIED or delivery.courier == IN_HOUSE


def _list_undecided(order: Order) -> list[Substitution]:
    return substitution_decisions.list_undecided(order) if order.status == OrderStatus.SUBSTITUTIONS_NEEDED else []


def _amount_taken_off(order: Order) -> str:
    """What substitutions have taken off."""
    if order.total_minor == order.authorised_minor:
        return ""
    difference_minor = order.authorised_minor - order.total_minor
    paid, back = format_money(order.authorised_minor, order.currency), format_money(difference_minor, order.currency)
    return f"You paid {paid}; {back} is given back."


def etag_of(state: State) -> str:
    content = json.dumps(state, sort_keys=True, separators=(",", ":"))
    return f'"{hashlib.sha256(content.encode()).hexdigest()[:32]}"'


def _describe_arrival(arrival_at: datetime | None, zone: ZoneInfo, now: datetime) -> str:
    if arrival_at is None:
        return ""
    left = estimate.minutes_left(arrival_at, now=now)
    return f"about {texts.day_and_hour(arrival_at, zone, now)} (in {left} {'minute' if left == 1 else 'minutes'})"


def _describe_lateness(arrival_at: datetime | None, promised_at: datetime | None) -> str:
    """A minute does not count: nobody is told of it."""
    if arrival_at is None or promised_at is None or arrival_at <= promised_at + LATE_AFTER:
        return ""
    return "It may come later than promised. Sorry!"


def _describe_driver(tracking: OrderSnapshot) -> dict[str, str] | None:
    """First name only, and no number: who calls is put through (deliveries/tracking/masked_calls.py)."""
    driver = tracking.driver_view
    if driver is None or tracking.order.status not in LIVE:
        return None
    first = driver.name.split()[0] if driver.name.split() else "Your rider"
    return {
        "name": first,
        "vehicle": driver.vehicle,
        "call": f"Call {first}" if tracking_masked_calls.may_call(tracking) else "",
    }


def _describe_position(tracking: OrderSnapshot) -> dict[str, Any] | None:
    """As the hint of a position has it (announcing.location_hint)."""
    seen = tracking.last_fix
    if seen is None:
        return None
    return {"lat": seen.point.lat, "lng": seen.point.lng, "recorded_at": clock.format_wire(seen.recorded_at)}


def _describe_distance(tracking: OrderSnapshot) -> str:
    seen, door = tracking.last_fix, tracking.order.point
    return (
        f"{texts.format_distance(haversine_m(seen.point, door))} away from you"
        if seen is not None and door is not None
        else ""
    )


def _describe_rating(stars: int) -> str:
    return f"You gave {stars} of {ratings.MOST_STARS} stars. Thank you!"
