"""Work queues: every row ends done, retried or dead, whatever its handler does, and none for another's sake."""

import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from foundation import clock, work_queues
from foundation.errors import Permanent, Transient
from foundation.models import Job
from foundation.work import Exact, Release, WorkState
from foundation.work_queues import CallQueue, WorkQueue

pytestmark = pytest.mark.django_db


class Died(BaseException):
    """The worker's process ends: nothing of the work queue runs after it, open transactions roll back."""


def rows(*subjects: str) -> None:
    Job.objects.bulk_create(Job(handler="test.work", subject=subject) for subject in subjects)


def states() -> dict[str, str]:
    return dict(Job.objects.values_list("subject", "state"))


def effects() -> set[str]:
    return set(Group.objects.values_list("name", flat=True))


def effect(job: Job) -> None:
    """What a handler writes: seen if its transaction was committed."""
    Group.objects.create(name=job.subject)


def lane(apply, **more) -> WorkQueue:
    return WorkQueue(name="test", model=Job, apply=apply, **{"schedule": Exact((30, 30)), **more})


def make_due() -> None:
    Job.objects.filter(state__in=["pending", "leased"]).update(due_at=Now())


# spec: W5
def test_a_row_is_finished_in_the_state_that_its_handler_says():
    rows("a", "b")

    def apply(job: Job) -> str | None:
        return WorkState.IGNORED if job.subject == "b" else None

    assert lane(apply).drain_once() == 2
    assert states() == {"a": "done", "b": "ignored"}


@pytest.mark.django_db(transaction=True)
def test_what_a_failed_handler_wrote_is_gone_and_the_row_is_retried_then_dead():
    rows("a")

    def apply(job: Job) -> None:
        effect(job)
        raise Transient("not today")

    for attempt, state in [(1, "pending"), (2, "pending"), (3, "dead")]:
        make_due()
        lane(apply).drain_once()
        job = Job.objects.get()
        assert (job.state, job.retry_count) == (state, attempt)
        assert "not today" in job.error_message
    assert effects() == set()


def test_what_is_permanent_is_dead_at_once():
    rows("a")

    def apply(job: Job) -> None:
        raise Permanent("never")

    lane(apply).drain_once()
    assert states() == {"a": "dead"}


def test_a_released_row_keeps_its_tries():
    rows("a")

    def apply(job: Job) -> None:
        raise Release(5, "not mine")

    lane(apply).drain_once()
    job = Job.objects.get()
    assert (job.state, job.retry_count, job.error_message) == ("pending", 0, "not mine")


# spec: W5
def test_lanes_that_share_a_table_take_count_and_bury_only_their_own_rows():
    rows("a", "b", "c")
    Job.objects.filter(subject="b").update(handler="test.other")
    mine, other = (lane(effect, only={"handler": name}) for name in ("test.work", "test.other"))
    soon = clock.now() + timedelta(seconds=1)
    assert (mine.count_due(soon, 10), other.count_due(soon, 10)) == (2, 1)
    assert mine.drain_once() == 2
    assert effects() == {"a", "c"}
    Job.objects.update(state=WorkState.DEAD)
    assert (mine.count_dead(10), other.count_dead(10)) == (2, 1)


# spec: W5
@pytest.mark.django_db(transaction=True)
def test_one_bad_row_in_a_chunk_costs_the_others_nothing():
    rows(*(f"row {n}" for n in range(10)))
    commits = []

    def apply(job: Job) -> None:
        transaction.on_commit(lambda: commits.append(job.subject))
        effect(job)
        if job.subject == "row 7":
            raise ValueError("a row of its own kind")

    lane(apply, chunk=10).drain_once()
    good = {f"row {n}" for n in range(10) if n != 7}
    assert effects() == good
    assert sorted(commits) == sorted(good)  # each once, though the chunk was begun twice
    assert states() == {**dict.fromkeys(good, "done"), "row 7": "pending"}


# spec: W5
@pytest.mark.django_db(transaction=True)
def test_a_chunk_may_share_its_statements_and_is_done_one_by_one_when_that_fails():
    rows("a", "b", "c", "bad", "e", "f")
    shared = []

    def apply(job: Job) -> None:
        effect(job)
        if job.subject == "bad":
            raise Permanent("a row of its own kind")

    def apply_all(jobs: list[Job]) -> list[str]:
        shared.append([job.subject for job in jobs])
        for job in jobs:
            apply(job)
        return [WorkState.IGNORED for _ in jobs]

    lane(apply, apply_all=apply_all, chunk=3).drain_once()
    assert sorted(map(len, shared)) == [3, 3]
    assert effects() == {"a", "b", "c", "e", "f"}
    broken = next(chunk for chunk in shared if "bad" in chunk)
    assert states() == {
        subject: "dead" if subject == "bad" else "done" if subject in broken else "ignored"
        for subject in ("a", "b", "c", "bad", "e", "f")
    }


def test_a_state_must_be_told_for_every_row_of_a_chunk():
    rows("a", "b")
    lane(lambda job: None, apply_all=lambda jobs: [WorkState.IGNORED], chunk=2).drain_once()
    assert states() == {"a": "done", "b": "done"}


