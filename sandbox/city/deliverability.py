"""How customers hear of their orders: by the store's app, by WhatsApp or by SMS, and what becomes of it on the way.

Most phones are fine. Some have lost the app or are switched off, others are read at once: an inbox shows every kind of
receipt, and the ladder has something to climb.
"""

import random
from dataclasses import dataclass
from typing import Any

from sandbox.city.api_clients import ApiClient, SandboxClient

READ, OFF, GONE = "read", "undelivered", "unregistered"


@dataclass(frozen=True)
class Reach:
    """`device` is the push token of the customer's app ("": they have none), which tells when they saw something.
    `fates`: provider -> what becomes of what it brings them; what is not named is delivered."""

    device: str
    looks_at_it: bool
    has_whatsapp: bool
    fates: dict[str, str]


def reach_of(customer: dict[str, str], dice: random.Random) -> Reach:
    """Two fifths have the app, two fifths WhatsApp, one fifth neither; some apps are gone, some phones off."""
    share = dice.random()
    uninstalled, is_off, reads = dice.random() < 0.15, dice.random() < 0.15, dice.random() < 0.6
    has_app, has_whatsapp = share < 0.4, 0.3 < share < 0.8  # some have both: the app's push comes first
    fates = {"sendgrid": READ} if reads else {}
    if has_whatsapp and (reads or is_off):
        fates["whatsapp"] = OFF if is_off else READ
    if is_off:
        fates["twilio"] = "unreachable"
    device = f"app-of-{customer['id']}" if has_app else ""
    return Reach(f"{GONE}-{device}" if uninstalled and device else device, not is_off, has_whatsapp, fates)


async def connect_customer(
    customer: dict[str, str], reach: Reach, storefront: ApiClient, outside: SandboxClient
) -> list[str]:
    """Install the app and opt in, as the storefront would, and let the outside world know them. Returns what went
    wrong."""
    addresses = [customer["phone"], customer["email"], *([reach.device] if reach.device else [])]
    await outside.introduce_person(customer["id"], customer["name"], "customer", addresses)
    for provider, outcome in reach.fates.items():
        to = customer["email"] if provider == "sendgrid" else customer["phone"]
        await outside.decide_outcome(provider, to, outcome)
    asks: list[tuple[str, dict[str, Any]]] = []
    if reach.device:
        asks.append(("push/register-token", {"token": reach.device, "platform": "android"}))
    if reach.has_whatsapp:
        asks.append(("whatsapp/opt-in", {}))
    wrong = []
    for path, body in asks:
        answer = await storefront.call("POST", f"/notifications/{path}", json={"customer_id": customer["id"], **body})
        if not answer.is_ok:
            wrong.append(f"{path} of {customer['id']}: {answer.status} {answer.body}")
    return wrong
