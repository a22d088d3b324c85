"""Handoff's worker for the couriers benchmark: the webhook lane with the readers that run in production.

COURIER_EACH=1: every update by itself, as a reader without `handle_all` does it.
"""

import os
import signal
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from deliveries.courier_doors import CourierDoor  # noqa: E402  (after the setup)
from foundation import lanes  # noqa: E402
from foundation.webhook import Reader  # noqa: E402
from webhooks import processing  # noqa: E402

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if os.environ.get("COURIER_EACH"):
        CourierDoor.handle_all = Reader.handle_all  # type: ignore[method-assign]
    while True:
        lanes.drain(processing.LANE, seconds=1.0)
