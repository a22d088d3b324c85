"""Jobs: reactions and deadlines as rows.

A handler is named "room.verb" and is the function `verb` of that room's `reactions` module; it takes the subject's id.
Handlers are level-triggered: they read what is true now and make their own room agree with it. They promise nothing
about order, and running one twice changes nothing.
"""

from collections.abc import Callable
from datetime import datetime
from importlib import import_module

from django.db import IntegrityError, connection, transaction

from foundation.lanes import Lane
from foundation.models import Job
from foundation.work import Backoff, LostLease, Release, WorkState

DEPLOY_WAIT_S = 5.0


def enqueue(handler: str, subject: str, *, due_at: datetime | None = None, in_s: float = 0.0) -> None:
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


def resolve(handler: str) -> Callable[[int], str | None]:
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


def run(job: Job) -> str | None:
    """Run one job. A name unknown here may be known to the next deploy: released, never killed."""
    try:
        handler = resolve(job.handler)
    except LookupError as error:
        raise Release(DEPLOY_WAIT_S, str(error)) from error
    return handler(subject_id(job.subject))


def subject_id(subject: str) -> int:
    return int(subject.partition(":")[2])


class JobLane(Lane):
    """Retrying a job whose pair is pending again would break "one pending job": the newer one takes over."""

    def failed(self, item: Job, error: Exception) -> None:  # type: ignore[override]
        if isinstance(error, LostLease):
            super().failed(item, error)
            return
        newer = Job.objects.filter(handler=item.handler, subject=item.subject, state=WorkState.PENDING)
        try:
            with transaction.atomic():
                if newer.exclude(pk=item.pk).exists():
                    Job.finish([(item, WorkState.DONE)])
                else:
                    super().failed(item, error)
        except IntegrityError:  # the newer one came between the look and the retry
            self.failed(item, error)
        except LostLease as lost:
            super().failed(item, lost)


LANE = JobLane(
    name="jobs", model=Job, apply=run, batch=50, poll_s=0.03, schedule=Backoff(first_s=1, cap_s=300, tries=15)
)
