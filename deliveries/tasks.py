"""The work queues of this room: drained once a second each (config/schedule.py)."""

from deliveries.couriers import calls
from deliveries.dispatch import search
from deliveries.fulfilment import offers
from deliveries.models import Delivery, Offer
from deliveries.realtime import publisher
from foundation.work import Backoff
from foundation.work_queues import WorkQueue

# A customer waits: tried often, and dead (which ops is told of) only after a quarter of an hour of failing.
PATIENT = Backoff(first_s=0.5, cap_s=30, tries=40)

QUEUES: list[WorkQueue] = [
    WorkQueue(
        name="dispatch", model=Delivery, apply=search.run_search, batch=20, lease_s=15, poll_s=0.05, schedule=PATIENT
    ),
    WorkQueue(
        name="offers", model=Offer, apply=offers.expire_offer, batch=20, lease_s=15, poll_s=0.05, schedule=PATIENT
    ),
    calls.QUEUE,
    publisher.QUEUE,
]