@pytest.mark.django_db(transaction=True)
def test_a_good_chunk_is_one_commit():
    rows("a", "b", "c")
    seen = []

    def apply(job: Job) -> None:
        effect(job)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()::text")
            seen.append(cursor.fetchone()[0])

    lane(apply, chunk=3).drain_once()
    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert set(states().values()) == {"done"}


@pytest.mark.django_db(transaction=True)
def test_a_row_lost_to_another_worker_while_it_was_worked_on_has_no_effect_here():
    rows("a", "b")

    def apply(job: Job) -> None:
        effect(job)
        if job.subject == "a":
            Job.objects.filter(subject="a").update(lease_token=99)  # as if claimed by another, after a long pause

    lane(apply, chunk=2).drain_once()
    assert effects() == {"b"}
    assert states()["b"] == "done"


# ── rows that kill their worker ──────────────────────────────────────────────────────────────────────────────────
def crash_until_quiet(one: WorkQueue, most: int = 100) -> int:
    """Drain as beat would, with a new worker whenever one died and its leases ran out. Returns how many died."""
    deaths = 0
    for _ in range(most):
        make_due()
        try:
            if one.drain_once() == 0:
                return deaths
        except Died:
            deaths += 1
    raise AssertionError(f"still not quiet after {most} drains: {states()}")


# spec: W4 W5
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("chunk", [1, 20])
@pytest.mark.parametrize("poison", ["row 0", "row 11", "row 19"])
def test_a_row_that_always_kills_its_worker_ends_dead_and_the_others_done(chunk, poison):
    rows(*(f"row {n}" for n in range(20)))

    def apply(job: Job) -> None:
        effect(job)
        if job.subject == poison:
            raise Died

    deaths = crash_until_quiet(lane(apply, chunk=chunk, schedule=Exact((0, 0))))
    good = {f"row {n}" for n in range(20)} - {poison}
    assert states() == {**dict.fromkeys(good, "done"), poison: "dead"}
    assert effects() == good
    assert "a worker died over it, 3 times" in Job.objects.get(subject=poison).error_message
    assert deaths == 1 + 3  # in company, then alone as often as there are tries


# spec: W4 W5
@pytest.mark.django_db(transaction=True)
def test_two_rows_that_kill_their_workers_do_not_hide_behind_each_other():
    rows(*(f"row {n}" for n in range(6)))

    def apply(job: Job) -> None:
        if job.subject in ("row 1", "row 4"):
            raise Died

    crash_until_quiet(lane(apply, chunk=6, schedule=Exact((0, 0))))
    assert [subject for subject, state in sorted(states().items()) if state == "dead"] == ["row 1", "row 4"]


# spec: W4 W5
@pytest.mark.django_db(transaction=True)
def test_workers_that_die_by_chance_bury_nobody():
    """The rows share a batch with far more deaths than they have tries."""
    rows(*(f"row {n}" for n in range(30)))
    calls = iter(range(1000))

    def apply(job: Job) -> None:
        effect(job)
        if next(calls) % 3 == 2:  # each worker survives two rows, whichever they are
            raise Died

    deaths = crash_until_quiet(lane(apply, schedule=Exact((0, 0, 0))))
    assert set(states().values()) == {"done"}
    assert len(effects()) == 30
    assert deaths == 14


# spec: W4 W5
@pytest.mark.django_db(transaction=True)
def test_a_call_that_kills_its_worker_ends_as_given_up_and_the_others_done():
    rows(*(f"row {n}" for n in range(12)))
    given_up = []

    def call(job: Job) -> str:
        if job.subject == "row 5":
            raise Died
        return job.subject

    one = CallQueue(
        name="test-poison",
        model=Job,
        call=call,
        apply=lambda job, answer: effect(job),
        on_give_up=lambda job, error: given_up.append(job.subject),
        schedule=Exact((0, 0)),
        threads=4,
    )
    crash_until_quiet(one)
    assert given_up == ["row 5"]
    assert states() == {**{f"row {n}": "done" for n in range(12)}, "row 5": "dead"}


# ── draining ─────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.django_db(transaction=True)
def test_a_drain_works_until_its_time_is_over_and_finds_what_comes_meanwhile():
    rows("early")

    def come_late() -> None:
        rows("late")
        connection.close()

    later = threading.Timer(0.15, come_late)
    later.start()
    claimed = work_queues.drain_queue(lane(effect, poll_s=0.01), seconds=0.5)
    later.join()
    assert claimed == 2
    assert effects() == {"early", "late"}


# spec: W5
def test_a_database_that_goes_away_costs_one_drain_nothing_more(monkeypatch):
    rows("a")

    def gone(self) -> int:
        raise DatabaseError("the server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr(WorkQueue, "drain_once", gone)
        patch.setattr(connection, "close", lambda: None)
        assert work_queues.drain_queue(lane(effect), seconds=0.2) == 0
    assert lane(effect).drain_once() == 1
