"""Whom to offer a delivery, or which company to ask, and why (SPEC D1, D4, C7). Pure: a snapshot in, a plan out;
searching.py loads and writes.

Every rider of the snapshot comes back with a verdict, so that "why not Ravi?" has an answer.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from deliveries import choosing
from deliveries.choosing import Carriage, Choice, Option, Weighed
from deliveries.models import IN_HOUSE
from deliveries.policy import DispatchPolicy
from riders.lifecycle import Standing
from riders.nearest import Candidate


class Verdict(StrEnum):
    """What dispatch thinks of a rider: a candidate, or the first reason why not."""

    CANDIDATE = "candidate"
    REJECTED = "rejected"  # this delivery, before
    EXPIRED = "expired"  # let the offer of this delivery run out
    GAVE_UP = "gave_up"  # accepted this delivery, and does not carry it after all
    SUSPENDED = "suspended"
    NOT_VERIFIED = "not_verified"
    OFFLINE = "offline"
    STALE_POSITION = "stale_position"
    FULL = "full"
    OUT_OF_RANGE = "out_of_range"


class Action(StrEnum):
    OFFER = "offer"
    ASK = "ask"
    REQUEST = "request"
    WAIT = "wait"


@dataclass(frozen=True)
class Snapshot:
    """The world around one searching delivery at one moment.

    `riders`: the best free ones and those around, by distance to the store. `turned_down`: how the riders answered who
    had this delivery before them (REJECTED, EXPIRED, GAVE_UP). `rounds`: how many looks found nobody.
    """

    riders: tuple[Candidate, ...]
    turned_down: Mapping[int, Verdict]
    rounds: int
    searching_since: datetime
    alerted_at: datetime | None = None
    carriage: Carriage = field(default_factory=Carriage)
    couriers: tuple[Option, ...] = ()


@dataclass(frozen=True)
class Assessed:
    rider: Candidate
    verdict: Verdict
    score: float

    def as_json(self) -> dict[str, Any]:
        return {
            "rider": self.rider.rider_id,
            "name": self.rider.name,
            "distance_m": round(self.rider.distance_m),
            "load": self.rider.load,
            "score": round(self.score),
            "verdict": self.verdict.value,
        }


@dataclass(frozen=True)
class Plan:
    """What to do now. OFFER: to the first of `preference` who still has a place. ASK the companies `ask` for quotes and
    look again in `wait_s`. REQUEST: have `option.courier` carry it. WAIT: look again in `wait_s`, a round later;
    `alert`: tell ops as well.

    `assessed`: candidates, best first, then those passed over, nearest first; `weighed`: the courier companies.
    """

    action: Action
    radius_m: int
    reason: str
    assessed: tuple[Assessed, ...]
    wait_s: float = 0.0
    alert: bool = False
    ask: tuple[str, ...] = ()
    option: Option | None = None
    weighed: tuple[Weighed, ...] = ()

    @property
    def preference(self) -> list[int]:
        return [one.rider.rider_id for one in self.assessed if one.verdict == Verdict.CANDIDATE]

    @property
    def exclusions(self) -> dict[str, int]:
        return dict(Counter(one.verdict.value for one in self.assessed if one.verdict != Verdict.CANDIDATE))


def decide(snapshot: Snapshot, policy: DispatchPolicy, now: datetime) -> Plan:
    """The plan for one delivery."""
    radius_m = policy.radius_m(snapshot.rounds)
    assessed = sorted(
        (_assess(rider, snapshot, policy, radius_m, now) for rider in snapshot.riders), key=_best_candidates_first
    )
    candidates = [one for one in assessed if one.verdict == Verdict.CANDIDATE]
    looked_for = now - snapshot.searching_since
    choice = choosing.choose(
        snapshot.carriage,
        snapshot.couriers,
        policy,
        now,
        riders=bool(candidates),
        riders_patience=radius_m < policy.max_radius_m or looked_for < timedelta(seconds=policy.courier_after_s),
    )
    if choice.carrier == IN_HOUSE:
        best = candidates[0].rider
        reason = f"{best.name} is best of {len(candidates)}: {best.load} under way, {best.distance_m:.0f} m away"
        return Plan(Action.OFFER, radius_m, reason, tuple(assessed), weighed=choice.weighed)
    if choice.option is not None:
        return Plan(
            Action.REQUEST, radius_m, choice.reason, tuple(assessed), option=choice.option, weighed=choice.weighed
        )
    return _wait(snapshot, policy, now, radius_m, tuple(assessed), choice)


def _wait(
    snapshot: Snapshot,
    policy: DispatchPolicy,
    now: datetime,
    radius_m: int,
    assessed: tuple[Assessed, ...],
    choice: Choice,
) -> Plan:
    """Nobody can be asked: widen while there is more to see, then look again and again, and keep ops informed."""
    widest = radius_m >= policy.max_radius_m
    unheard_for = now - (snapshot.alerted_at or snapshot.searching_since)
    alert = widest and unheard_for >= timedelta(seconds=policy.alert_after_s)
    reason = f"nobody within {radius_m / 1000:.1f} km; {choice.reason if snapshot.couriers else 'no courier company'}"
    for_riders_s = policy.retry_wait_s if widest else policy.widen_wait_s
    wait_s = policy.quote_wait_s if choice.waits_for_quotes else for_riders_s
    action = Action.ASK if choice.ask else Action.WAIT
    return Plan(action, radius_m, reason, assessed, wait_s=wait_s, alert=alert, ask=choice.ask, weighed=choice.weighed)


def _assess(rider: Candidate, snapshot: Snapshot, policy: DispatchPolicy, radius_m: int, now: datetime) -> Assessed:
    verdict = _verdict(rider, snapshot.turned_down.get(rider.rider_id), policy, radius_m, now)
    return Assessed(rider, verdict, policy.score(rider.load, rider.distance_m))


def _verdict(
    rider: Candidate, answered: Verdict | None, policy: DispatchPolicy, radius_m: int, now: datetime
) -> Verdict:
    checks = (
        (answered is not None, answered or Verdict.CANDIDATE),
        (rider.standing == Standing.SUSPENDED, Verdict.SUSPENDED),
        (rider.standing != Standing.VERIFIED, Verdict.NOT_VERIFIED),
        (not rider.is_online, Verdict.OFFLINE),
        (rider.seen_at < now - timedelta(seconds=policy.fresh_s), Verdict.STALE_POSITION),
        (rider.load >= rider.max_concurrent, Verdict.FULL),
        (rider.distance_m > radius_m, Verdict.OUT_OF_RANGE),
    )
    return next((verdict for applies, verdict in checks if applies), Verdict.CANDIDATE)


def _best_candidates_first(one: Assessed) -> tuple[bool, float, int]:
    passed_over = one.verdict != Verdict.CANDIDATE
    return passed_over, one.rider.distance_m if passed_over else one.score, one.rider.rider_id
