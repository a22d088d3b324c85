"""The work queues of this room: drained once a second each (config/schedule.py)."""

from foundation.work_queues import WorkQueue
from payouts.runs import transfers

QUEUES: list[WorkQueue] = [transfers.QUEUE]
