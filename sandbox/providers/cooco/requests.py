"""What POST /v2/deliveries must hold."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from sandbox.fleet import geocoding, jobs

PHONE = re.compile(r"\+[1-9][0-9]{6,14}")


class Wrong(ValueError):
    """A body that is refused; `field` is the path of the first thing that is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def check_body(body: dict[str, Any]) -> None:
    """Raises Wrong. callback_url and metadata may be missing."""
    _require_text(body, "external_id")
    for end in ("pickup", "dropoff"):
        _check_stop(_require_part(body, end), end)
    _check_window(_require_part(body, "delivery_window"))
    package = _require_part(body, "package")
    _require_text(package, "description", "package")
    for name in ("requires_signature", "fragile"):
        if not isinstance(package.get(name, False), bool):
            raise Wrong(f"package.{name}", "must be true or false")
    if (url := body.get("callback_url")) is not None and not _is_url(url):
        raise Wrong("callback_url", "must be an http(s) URL")
    if not isinstance(body.get("metadata", {}), dict):
        raise Wrong("metadata", "must be an object")


def _check_stop(stop: dict[str, Any], where: str) -> None:
    for name in ("address", "contact_name"):
        _require_text(stop, name, where)
    phone = stop.get("contact_phone")
    if not isinstance(phone, str) or (phone and not PHONE.fullmatch(phone)):
        raise Wrong(f"{where}.contact_phone", "required, an E.164 number or empty")
    for name, other in (("latitude", 90), ("longitude", 180)):
        value = stop.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= other:
            raise Wrong(f"{where}.{name}", f"must be a number from -{other} to {other}")
    if not isinstance(stop.get("instructions", ""), str):
        raise Wrong(f"{where}.instructions", "must be a string")


def _check_window(window: dict[str, Any]) -> None:
    for name in ("pickup_after", "deliver_by"):
        if jobs.read_time(window.get(name)) is None:
            raise Wrong(f"delivery_window.{name}", "must be an ISO 8601 time with its zone")
    if window_of(window)[1] <= window_of(window)[0]:
        raise Wrong("delivery_window.deliver_by", "must be after pickup_after")


def window_of(window: dict[str, Any]) -> tuple[float, float]:
    """pickup_after and deliver_by of a window that was checked."""
    return jobs.read_time(window["pickup_after"]) or 0.0, jobs.read_time(window["deliver_by"]) or 0.0


def point_of(stop: dict[str, Any]) -> geocoding.Point:
    return geocoding.round_point(stop["latitude"], stop["longitude"])


def _require_part(body: dict[str, Any], name: str) -> dict[str, Any]:
    part = body.get(name)
    if not isinstance(part, dict):
        raise Wrong(name, "required, an object")
    return part


def _require_text(part: dict[str, Any], name: str, where: str = "") -> None:
    value = part.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Wrong(f"{where}.{name}" if where else name, "required, a string")


def _is_url(value: Any) -> bool:
    url = urlsplit(value) if isinstance(value, str) else None
    return url is not None and url.scheme in ("http", "https") and bool(url.netloc)
