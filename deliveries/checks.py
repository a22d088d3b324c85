"""System checks of this room: what would only be noticed on deliveries, said at start (ids deliveries.E… and W…)."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, register

from deliveries.couriers import providers
from deliveries.fulfilment.rider_steps import STEPS
from deliveries.lifecycle import RIDER_WORDS, WITHOUT_RIDER, DeliveryStatus
from deliveries.positions.geofence import CONFIRMATIONS
from deliveries.realtime.publisher import NAMES


@register()
def every_status_has_a_word(**_: Any) -> list[CheckMessage]:
    missing = set(DeliveryStatus.values) - set(RIDER_WORDS) - set(WITHOUT_RIDER)
    return [Error(f"RIDER_WORDS says nothing for {sorted(missing)}", id="deliveries.E001")] if missing else []


@register()
def confirmations_are_steps(**_: Any) -> list[CheckMessage]:
    strange = set(CONFIRMATIONS) - set(STEPS)
    return [Error(f"nobody can take the step {sorted(strange)}", id="deliveries.E002")] if strange else []


@register()
def names_on_the_wire_are_namespaced(**_: Any) -> list[CheckMessage]:
    wrong = [name for name in NAMES.values() if name.count(":") != 1]
    return [Error(f"not as the contracts write names: {wrong}", id="deliveries.E003")] if wrong else []


@register()
def couriers_are_configured(**_: Any) -> list[CheckMessage]:
    """A company without keys is off, and is said to be (SPEC S5)."""
    hint = "Set its keys (docs/configuration.md); until then it is never asked and its webhooks are refused."
    return [
        Info(f"{company.title} is off: its keys are not set", hint=hint, id=f"deliveries.courier.{company.name}")
        for company in providers.courier_providers().values()
        if not company.is_enabled()
    ]


@register()
def somebody_carries_hints(**_: Any) -> list[CheckMessage]:
    if settings.LIVE_URL:
        return []
    hint = "Set LIVE_URL to a Redis or Valkey; until then watchers hear of changes some seconds late."
    return [Info("Live pushes are off: LIVE_URL is not set", hint=hint, id="deliveries.I001")]
