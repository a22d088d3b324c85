"""The lanes of this room: drained once a second each (config/schedule.py)."""

from foundation.lanes import Lane
from payouts import transfers

LANES: list[Lane] = [transfers.LANE]
