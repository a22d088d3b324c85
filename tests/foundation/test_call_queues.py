"""Work queues that call providers: outside transactions, side by side, every end recorded."""

import threading
import time

import pytest
from django.db import connection

from foundation.errors import Permanent, Transient
from foundation.models import Job
from foundation.work import Exact, WorkState
from foundation.work_queues import CallQueue
from tests.foundation.test_work_queues import effect, effects, make_due, rows, states

pytestmark = pytest.mark.django_db
OURS = "test_call_lanes"


def call_lane(call, given_up=None, **more) -> CallQueue:
    return CallQueue(
        name="test-calls",
        model=Job,
        call=call,
        apply=lambda job, answer: effect(job),
        on_give_up=given_up,
        **{"schedule": Exact((30,)), "threads": 4, **more},
    )


@pytest.mark.django_db(transaction=True)
def test_calls_are_made_outside_transactions_and_side_by_side():
    rows(*(f"row {n}" for n in range(8)))
    together = threading.Barrier(4)

    def call(job: Job) -> None:
        assert not connection.in_atomic_block
        together.wait(timeout=5)

    assert call_lane(call).drain_once() == 8
    assert set(states().values()) == {"done"}
    assert len(effects()) == 8


@pytest.mark.django_db(transaction=True)
def test_the_threads_of_a_lane_hold_no_connections_between_batches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PGAPPNAME", OURS)  # told apart from what other tests have running
    rows(*(f"row {n}" for n in range(8)))
    call_lane(lambda job: None).drain_once()

    deadline = time.monotonic() + 20
    while held := connected():  # the server takes a moment to notice that a client has left
        assert time.monotonic() < deadline, f"{held} connections are still held"
        time.sleep(0.02)


def connected() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND pid <> pg_backend_pid()", [OURS]
        )
        return int(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_cannot_be_recorded_is_a_failure_of_the_row():
    rows("a")

    def apply(job: Job, answer: str) -> None:
        effect(job)
        raise RuntimeError("could not write it down")

    one = CallQueue(name="t", model=Job, call=lambda job: "ok", apply=apply, schedule=Exact((30,)))
    one.drain_once()
    assert states() == {"a": "pending"}
    assert effects() == set()


@pytest.mark.django_db(transaction=True)
def test_giving_up_is_recorded_with_the_rows_end_and_may_choose_it():
    rows("refused", "refused, handled", "out of tries")

    def call(job: Job) -> None:
        raise Transient("busy") if job.subject == "out of tries" else Permanent("no")

    def given_up(job: Job, error: Exception) -> str | None:
        effect(job)
        return WorkState.DONE if "handled" in job.subject else None

    for _ in range(2):
        make_due()
        call_lane(call, given_up).drain_once()
    assert states() == {"refused": "dead", "refused, handled": "done", "out of tries": "dead"}
    assert effects() == {"refused", "refused, handled", "out of tries"}


@pytest.mark.django_db(transaction=True)
def test_giving_up_a_row_that_another_worker_holds_changes_nothing():
    rows("a")

    def call(job: Job) -> None:
        Job.objects.update(lease_token=99)
        raise Permanent("no")

    call_lane(call, lambda job, error: effect(job)).drain_once()
    assert states() == {"a": "leased"}
    assert effects() == set()


@pytest.mark.django_db(transaction=True)
def test_a_failure_while_giving_up_leaves_the_row_to_be_tried_again():
    rows("a")

    def given_up(job: Job, error: Exception) -> None:
        raise ValueError("a mistake in our own code")

    def call(job: Job) -> None:
        raise Permanent("no")

    one = call_lane(call, given_up)
    one.drain_once()
    assert states()["a"] in ("pending", "leased")  # not lost, not silently dead without its consequences
    assert "mistake" in Job.objects.get().error_message
