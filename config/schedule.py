"""The schedule: every work queue that is drained, and everything that happens at a time of day.

This is data. `manage.py install_schedule` puts it into django-celery-beat: what is missing is added, what ops edited
there (times, on or off) is kept, what left this page is removed.
"""

from dataclasses import dataclass, field
from typing import Any

import deliveries.tasks
import notifications.tasks
import orders.tasks
import payouts.tasks
import riders.tasks
import webhooks.tasks
from foundation import jobs
from foundation.work_queues import WorkQueue

WORK_QUEUES: list[WorkQueue] = [
    jobs.QUEUE,
    *webhooks.tasks.QUEUES,
    *deliveries.tasks.QUEUES,
    *riders.tasks.QUEUES,
    *orders.tasks.QUEUES,
    *notifications.tasks.QUEUES,
    *payouts.tasks.QUEUES,
]


@dataclass(frozen=True)
class Periodic:
    """One line of the schedule: every `every_s` seconds, or at `cron` (minute hour day month weekday, UTC).

    `expires_s`: a message that waited longer is dropped by the worker, since the next one is on its way.
    """

    name: str
    task: str
    every_s: int | None = None
    cron: str | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    expires_s: int | None = None


PERIODIC: list[Periodic] = [
    *(
        Periodic(f"drain {queue.name}", "foundation.drain_queue", every_s=1, kwargs={"queue": queue.name}, expires_s=1)
        for queue in WORK_QUEUES
    ),
    Periodic("watch the work queues", "ops.watch_queues", every_s=30, expires_s=30),
    Periodic("watch the providers", "ops.watch_providers", every_s=60, expires_s=60),
    Periodic("watch for stuck work", "ops.watch_stuck_work", every_s=60, expires_s=60),
    Periodic("watch from outside", "ops.watch_from_outside", every_s=60, expires_s=60),
    Periodic("tell ops", "ops.alert_ops", every_s=5, expires_s=5),
    Periodic("take silent riders offline", "ops.retire_silent_riders", every_s=60, expires_s=60),
    Periodic("watch the promises", "ops.watch_promises", every_s=15, expires_s=15),
    Periodic("ask about silent courier jobs", "ops.poll_couriers", every_s=30, expires_s=30),
    Periodic("pay the stores", "ops.pay_stores", cron="0 2 * * *"),
    Periodic("watch the courier invoices", "ops.watch_courier_invoices", cron="30 2 * * *"),
    Periodic("learn preparation times", "ops.learn_preparation_times", cron="15 3 * * *"),
    Periodic("learn travel speeds", "ops.learn_speeds", cron="30 3 * * *"),
    Periodic("audit the ledger", "ops.audit_ledger", cron="0 3 * * *"),
    Periodic("forget old rows", "ops.forget_old_rows", cron="0 4 * * *"),
]
