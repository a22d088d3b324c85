"""Work rows: claimed by one worker at a time, finished only by the one that still holds them."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from foundation import clock
from foundation.models import Job
from foundation.work import Backoff, Exact, LostLease, WorkState

pytestmark = pytest.mark.django_db


def rows(count: int = 1, **facts) -> list[Job]:
    return Job.objects.bulk_create(Job(handler="test.work", subject=f"thing:{n}", **facts) for n in range(count))


def claim(limit: int = 10, lease_s: float = 60) -> list[Job]:
    return Job.claim_batch(limit=limit, lease_s=lease_s)


def one(**facts) -> Job:
    rows(1, **facts)
    (job,) = claim()
    return job


def run_out(*jobs: Job) -> None:
    """The lease of these rows ends now."""
    Job.objects.filter(pk__in=[job.pk for job in jobs]).update(due_at=Now())


# spec: W5
def test_a_claim_leases_counts_and_fences():
    job = one()
    assert (job.state, job.retry_count, job.lease_token, job.came_back) == (WorkState.LEASED, 1, 1, False)
    assert timedelta(seconds=58) < job.due_at - clock.now() < timedelta(seconds=62)
    assert claim() == []


def test_what_is_not_due_or_not_open_is_not_claimed():
    rows(1, due_at=clock.now() + timedelta(hours=1))
    for n, state in enumerate([WorkState.DONE, WorkState.IGNORED, WorkState.DEAD, WorkState.DISCARDED]):
        Job.objects.create(handler="test.over", subject=f"thing:{n}", state=state)
    assert claim() == []


def test_the_longest_due_are_claimed_first():
    now = clock.now()
    for minutes in (1, 3, 2):
        Job.objects.create(handler="t", subject=f"thing:{minutes}", due_at=now - timedelta(minutes=minutes))
    assert {job.subject for job in claim(limit=2)} == {"thing:3", "thing:2"}


# spec: W5
def test_a_lease_that_ran_out_passes_the_row_on_and_shuts_the_old_worker_out():
    slow = one()
    run_out(slow)
    (second,) = claim()
    assert (second.pk, second.retry_count, second.lease_token, second.came_back) == (slow.pk, 2, 2, True)

    with pytest.raises(LostLease):
        Job.finish_rows([(slow, WorkState.DONE)])
    assert [slow.retry_in(0, "late"), slow.release_lease(0), slow.mark_dead("late"), slow.begin_alone()] == [False] * 4
    second.refresh_from_db()
    assert (second.state, second.error_message, second.retry_count) == (WorkState.LEASED, "", 2)

    Job.finish_rows([(second, WorkState.DONE)])
    second.refresh_from_db()
    assert second.state == WorkState.DONE
    assert second.processed_at is not None


# spec: W5
@pytest.mark.django_db(transaction=True)
def test_one_lost_row_takes_the_whole_chunk_back():
    rows(3)
    mine = claim()
    run_out(mine[1])
    claim()
    with pytest.raises(LostLease, match="1 of 3"), transaction.atomic():
        Job.finish_rows([(job, WorkState.DONE) for job in mine])
    assert not Job.objects.filter(state=WorkState.DONE).exists()


def test_a_finished_row_cannot_be_finished_or_retried_again():
    job = one()
    Job.finish_rows([(job, WorkState.DONE)])
    with pytest.raises(LostLease):
        Job.finish_rows([(job, WorkState.IGNORED)])
    assert job.retry_in(0, "again") is False
    assert Job.objects.get().state == WorkState.DONE


# spec: W4
def test_a_retry_waits_and_says_why():
    job = one()
    assert job.retry_in(30, "the provider was away " + "x" * 5000) is True
    job.refresh_from_db()
    assert (job.state, job.retry_count, len(job.error_message)) == (WorkState.PENDING, 1, 4000)
    assert timedelta(seconds=28) < job.due_at - clock.now() < timedelta(seconds=31)
    run_out(job)
    (again,) = claim()
    assert (again.retry_count, again.came_back) == (2, False)


def test_a_released_row_was_never_tried():
    job = one()
    job.release_lease(0)
    job.refresh_from_db()
    assert (job.state, job.retry_count) == (WorkState.PENDING, 0)


# spec: W4
def test_the_dead_are_replayed_with_all_their_tries_or_put_aside_for_good():
    first, second = (Job.objects.create(handler="t", subject=f"thing:{n}") for n in range(2))
    for job in claim():
        job.mark_dead("nothing helped")
    assert set(Job.objects.values_list("state", "error_message")) == {("dead", "nothing helped")}

    assert Job.replay_rows([first.pk]) == 1
    assert Job.replay_rows([first.pk]) == 0  # it is not dead any more
    assert Job.discard_rows([second.pk, first.pk], reason="known and harmless") == 1
    assert claim()[0].retry_count == 1
    second.refresh_from_db()
    assert (second.state, second.error_message) == (WorkState.DISCARDED, "discarded: known and harmless")
    assert Job.replay_rows([second.pk]) == 0


# spec: W5 S8
@pytest.mark.django_db(transaction=True)
def test_workers_at_the_same_time_get_different_rows():
    rows(200)
    together = threading.Barrier(8)

    def work(_: int) -> list[int]:
        try:
            together.wait()
            taken: list[int] = []
            while batch := claim(limit=7):
                taken += [job.pk for job in batch]
                Job.finish_rows([(job, WorkState.DONE) for job in batch])
            return taken
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as workers:
        taken = [pk for share in workers.map(work, range(8)) for pk in share]
    assert len(taken) == 200
    assert len(set(taken)) == 200
    assert not Job.objects.exclude(state=WorkState.DONE, retry_count=1).exists()


@pytest.mark.django_db(transaction=True)
def test_a_locked_row_is_passed_over_not_waited_for():
    rows(2)
    held = Job.objects.order_by("pk").first()
    assert held is not None

    def other() -> list[int]:
        try:
            return [job.pk for job in claim()]
        finally:
            connection.close()

    with transaction.atomic(), ThreadPoolExecutor(1) as worker:
        Job.objects.select_for_update().get(pk=held.pk)
        assert worker.submit(other).result(timeout=5) == [held.pk + 1]


# spec: W4
def test_backoff_doubles_is_shortened_by_half_at_most_and_ends():
    schedule = Backoff(first_s=1, cap_s=60, tries=8)
    random.seed(4)
    for attempt, full in enumerate([1, 2, 4, 8, 16, 32, 60], start=1):
        delays = [schedule.delay_s(attempt) or 0 for _ in range(500)]
        assert full / 2 <= min(delays) < full * 0.55
        assert full * 0.95 < max(delays) <= full
    assert schedule.delay_s(8) is None
    assert schedule.delay_s(9) is None


# spec: C2
def test_a_contracted_schedule_is_kept_to_the_second():
    schedule = Exact((1, 2, 4, 8, 16))
    assert [schedule.delay_s(attempt) for attempt in range(1, 8)] == [1, 2, 4, 8, 16, None, None]
    assert schedule.tries == 6
