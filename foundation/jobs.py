"""Jobs: reactions and deadlines as rows.

A handler is a function of a room's `reactions` module, registered under a name "room.verb" that stands in the rows; it
takes the subject's id. Handlers are level-triggered: they read what is true now and make their own room agree with it.
They promise nothing about order, and running one twice changes nothing.

A name stands in rows that wait in production, for hours or days: who renames a handler keeps the old name as an alias.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cache

from django.db import IntegrityError, connection, transaction
from django.utils.module_loading import autodiscover_modules

from foundation.models import Job
from foundation.work import Backoff, LostLease, Release, WorkState
from foundation.work_queues import WorkQueue

DEPLOY_WAIT_S = 5.0
Handler = Callable[[int], str | None]
HANDLERS: dict[str, Handler] = {}
NAMES_IN_USE: set[str] = set()


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


def job_handler(name: str, *aliases: str) -> Callable[[Handler], Handler]:
    """Decorator: register the function under `name` ("orders.remind_store"); `aliases` are names that it had before.

    Raises ValueError for a name that another function has.
    """

    def register(function: Handler) -> Handler:
        for one in (name, *aliases):
            if HANDLERS.setdefault(one, function) is not function:
                raise ValueError(f"two handlers are called {one}")
        return function

    return register


def handler_name(name: str) -> str:
    """Say that jobs of this name are enqueued somewhere; returns it. A system check holds that it has a handler."""
    NAMES_IN_USE.add(name)
    return name


@cache
def load_handlers() -> None:
    """Import every room's `reactions` module, once per process: importing registers its handlers."""
    autodiscover_modules("reactions")


def resolve_handler(name: str) -> Handler:
    """The function behind a handler's name. Raises LookupError for one that this process does not know."""
    load_handlers()
    try:
        return HANDLERS[name]
    except KeyError:
        raise LookupError(f"no handler {name}") from None


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
