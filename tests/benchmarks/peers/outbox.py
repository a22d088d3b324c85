"""Handoff's worker for the positions benchmark: the outbox work queue, drained without pause."""

import os
import signal
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from deliveries.realtime import publisher  # noqa: E402  (after the setup)
from foundation import work_queues  # noqa: E402

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        work_queues.drain_queue(publisher.QUEUE, seconds=1.0)
