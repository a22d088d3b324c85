"""What must not stand in a log or a call record: secrets and personal data (SPEC S2, C8)."""

import math
import re
from collections.abc import MutableMapping
from typing import Any

MASK = "•••"
SECRET_KEYS = re.compile(
    r"authorization|secret|token|password|api[-_]?key|app_key|signature|cookie|private_key|assertion|client_secret",
    re.IGNORECASE,
)
PERSONAL_KEYS = re.compile(
    r"^(to|from|name|line1|line2|street|zip|body|text|content|value|first_name|last_name|lat|lng)$"
    r"|phone|mobile|email|customer_?name|contact_?name|rider_?name|recipient|latitude|longitude|address|pin_?code"
    r"|post(al)?_?code",
    re.IGNORECASE,
)
PERSONAL_NUMBER_KEYS = re.compile(r"phone|mobile|pin_?code", re.IGNORECASE)  # personal even where they are integers
MAX_DEPTH = 40
# Linear in the text, whoever wrote it: an address is tried once per word, and names in queries are of bounded length.
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]+\.[\w.]+")
_PHONE = re.compile(r"\+\d{7,15}")
_BEARER = re.compile(r"(Bearer|Basic) [\w.~+/=-]+")
_IN_QUERY = re.compile(
    r"([?&][\w-]{0,60}?(?:token|ticket|key|secret|signature|password)[\w-]{0,60}=)[^&\s]+", re.IGNORECASE
)
_TRACKING_LINK = re.compile(r"(/track/)[\w-]{8,}")  # whoever has such an address sees the order


def mask_value(value: Any, *, key: str = "", personal: bool = True, depth: int = 0) -> Any:
    """A copy in which secrets (and personal data, unless `personal` is off) are masked; shapes and ids survive.

    Whatever came from outside, the copy can be stored as JSON: no NUL, no half surrogates, no NaN, no endless depth.
    """
    if SECRET_KEYS.search(key) or (personal and _is_personal(value, key)):
        return MASK if value not in (None, "") else value
    if isinstance(value, dict | list | tuple) and depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        return {
            mask_text(str(k)): mask_value(v, key=str(k), personal=personal, depth=depth + 1) for k, v in value.items()
        }
    if isinstance(value, list | tuple):
        return [mask_value(v, key=key, personal=personal, depth=depth + 1) for v in value]
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _is_personal(value: Any, key: str) -> bool:
    if isinstance(value, str | float):
        return bool(PERSONAL_KEYS.search(key))
    return isinstance(value, int) and not isinstance(value, bool) and bool(PERSONAL_NUMBER_KEYS.search(key))


def mask_text(text: str) -> str:
    clean = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    clean = _TRACKING_LINK.sub(rf"\1{MASK}", _IN_QUERY.sub(rf"\1{MASK}", _BEARER.sub(rf"\1 {MASK}", clean)))
    return _PHONE.sub(MASK, _EMAIL.sub(MASK, clean))


def mask_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The structlog processor: every value of a log line passes through here."""
    for key, value in event.items():
        if key not in ("event", "level", "logger", "timestamp", "exception"):
            event[key] = mask_value(value, key=key, personal=key not in ("to", "from", "name", "value"))
    if isinstance(event.get("event"), str):  # what libraries log is whole sentences, addresses and all
        event["event"] = _TRACKING_LINK.sub(rf"\1{MASK}", event["event"])
    return event
