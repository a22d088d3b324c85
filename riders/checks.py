"""System checks of this room: a configuration under which no rider would ever be found is said so at the start."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register  # noqa: A004 - Django's own name

REPORTED_EVERY_S = 10  # what the phones do (SPEC R7)


@register()
def check_position_freshness(**_: Any) -> list[CheckMessage]:
    if settings.POSITION_FRESH_SECONDS >= 2 * REPORTED_EVERY_S:
        return []
    return [
        Warning(
            f"POSITION_FRESH_SECONDS={settings.POSITION_FRESH_SECONDS}: phones report every {REPORTED_EVERY_S} s, so"
            " one lost report makes a rider no candidate",
            hint=f"Set it to {2 * REPORTED_EVERY_S} or more.",
            id="riders.W001",
        )
    ]
