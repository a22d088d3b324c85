"""Jobs: reactions and deadlines as rows, one pending per pair of handler and subject."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from foundation import clock, jobs
from foundation.errors import Permanent, Transient
from foundation.models import Job
from foundation.work import WorkState
from tests.queues import drain_queues

pytestmark = pytest.mark.django_db


def work() -> None:
    drain_queues(jobs.QUEUE)


def pairs() -> list[tuple[str, str, str]]:
    return list(Job.objects.order_by("pk").values_list("handler", "subject", "state"))


def test_a_handler_is_called_with_the_subjects_number(room):
    seen: list[int] = []
    room(look=seen.append)
    jobs.enqueue_job("probe.look", "order:42")
    work()
    assert seen == [42]
    assert pairs() == [("probe.look", "order:42", "done")]


def test_at_most_one_job_of_a_pair_is_pending_and_the_earlier_time_wins():
    now = clock.now()
    jobs.enqueue_job("probe.look", "order:1", due_at=now + timedelta(hours=2))
    jobs.enqueue_job("probe.look", "order:1", due_at=now + timedelta(hours=1))
    jobs.enqueue_job("probe.look", "order:1", in_s=3 * 3600)
    jobs.enqueue_job("probe.look", "order:2")
    jobs.enqueue_job("probe.other", "order:1")
    assert Job.objects.count() == 3
    assert Job.objects.get(handler="probe.look", subject="order:1").due_at == now + timedelta(hours=1)


@pytest.mark.django_db(transaction=True)
def test_a_hundred_at_once_are_one():
    together = threading.Barrier(10)

    def enqueue(_: int) -> None:
        try:
            together.wait()
            for _again in range(10):
                jobs.enqueue_job("probe.look", "order:1")
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as crowd:
        list(crowd.map(enqueue, range(10)))
    assert Job.objects.count() == 1


def test_a_job_that_runs_does_not_swallow_what_happens_meanwhile(room):
    seen: list[str] = []

    def look(pk: int) -> None:
        seen.append("looked")
        if len(seen) == 1:
            jobs.enqueue_job("probe.look", "order:1")  # the world changes after it was read

    room(look=look)
    jobs.enqueue_job("probe.look", "order:1")
    work()
    assert seen == ["looked", "looked"]
    assert [state for _, _, state in pairs()] == ["done", "done"]


def test_a_job_goes_with_the_transaction_that_wrote_it():
    with transaction.atomic():
        jobs.enqueue_job("probe.look", "order:1")
        transaction.set_rollback(True)
    assert not Job.objects.exists()


def test_a_deadline_waits_for_its_time(room):
    seen: list[int] = []
    room(look=seen.append)
    jobs.enqueue_job("probe.look", "order:1", in_s=60)
    work()
    assert seen == []
    Job.objects.update(due_at=Now())
    work()
    assert seen == [1]


# spec: S8
@pytest.mark.parametrize("handler", ["nowhere.look", "probe.unheard_of", "foundation.look"])
def test_a_handler_that_only_a_newer_release_knows_waits_for_it(room, handler):
    room()
    jobs.enqueue_job(handler, "order:1")
    work()
    job = Job.objects.get()
    assert (job.state, job.retry_count) == (WorkState.PENDING, 0)
    assert job.due_at > clock.now() + timedelta(seconds=3)


def test_a_mistake_inside_a_handlers_module_is_not_taken_for_an_unknown_handler(room):
    def look(pk: int) -> None:
        raise AttributeError("a typo in the handler")

    room(look=look)
    jobs.enqueue_job("probe.look", "order:1")
    work()
    job = Job.objects.get()
    assert (job.state, job.retry_count) == (WorkState.PENDING, 1)
    assert "a typo" in job.error_message


@pytest.mark.parametrize("error", [Transient("later"), Permanent("never")])
def test_a_failed_job_gives_way_to_a_newer_one_of_its_pair(room, error):
    def look(pk: int) -> None:
        raise error

    room(look=look)
    jobs.enqueue_job("probe.look", "order:1")
    (running,) = Job.claim_batch(limit=1, lease_s=60)
    jobs.enqueue_job("probe.look", "order:1", in_s=60)
    jobs.QUEUE.process_batch([running])
    assert [state for _, _, state in pairs()] == ["done", "pending"]


def test_a_newer_job_that_comes_in_the_very_moment_of_the_retry_wins_as_well(room, monkeypatch):
    def look(pk: int) -> None:
        raise Transient("later")

    room(look=look)
    jobs.enqueue_job("probe.look", "order:1")
    (running,) = Job.claim_batch(limit=1, lease_s=60)
    retry_in = Job.retry_in

    def retry_too_late(self, wait_s: float, error: str) -> bool:
        monkeypatch.setattr(Job, "retry_in", retry_in)
        raise IntegrityError("job_pending_once")

    monkeypatch.setattr(Job, "retry_in", retry_too_late)
    jobs.QUEUE.process_batch([running])
    running.refresh_from_db()
    assert running.state == WorkState.PENDING  # nobody was there after all, so it is retried itself
    assert running.retry_count == 1


def test_a_job_lost_to_another_worker_is_left_to_it(room):
    def look(pk: int) -> None:
        Group.objects.create(name="seen")
        Job.objects.update(lease_token=99)

    room(look=look)
    jobs.enqueue_job("probe.look", "order:1")
    jobs.QUEUE.drain_once()
    assert not Group.objects.exists()
