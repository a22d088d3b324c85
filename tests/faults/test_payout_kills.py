"""Workers are killed −9 while their transfers are at Stripe, executed and unanswered (SPEC M4): paid once all the same.

Real Celery workers, a real broker, real kills, over real HTTP. The known-bad variant pays several times.
"""

import os
import signal
from datetime import date
from functools import partial
from pathlib import Path

import pytest
import redis

from foundation.tasks import drain_queue
from foundation.work import OPEN
from payouts import audit
from payouts.lifecycle import PayoutStatus
from payouts.models import Payout
from payouts.runs import runs
from tests import processes
from tests.payouts import money
from tests.payouts import stripe_side as stripe
from tests.sandbox.process import Sandbox

APP = "tests.faults.payout_worker"
STORES, KILLS = 18, 3
HELD_BACK_S = 0.4  # Stripe has executed, and the answer takes so long
PATIENCE_S = 90.0


def owe(sandbox: Sandbox) -> dict[str, int]:
    """What each store's account at Stripe is to receive; frozen."""
    owed = {}
    for payee_id in range(1, STORES + 1):
        account, destination = stripe.owed_and_connected(sandbox, payee_id, 1_000 + payee_id)
        owed[destination] = account.balance_minor
    runs.run_stores(date(2026, 11, 20))
    return owed


def pool_processes(worker_pid: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{worker_pid}/task/{worker_pid}/children").read_text().split()]


def sent_more(sandbox: Sandbox, before: int) -> bool:
    """Send what beat sends each second; whether Stripe has executed more transfers than before."""
    drain_queue.apply_async(kwargs={"queue": "payouts", "seconds": 0.5}, expires=2)
    return len(sandbox.control("GET", "stripe/summary")["transfers"]) > before


def murder(environment: dict[str, str], folder: Path, sandbox: Sandbox) -> None:
    """Send all, while those that send are killed between Stripe's doing and its answer."""
    sandbox.fault("stripe", "answer", "timeout", path="/v1/transfers", share=1.0, seconds=HELD_BACK_S)
    with processes.worker(environment, folder, app=APP, processes=2) as worker:
        for _ in range(KILLS):
            before = len(sandbox.control("GET", "stripe/summary")["transfers"])
            processes.until(partial(sent_more, sandbox, before), "a transfer", patience_s=PATIENCE_S, every_s=0.1)
            for pid in pool_processes(worker.pid):
                os.kill(pid, signal.SIGKILL)
            stripe.make_due()
        sandbox.control("DELETE", "faults")
        processes.until(lambda: settled(sandbox), "the rest", patience_s=PATIENCE_S, every_s=0.5)


def settled(sandbox: Sandbox) -> bool:
    stripe.make_due()
    sent_more(sandbox, 0)
    return not Payout.objects.filter(state__in=OPEN).exists()


@pytest.fixture
def environment(process_environment: dict[str, str], sandbox: Sandbox) -> dict[str, str]:
    return {**process_environment, **sandbox.env, "STRIPE_LIVEMODE": "no"}


# spec: M4
def test_killed_workers_pay_everybody_once(
    environment: dict[str, str], broker: redis.Redis, tmp_path: Path, sandbox: Sandbox
) -> None:
    owed = owe(sandbox)
    murder(environment, tmp_path, sandbox)
    assert stripe.sent(sandbox) == owed
    assert set(Payout.objects.values_list("status", flat=True)) == {PayoutStatus.PROCESSING}
    assert audit.prove_ledger().failures == []
    assert money.stands("store", 1, "USD") == (0, 0)


def test_the_same_kills_catch_fresh_keys(
    environment: dict[str, str], broker: redis.Redis, tmp_path: Path, sandbox: Sandbox
) -> None:
    """Known bad: nobody is forgotten, and some are paid again."""
    owed = owe(sandbox)
    stripe.topup(sandbox, 100_000)
    murder({**environment, "PAYOUTS": "bad"}, tmp_path, sandbox)
    sent = stripe.sent(sandbox)
    assert all(sent[destination] >= amount for destination, amount in owed.items())
    assert sum(sent.values()) > sum(owed.values())
