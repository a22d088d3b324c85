"""What Uber Direct is sent: the bodies of a quote and of a delivery, and addresses in pieces.

Uber takes an address as JSON within a string. Ours are one line of text, as people write them, so they are split by
what can be recognised from the end: country, postal code, state, city; what is left is the street. No word is lost:
what is not recognised stays with the street.
"""

import json
import re
from datetime import datetime, timedelta
from typing import Any

from deliveries.couriers.providers.base import Shipment, Stop
from foundation import clock

NOTE_LENGTH = 280
PICKUP_WINDOW = timedelta(minutes=20)  # at least 10 min after ready and 20 min from now

_POSTAL = {
    "US": r"\d{5}(?:-\d{4})?",
    "CA": r"[A-Z]\d[A-Z] ?\d[A-Z]\d",
    "GB": r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}",
    "IN": r"\d{3} ?\d{3}",
}
_ANY_POSTAL = r"\d{4,7}|\d{3}[- ]\d{3,4}"
_STATES_IN_ADDRESSES = frozenset({"US", "CA", "AU"})
_NAMES = {
    "US": {"us", "usa", "u.s.a.", "united states", "united states of america"},
    "CA": {"canada"},
    "GB": {"uk", "gb", "united kingdom", "england"},
    "IN": {"india", "bharat"},
    "AU": {"australia"},
}


# ── addresses ────────────────────────────────────────────────────────────────────────────────────────────────────
def format_address(line: str, country: str) -> str:
    """`line` as Uber takes it."""
    return json.dumps(split_address(line, country), ensure_ascii=False)


def split_address(line: str, country: str) -> dict[str, Any]:
    code = country.upper()
    parts = [part.strip() for part in line.split(",") if part.strip()]
    if len(parts) > 1 and parts[-1].lower() in _NAMES.get(code, set()):
        parts.pop()
    zip_code = _take_postal(parts, code)
    state = _take_state(parts) if code in _STATES_IN_ADDRESSES else ""
    city = parts.pop() if len(parts) > 1 else ""
    street = [", ".join(parts)] if parts else [line.strip()]
    return {"street_address": street, "city": city, "state": state, "zip_code": zip_code, "country": code}


def _take_postal(parts: list[str], code: str) -> str:
    """Remove the postal code from the end, if there is one and something is left before it."""
    pattern = rf"(?P<rest>.*?)(?:^|\s)(?P<code>{_POSTAL.get(code, _ANY_POSTAL)})"
    found = re.fullmatch(pattern, parts[-1], re.IGNORECASE) if parts else None
    if found is None or (len(parts) == 1 and not found["rest"].strip()):
        return ""
    rest = found["rest"].strip()
    parts[-1:] = [rest] if rest else []
    return found["code"]


def _take_state(parts: list[str]) -> str:
    """A state is a part of its own after street and city (`Austin, Texas`), or capitals (`Austin, TX`, `Austin TX`)."""
    if len(parts) > 2 or (len(parts) == 2 and re.fullmatch(r"[A-Z]{2,3}", parts[-1])):
        return parts.pop()
    capitals = re.fullmatch(r"(?P<city>.*\S)\s+(?P<state>[A-Z]{2,3})", parts[-1]) if len(parts) == 2 else None
    if capitals is None:
        return ""
    parts[-1] = capitals["city"]
    return capitals["state"]


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────
def quote_body(shipment: Shipment) -> dict[str, Any]:
    return {
        **_build_end("pickup", shipment.pickup, shipment.country),
        **_build_end("dropoff", shipment.dropoff, shipment.country),
        **_build_windows(shipment, clock.now()),
        "manifest_total_value": shipment.value_minor,
        "external_store_id": shipment.store_ref,
    }


def create_body(shipment: Shipment, quote_ref: str) -> dict[str, Any]:
    body = {
        **quote_body(shipment),
        "pickup_name": shipment.pickup.name,
        "pickup_notes": shipment.pickup.instructions[:NOTE_LENGTH],
        "dropoff_name": shipment.dropoff.name or "Customer",
        "dropoff_notes": shipment.dropoff.instructions[:NOTE_LENGTH],
        "manifest_items": [
            {"name": item.name, "quantity": item.quantity, "size": "small", "price": item.price_minor}
            for item in shipment.items
        ],
        "manifest_reference": shipment.order_ref,
        "external_id": shipment.external_id,
        "idempotency_key": shipment.external_id,
        "deliverable_action": "deliverable_action_leave_at_door"
        if shipment.contact_free
        else "deliverable_action_meet_at_door",
        "undeliverable_action": "return",
    }
    if quote_ref:
        body["quote_id"] = quote_ref
    if shipment.tip_minor:
        body["tip"] = shipment.tip_minor
    return {name: value for name, value in body.items() if value != ""}


def _build_end(which: str, stop: Stop, country: str) -> dict[str, Any]:
    said = {
        f"{which}_address": format_address(stop.address, country),
        f"{which}_latitude": stop.point.lat,
        f"{which}_longitude": stop.point.lng,
        f"{which}_phone_number": stop.phone,
    }
    return {name: value for name, value in said.items() if value != ""}


def _build_windows(shipment: Shipment, now: datetime) -> dict[str, str]:
    """When it may be fetched and brought; nothing for what is ready already: then as soon as possible."""
    ready_at = shipment.ready_at
    if ready_at <= now:
        return {}
    pickup_until = ready_at + PICKUP_WINDOW
    return {
        "pickup_ready_dt": str(clock.format_wire(ready_at)),
        "pickup_deadline_dt": str(clock.format_wire(pickup_until)),
        "dropoff_ready_dt": str(clock.format_wire(ready_at)),
        "dropoff_deadline_dt": str(clock.format_wire(max(shipment.deliver_by, pickup_until))),
    }
