"""The broker is down, or up and silent, while webhooks arrive (SPEC W3, W5): all are answered as usual, all are
processed when it is back. Nothing on the way in speaks to it; nothing has to be told that it is back.
"""

import os
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from foundation.work import WorkState
from sandbox.machine.valkey import Valkey
from tests import processes
from tests.processes import Web
from tests.webhooks.stripe_events import CONNECT_SECRET, PLATFORM_SECRET, event, raw, sign
from webhooks.models import WebhookEvent

EVENTS = 150
PATIENCE_S = 90.0


@dataclass
class House:
    broker: Valkey
    web: Web

    def post(self, count: int = EVENTS) -> list[float]:
        """Send events that nobody handles (they end as ignored); the milliseconds of each answer, all of them 200."""
        link, took_ms = self.web.connect(timeout_s=10), []
        for _ in range(count):
            body = raw(event("refund.created"))
            start = time.perf_counter()
            status, _answer = self.web.post("/webhooks/stripe", body, {"Stripe-Signature": sign(body)}, link=link)
            took_ms.append((time.perf_counter() - start) * 1000)
            assert status == 200
        return took_ms


@pytest.fixture
def house(own_valkey: Callable[[], Valkey], process_environment: dict[str, str], tmp_path: Path) -> Iterator[House]:
    """Web, worker and beat on a broker of their own."""
    broker = own_valkey()
    environment = {
        **process_environment,
        "BROKER_URL": broker.url,
        "LIVE_URL": broker.live_url,
        "STRIPE_WEBHOOK_SECRET": PLATFORM_SECRET,
        "STRIPE_CONNECT_WEBHOOK_SECRET": CONNECT_SECRET,
    }
    processes.manage(environment, "install_schedule")
    with (
        processes.web(environment, tmp_path) as web,
        processes.worker(environment, tmp_path, processes=8),
        processes.beat(environment, tmp_path),
    ):
        yield House(broker, web)


def all_processed() -> bool:
    return not WebhookEvent.objects.exclude(state=WorkState.IGNORED).exists()


def usual(took_ms: list[float], quiet_ms: list[float]) -> bool:
    """Within what the machine's own noise explains: a call to a dead broker would cost each of them two seconds."""
    return statistics.median(took_ms) < 5 * statistics.median(quiet_ms) + 20 and max(took_ms) < 1_500


# spec: W3, W5
def test_a_broker_that_is_silent_and_then_gone_delays_no_answer_and_loses_nothing(house: House):
    quiet_ms = house.post()
    processes.until(all_processed, "the first events", patience_s=PATIENCE_S)

    pid = house.broker.process.pid
    os.kill(pid, signal.SIGSTOP)  # it accepts connections and never answers: the worst there is
    try:
        silent_ms = house.post()
        assert usual(silent_ms, quiet_ms), (statistics.median(silent_ms), max(silent_ms))
        assert WebhookEvent.objects.count() == 2 * EVENTS
    finally:
        os.kill(pid, signal.SIGCONT)
    processes.until(all_processed, "what came while it was silent", patience_s=PATIENCE_S)

    house.broker.stop()
    gone_ms = house.post()
    assert usual(gone_ms, quiet_ms), (statistics.median(gone_ms), max(gone_ms))
    house.broker.start()
    processes.until(all_processed, "what came while it was gone", patience_s=PATIENCE_S)
    assert WebhookEvent.objects.count() == 3 * EVENTS
