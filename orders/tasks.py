"""The lanes of this room: drained once a second each (config/schedule.py)."""

from foundation.lanes import Lane
from orders import intents, pos_lane, refunds

LANES: list[Lane] = [pos_lane.LANE, refunds.LANE, intents.LANE]
