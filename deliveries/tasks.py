"""The lanes of this room: drained once a second each (config/schedule.py)."""

from deliveries import announcing, offers, requesting, searching
from deliveries.models import Delivery, Offer
from foundation.lanes import Lane
from foundation.work import Backoff

# A customer waits: tried often, and dead (which ops is told of) only after a quarter of an hour of failing.
PATIENT = Backoff(first_s=0.5, cap_s=30, tries=40)

LANES: list[Lane] = [
    Lane(name="dispatch", model=Delivery, apply=searching.look, batch=20, lease_s=15, poll_s=0.05, schedule=PATIENT),
    Lane(name="offers", model=Offer, apply=offers.expire, batch=20, lease_s=15, poll_s=0.05, schedule=PATIENT),
    requesting.LANE,
    announcing.LANE,
]
