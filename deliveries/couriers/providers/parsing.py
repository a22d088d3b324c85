"""Reading what courier companies send: each piece as what it should be, or nothing.

What a company only adds (a photo, an estimate) is left out when it is odd: it must not cost us the fact it came with.
What makes the fact (`parse_time`, `parse_reference`, `require_object`) raises ValueError or TypeError, as Company.read
may.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from foundation import clock, geo
from foundation.geo import Point
from foundation.webhook import WebhookRejected

REF_LENGTH = 80  # of a courier's own id (Delivery.courier_ref)
WORD_LENGTH = 40  # of its status words (Delivery.courier_word)
TYPE_LENGTH = 100
KEY_LENGTH = 255
URL_LENGTH = 500
MOST_MINUTES = 24 * 60
ESTIMATED_AHEAD = timedelta(days=2)
MOST_MINOR = 10**9

Fields = Mapping[str, Any]


# ── what makes the fact ──────────────────────────────────────────────────────────────────────────────────────────
def require_object(value: Any) -> Fields:
    if not isinstance(value, Mapping):
        raise TypeError(f"not an object: {str(value)[:40]!r}")
    return value


def parse_reference(value: Any, *, longest: int = REF_LENGTH) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(f"not an id: {str(value)[:40]!r}")
    text = str(value).strip() if isinstance(value, str) or abs(value) < 10**30 else ""
    if not 0 < len(text) <= longest:
        raise ValueError(f"an id of {len(text)} characters")
    return text


def parse_time(value: Any) -> datetime | None:
    """When something happened: ISO 8601, without an offset UTC. None: it cannot be meant, so it is not told."""
    if not isinstance(value, str):
        raise TypeError(f"not a time: {str(value)[:40]!r}")
    return _plausible_time(datetime.fromisoformat(value.strip()), ahead=clock.CLOCK_ERROR)


# ── what it may bring ────────────────────────────────────────────────────────────────────────────────────────────
def get_object(value: Fields, name: str) -> Fields:
    """An object inside, empty when there is none."""
    inner = value.get(name)
    return inner if isinstance(inner, Mapping) else {}


def get_text(value: Fields, name: str, longest: int = 300) -> str:
    said = value.get(name)
    if isinstance(said, bool) or not isinstance(said, str | int):
        return ""
    return said.strip()[:longest] if isinstance(said, str) else str(said)[:longest] if abs(said) < 10**30 else ""


def some_moment(value: Any) -> datetime | None:
    """When something happened, where that is told."""
    try:
        return parse_time(value)
    except (TypeError, ValueError):
        return None


def parse_estimate(value: Any) -> datetime | None:
    """When something is expected: at most ESTIMATED_AHEAD from now."""
    try:
        return _plausible_time(datetime.fromisoformat(str(value).strip()), ahead=ESTIMATED_AHEAD)
    except ValueError:
        return None


def _plausible_time(read: datetime, *, ahead: timedelta) -> datetime | None:
    try:
        moment = (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:  # the last hours of the calendar, in another zone
        return None
    return moment if clock.is_plausible(moment, ahead=ahead) else None


def parse_point(lat: Any, lng: Any) -> Point | None:
    if not (_is_number(lat) and _is_number(lng)):
        return None
    try:
        found = Point(float(lat), float(lng))
    except OverflowError:
        return None
    return found if geo.is_valid(*found) else None


def parse_minutes(value: Any) -> float | None:
    return float(value) if _is_number(value) and 0 <= value <= MOST_MINUTES else None


def parse_amount(value: Any) -> int | None:
    """Minor units."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_MINOR else None


def parse_currency(value: Any) -> str:
    return value.upper() if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isalpha() else ""


def parse_url(value: Any) -> str:
    """An address that people may be given to click on; it is never fetched here (SPEC S3)."""
    if not isinstance(value, str) or len(value) > URL_LENGTH or not value.isprintable():
        return ""
    return value if value.lower().startswith(("https://", "http://")) else ""


def drop_empty(**pieces: str) -> dict[str, str]:
    """The pieces that are there."""
    return {name: piece for name, piece in pieces.items() if piece}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# ── at the webhook endpoint ──────────────────────────────────────────────────────────────────────────────────────
def require_text(payload: Any, name: str, *, longest: int) -> str:
    """A text that an event cannot be kept without. Raises WebhookRejected."""
    if not isinstance(payload, Mapping):
        raise WebhookRejected(400, "bad_body", "body must be a JSON object")
    value = payload.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise WebhookRejected(400, "bad_body", f"{name} must be a text of 1 to {longest} characters")
    return value


def build_event_id(*parts: str) -> str:
    """An event id of the parts that make it the same event; their digest where that is too long to keep."""
    whole = ":".join(parts)
    return whole if len(whole) <= KEY_LENGTH else f"sha256:{hashlib.sha256(whole.encode()).hexdigest()}"


def digest_payload(payload: Any) -> str:
    """The same for the same content, however it was written."""
    canonical = json.dumps(payload, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]
