"""The lanes of this room: drained once a second each (config/schedule.py)."""

from foundation.lanes import CallLane, Lane
from foundation.work import Backoff, Exact
from notifications import calls, sending
from notifications.models import Message, PhoneCall

LANES: list[Lane] = [
    CallLane(
        name="messages",
        model=Message,
        call=sending.carry,
        apply=sending.record,
        given_up=sending.give_up,
        batch=32,
        threads=8,
        lease_s=180.0,  # a batch is four times the threads, and a ladder may wait for three time-outs
        schedule=Backoff(first_s=1, cap_s=600, tries=12),
    ),
    CallLane(
        name="phone calls",
        model=PhoneCall,
        call=calls.carry,
        apply=calls.record,
        given_up=calls.give_up,
        batch=8,
        threads=4,
        schedule=Exact((2.0, 5.0, 10.0)),
    ),
]
