"""Stripe's events for tests: the payload files as they stand, changed where a test cares, signed as Stripe signs."""

import copy
import hashlib
import hmac
import json
import secrets
import time
from itertools import count
from pathlib import Path
from typing import Any

PAYLOADS = Path(__file__).parent / "payloads" / "stripe"
PLATFORM_SECRET = secrets.token_hex(16)
CONNECT_SECRET = secrets.token_hex(16)
_numbers = count(1)


def event(event_type: str, *, event_id: str = "", obj: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    """The payload file of `event_type` as a new event; `obj` changes its data.object, `changed` the event itself."""
    made = copy.deepcopy(json.loads((PAYLOADS / f"{event_type}.json").read_text()))
    made |= {"id": event_id or f"evt_test_{time.time_ns()}_{next(_numbers)}", "created": int(time.time()), **changed}
    made["data"]["object"] |= obj or {}
    return made


def raw(payload: Any) -> bytes:
    return json.dumps(payload).encode()


def sign(body: bytes, *, secret: str = PLATFORM_SECRET, age_s: float = 0) -> str:
    timestamp = int(time.time() - age_s)
    digest = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def of_order(event_type: str, placed: Any, *, obj: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    """An event about the payment of this order."""
    known: dict[str, Any] = {"currency": placed.currency.lower(), "metadata": {"order": placed.public_id}}
    if event_type.startswith("charge."):
        amounts = {"amount": placed.total_minor, "amount_captured": placed.total_minor}
        known |= {"id": f"ch_{placed.pk}", "payment_intent": placed.stripe_payment_intent, **amounts}
    else:
        received = placed.total_minor if event_type == "payment_intent.succeeded" else 0
        known |= {"id": placed.stripe_payment_intent, "amount": placed.total_minor, "amount_received": received}
        known |= {"latest_charge": f"ch_{placed.pk}"}
    return event(event_type, obj={**known, **(obj or {})}, **changed)
