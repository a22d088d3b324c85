"""The work queues of this room: drained once a second each (config/schedule.py).

What somebody has seconds to act on has a work queue of its own: mails that hang at their provider never delay an offer.
"""

from dataclasses import replace

from foundation.work import Backoff, Exact
from foundation.work_queues import CallQueue, WorkQueue
from notifications import masked_calls
from notifications.models import Message, PhoneCall
from notifications.outbox import delivery

ORDINARY = CallQueue(
    name="messages",
    model=Message,
    only={"urgent": False},
    call=delivery.send_message,
    apply=delivery.record_outcome,
    on_give_up=delivery.give_up,
    batch=64,
    threads=16,
    lease_s=180.0,  # a batch is four times the threads, and a ladder may wait for three time-outs
    schedule=Backoff(first_s=1, cap_s=600, tries=12),
)
URGENT = replace(ORDINARY, name="urgent messages", only={"urgent": True}, threads=8, batch=8, poll_s=0.02)
PHONE_CALLS = CallQueue(
    name="phone calls",
    model=PhoneCall,
    call=masked_calls.place_call,
    apply=masked_calls.record_outcome,
    on_give_up=masked_calls.give_up,
    batch=8,
    threads=4,
    schedule=Exact((2.0, 5.0, 10.0)),
)
QUEUES: list[WorkQueue] = [URGENT, ORDINARY, PHONE_CALLS]
