"""A worker for test_worker_killed.py: Handoff's own, which also knows a provider whose effects can be counted.

`celery -A tests.faults.probe_worker worker`. Handling a probe's event adds a row to probe_effect, slowly enough that a
kill finds it in the middle. PROBE=bad commits the effect by itself before the event is finished, as a handler does that
speaks to the world inside its transaction.
"""

import os
import time
from typing import Any

import django

from config.celery import app

django.setup()

from foundation.evidence import EventOutcome  # noqa: E402  (these need the application registry)
from foundation.webhook import EventReader  # noqa: E402
from webhooks import registry  # noqa: E402

__all__ = ["app"]

EFFECT_S = 0.002


class ProbeReader(EventReader):
    provider = "probe"

    def handle(self, event_type: str, event_id: str, payload: Any) -> EventOutcome:
        from django.db import connection

        cursor = _apart().cursor() if os.environ.get("PROBE") == "bad" else connection.cursor()
        with cursor:
            cursor.execute("INSERT INTO probe_effect (event_id) VALUES (%s)", [event_id])
        time.sleep(EFFECT_S)
        return EventOutcome.APPLIED


def _apart() -> Any:
    """A connection on which every statement is committed at once."""
    from django.db import connection

    if not hasattr(_apart, "link"):
        _apart.link = connection.copy()  # type: ignore[attr-defined]
    return _apart.link  # type: ignore[attr-defined]


_known = registry.event_readers


def _with_probe() -> dict[str, EventReader]:
    return {**_known(), ProbeReader.provider: ProbeReader()}


registry.event_readers = _with_probe  # type: ignore[assignment]
