"""The lanes of this room: drained once a second each (config/schedule.py)."""

from foundation.lanes import Lane
from webhooks import processing

LANES: list[Lane] = [processing.LANE]
