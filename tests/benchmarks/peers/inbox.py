"""Handoff's worker for the pipeline benchmark: the webhook work queue as it is, with a handler that is one UPDATE.

`python -m tests.benchmarks.peers.inbox MODE`, one of
  drain    poll without pause until stopped
  beat     as under beat: a drain of one second each second (config/schedule.py)
  nudged   wait for a nudge (NOTIFY by one thread of each web process, at most every 50 ms), look every second anyhow
PIPELINE_EACH=1: a statement for each event. PIPELINE_PREPARE=5: statements are prepared on the server, which
is the known trap.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.db import connection  # noqa: E402  (after the setup)

from foundation import work_queues  # noqa: E402
from foundation.evidence import EventOutcome  # noqa: E402
from foundation.webhook import EventReader, IncomingEvent  # noqa: E402
from webhooks import processing, registry  # noqa: E402

CHANNEL = "bench_nudge"


class OneUpdate(EventReader):
    """The order that the event names has one effect more: one UPDATE for an event, and one for a chunk of them."""

    provider = "stripe"

    def handle(self, event_type: str, event_id: str, payload: Any) -> EventOutcome:
        return self.handle_all([IncomingEvent(event_type, event_id, payload)])[0]

    def handle_all(self, events: Sequence[IncomingEvent]) -> list[EventOutcome]:
        orders = [event.payload["data"]["object"]["order"] for event in events]
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE bench_order SET effects = effects + v.more "
                "FROM (SELECT id, count(*) AS more FROM unnest(%s) AS id GROUP BY id) v WHERE bench_order.id = v.id",
                [orders],
            )
        return [EventOutcome.APPLIED] * len(events)


class OneUpdateEach(OneUpdate):
    """The same, without sharing statements: as the readers of rare events do it."""

    handle_all = EventReader.handle_all

    def handle(self, event_type: str, event_id: str, payload: Any) -> EventOutcome:
        return OneUpdate.handle_all(self, [IncomingEvent(event_type, event_id, payload)])[0]


def drain() -> None:
    while True:
        work_queues.drain_queue(processing.QUEUE, seconds=1.0)


def beat() -> None:
    while True:
        begin = time.monotonic()
        work_queues.drain_queue(processing.QUEUE, seconds=1.0)
        connection.close()  # as Celery does after each task
        time.sleep(max(0.0, 1.0 - (time.monotonic() - begin)))


def nudged() -> None:
    connection.ensure_connection()
    link = connection.connection
    link.execute(f"LISTEN {CHANNEL}")
    while True:
        while processing.QUEUE.drain_once():
            pass
        for _ in link.notifies(timeout=1.0, stop_after=1):
            pass


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    reader = OneUpdateEach() if os.environ.get("PIPELINE_EACH") else OneUpdate()
    registry.event_readers = lambda: {"stripe": reader}  # type: ignore[assignment]
    if prepare := os.environ.get("PIPELINE_PREPARE"):
        connection.settings_dict["OPTIONS"] |= {"prepare_threshold": int(prepare), "server_side_binding": True}
    {"drain": drain, "beat": beat, "nudged": nudged}[sys.argv[1]]()
