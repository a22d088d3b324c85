"""Handoff's web process with a coalesced wake-up: a thread beside the requests says NOTIFY, at most every 50 ms."""

import os
import threading
import time
from collections.abc import Iterable
from typing import Any

import psycopg

from config.wsgi import application as lane

CHANNEL = "bench_nudge"
_stored = threading.Event()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    answer = lane(environ, start_response)
    _stored.set()
    return answer


def _nudge() -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as link:
        while _stored.wait():
            _stored.clear()
            link.execute(f"NOTIFY {CHANNEL}")
            time.sleep(0.05)


threading.Thread(target=_nudge, name="nudge", daemon=True).start()
