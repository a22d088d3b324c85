"""Jobs: reactions and deadlines as rows.

A handler is named "room.verb" and is the function `verb` of that room's `reactions` module; it takes the subject's id.
Handlers are level-triggered: they read what is true now and make their own room agree with it. They promise nothing
about order, and running one twice changes nothing.
"""

from collections.abc import Callable
from datetime import datetime
from importlib import import_module

from django.db import IntegrityError, connection, transaction

from foundation.models import Job
from foundation.work import Backoff, LostLease, Release, WorkState
from foundation.work_queues import WorkQueue

DEPLOY_WAIT_S = 5.0


def enqueue_job(handler: str, subject: str, *, due_at: datetime | None = None, in_s: float = 0.0) -> None:
    """Make sure that `handler` looks at `subject` ("order:42") by then: at `due_at`, or `in_s` seconds from now.

    At most one pending job exists for the pair: the earlier time wins. A job that runs right now does not count, since
    it may have read the world before the caller's change.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO foundation_job (handler, subject, state, due_at, created_at)
            VALUES (%s, %s, 'pending', coalesce(%s, clock_timestamp() + make_interval(secs => %s)), clock_timestamp())
            ON CONFLICT (handler, subject) WHERE state = 'pending'
            DO UPDATE SET due_at = least(foundation_job.due_at, excluded.due_at)
            """,
            [handler, subject, due_at, in_s],
        )


def resolve_handler(handler: str) -> Callable[[int], str | None]:
    """The function behind a handler's name. Raises LookupError for one that this process does not know."""
    room, _, verb = handler.partition(".")
    try:
        reactions = import_module(f"{room}.reactions")
    except ModuleNotFoundError as error:
        if error.name not in (room, f"{room}.reactions"):
            raise  # the module is there, something that it imports is not: a mistake, not a newer release
        raise LookupError(f"no room for {handler}") from error
    if not hasattr(reactions, verb):
        raise LookupError(f"no handler {handler}")
    return getattr(reactions, verb)


def run_job(job: Job) -> str | None:
    """Run one job. A name unknown here may be known to the next deploy: released, never killed."""
    try:
        handler = resolve_handler(job.handler)
    except LookupError as error:
        raise Release(DEPLOY_WAIT_S, str(error)) from error
    return handler(subject_id(job.subject))


def subject_id(subject: str) -> int:
    return int(subject.partition(":")[2])


class JobQueue(WorkQueue):
    """Retrying a job whose pair is pending again would break "one pending job": the newer one takes over."""

    def record_failure(self, item: Job, error: Exception) -> None:  # type: ignore[override]
        if isinstance(error, LostLease):
            super().record_failure(item, error)
            return
        newer = Job.objects.filter(handler=item.handler, subject=item.subject, state=WorkState.PENDING)
        try:
            with transaction.atomic():
                if newer.exclude(pk=item.pk).exists():
                    Job.finish_rows([(item, WorkState.DONE)])
                else:
                    super().record_failure(item, error)
        except IntegrityError:  # the newer one came between the look and the retry
            self.record_failure(item, error)
        except LostLease as lost:
            super().record_failure(item, lost)


QUEUE = JobQueue(
    name="jobs", model=Job, apply=run_job, batch=50, poll_s=0.03, schedule=Backoff(first_s=1, cap_s=300, tries=15)
)
