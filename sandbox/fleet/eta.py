"""Where a driver is and when what will happen, by the straight line and a courier's speed.

Everything a company does takes its time divided by the speed of its pace. When goods are ready is not its doing: that
time is everybody's, and nothing is picked up before it.
"""

from __future__ import annotations

import math

from sandbox.fleet import geocoding
from sandbox.fleet.geocoding import Point
from sandbox.fleet.jobs import Job
from sandbox.fleet.stages import FOLLOWING, Stage

COURIER_M_S = 5.5  # 20 km/h, traffic lights included
SEARCH_S = 30.0
SHORTEST_DRIVE_S = 30.0
STAYS_S = {
    Stage.WAITING: SEARCH_S,
    Stage.ASSIGNED: 15.0,
    Stage.AT_PICKUP: 60.0,
    Stage.PICKED_UP: 20.0,
    Stage.AT_DROPOFF: 60.0,
    Stage.AT_RETURN: 30.0,
}


def stay_s(job: Job, stage: Stage) -> float:
    """How long a job is in a stage, in seconds of the company's day."""
    if stage is Stage.TO_PICKUP:
        return _drive_s(job["start"] or job["pickup"], job["pickup"])
    if stage in (Stage.TO_DROPOFF, Stage.RETURNING):
        return _drive_s(job["pickup"], job["dropoff"])
    return STAYS_S[stage]


def expected_times(job: Job, speed: float, now: float) -> dict[Stage, float]:
    """When each stage that lies ahead is reached; the next one may be overdue."""
    stage, at = Stage(job["stage"]), job["history"][-1]["at"] if job["history"] else now
    ahead: dict[Stage, float] = {}
    while stage in FOLLOWING:
        at += stay_s(job, stage) / speed
        stage = FOLLOWING[stage]
        if stage is Stage.PICKED_UP and job["ready_at"] is not None:
            at = max(at, job["ready_at"])
        if not ahead:
            at = max(at, now)
        ahead[stage] = at
    return ahead


def minutes_until(at: float | None, now: float) -> int:
    return 0 if at is None else max(0, math.ceil((at - now) / 60))


def expected_position(job: Job, speed: float, now: float) -> Point | None:
    """Where the driver is; None before there is one."""
    if job["driver"] is None:
        return None
    stage = Stage(job["stage"])
    way = {
        Stage.TO_PICKUP: (job["start"], job["pickup"]),
        Stage.TO_DROPOFF: (job["pickup"], job["dropoff"]),
        Stage.RETURNING: (job["dropoff"], job["pickup"]),
    }.get(stage)
    if way is not None:
        driven = (now - job["history"][-1]["at"]) * speed / stay_s(job, stage)
        return geocoding.point_between(*way, min(1.0, max(0.0, driven)))
    if stage in (Stage.AT_DROPOFF, Stage.DELIVERED, Stage.FAILED):
        there: Point = job["dropoff"]
        return there
    here: Point = job["start"] if stage is Stage.ASSIGNED else job["pickup"]
    return here


def _drive_s(a: Point, b: Point) -> float:
    return max(SHORTEST_DRIVE_S, geocoding.distance_m(a, b) / COURIER_M_S)
