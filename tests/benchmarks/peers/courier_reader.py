"""Handoff's worker for the couriers benchmark: the webhook work queue with the readers that run in production.

COURIER_EACH=1: every update by itself, as a reader without `handle_all` does it.
"""

import os
import signal
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from deliveries.couriers.webhooks import CourierWebhooks  # noqa: E402  (after the setup)
from foundation import work_queues  # noqa: E402
from foundation.webhook import EventReader  # noqa: E402
from webhooks import processing  # noqa: E402

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if os.environ.get("COURIER_EACH"):
        CourierWebhooks.handle_all = EventReader.handle_all  # type: ignore[method-assign]
    while True:
        work_queues.drain_queue(processing.QUEUE, seconds=1.0)
