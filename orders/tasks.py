"""The work queues of this room: drained once a second each (config/schedule.py)."""

from foundation.work_queues import WorkQueue
from orders import payment_intents, refunds
from orders.pos import outbox

QUEUES: list[WorkQueue] = [outbox.QUEUE, refunds.QUEUE, payment_intents.QUEUE]
