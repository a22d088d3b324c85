"""Whom to offer a delivery, or which company to ask, and why (SPEC D1, D4, C7). Pure: a snapshot in, a plan out;
search.py loads and writes.

Every rider of the snapshot comes back with a verdict, so that "why not Ravi?" has an answer.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from deliveries.dispatch import carrier_choice
from deliveries.dispatch.carrier_choice import CarrierChoice, CarrierOption, CarrierPolicy, ScoredOption
from deliveries.dispatch.policy import DispatchPolicy
from deliveries.models import IN_HOUSE
from riders.lifecycle import RiderStatus
from riders.nearest import Candidate


class RiderEligibility(StrEnum):
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


class PlanAction(StrEnum):
    OFFER = "offer"
    ASK = "ask"
    REQUEST = "request"
    WAIT = "wait"


@dataclass(frozen=True)
class DispatchSnapshot:
    """The world around one searching delivery at one moment.

    `riders`: the best free ones and those around, by distance to the store. `turned_down`: how the riders answered who
    had this delivery before them (REJECTED, EXPIRED, GAVE_UP). `rounds`: how many looks found nobody.
    """

    riders: tuple[Candidate, ...]
    turned_down: Mapping[int, RiderEligibility]
    rounds: int
    searching_since: datetime
    alerted_at: datetime | None = None
    carrier_policy: CarrierPolicy = field(default_factory=CarrierPolicy)
    couriers: tuple[CarrierOption, ...] = ()


@dataclass(frozen=True)
class ScoredRider:
    rider: Candidate
    verdict: RiderEligibility
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
class DispatchPlan:
    """What to do now. OFFER: to the first of `preferred_riders` who still has a place. ASK the companies `ask` for
    quotes and look again in `wait_s`. REQUEST: have `option.courier` carry it. WAIT: look again in `wait_s`, a round
    later; `alert`: tell ops as well.

    `assessed`: candidates, best first, then those passed over, nearest first; `weighed`: the courier companies.
    """

    action: PlanAction
    radius_m: int
    reason: str
    assessed: tuple[ScoredRider, ...]
    wait_s: float = 0.0
    alert: bool = False
    ask: tuple[str, ...] = ()
    option: CarrierOption | None = None
    weighed: tuple[ScoredOption, ...] = ()

    @property
    def preferred_riders(self) -> list[int]:
        return [one.rider.rider_id for one in self.assessed if one.verdict == RiderEligibility.CANDIDATE]

    @property
    def exclusion_counts(self) -> dict[str, int]:
        return dict(Counter(one.verdict.value for one in self.assessed if one.verdict != RiderEligibility.CANDIDATE))


def decide_plan(snapshot: DispatchSnapshot, policy: DispatchPolicy, now: datetime) -> DispatchPlan:
    """The plan for one delivery."""
    radius_m = policy.radius_m(snapshot.rounds)
    assessed = sorted(
        (_score_rider(rider, snapshot, policy, radius_m, now) for rider in snapshot.riders), key=_best_candidates_first
    )
    candidates = [one for one in assessed if one.verdict == RiderEligibility.CANDIDATE]
    looked_for = now - snapshot.searching_since
    choice = carrier_choice.choose_carrier(
        snapshot.carrier_policy,
        snapshot.couriers,
        policy,
        now,
        riders=bool(candidates),
        riders_patience=radius_m < policy.max_radius_m or looked_for < timedelta(seconds=policy.courier_after_s),
    )
    if choice.carrier == IN_HOUSE:
        best = candidates[0].rider
        reason = f"{best.name} is best of {len(candidates)}: {best.load} under way, {best.distance_m:.0f} m away"
        return DispatchPlan(PlanAction.OFFER, radius_m, reason, tuple(assessed), weighed=choice.weighed)
    if choice.option is not None:
        return DispatchPlan(
            PlanAction.REQUEST, radius_m, choice.reason, tuple(assessed), option=choice.option, weighed=choice.weighed
        )
    return _plan_waiting(snapshot, policy, now, radius_m, tuple(assessed), choice)


def _plan_waiting(
    snapshot: DispatchSnapshot,
    policy: DispatchPolicy,
    now: datetime,
    radius_m: int,
    assessed: tuple[ScoredRider, ...],
    choice: CarrierChoice,
) -> DispatchPlan:
    """Nobody can be asked: widen while there is more to see, then look again and again, and keep ops informed."""
    widest = radius_m >= policy.max_radius_m
    unheard_for = now - (snapshot.alerted_at or snapshot.searching_since)
    alert = widest and unheard_for >= timedelta(seconds=policy.alert_after_s)
    reason = f"nobody within {radius_m / 1000:.1f} km; {choice.reason if snapshot.couriers else 'no courier company'}"
    for_riders_s = policy.retry_wait_s if widest else policy.widen_wait_s
    wait_s = policy.quote_wait_s if choice.waits_for_quotes else for_riders_s
    action = PlanAction.ASK if choice.ask else PlanAction.WAIT
    return DispatchPlan(
        action, radius_m, reason, assessed, wait_s=wait_s, alert=alert, ask=choice.ask, weighed=choice.weighed
    )


def _score_rider(
    rider: Candidate, snapshot: DispatchSnapshot, policy: DispatchPolicy, radius_m: int, now: datetime
) -> ScoredRider:
    verdict = _judge_rider(rider, snapshot.turned_down.get(rider.rider_id), policy, radius_m, now)
    return ScoredRider(rider, verdict, policy.score_rider(rider.load, rider.distance_m))


def _judge_rider(
    rider: Candidate, answered: RiderEligibility | None, policy: DispatchPolicy, radius_m: int, now: datetime
) -> RiderEligibility:
    checks = (
        (answered is not None, answered or RiderEligibility.CANDIDATE),
        (rider.standing == RiderStatus.SUSPENDED, RiderEligibility.SUSPENDED),
        (rider.standing != RiderStatus.VERIFIED, RiderEligibility.NOT_VERIFIED),
        (not rider.is_online, RiderEligibility.OFFLINE),
        (rider.seen_at < now - timedelta(seconds=policy.fresh_s), RiderEligibility.STALE_POSITION),
        (rider.load >= rider.max_concurrent, RiderEligibility.FULL),
        (rider.distance_m > radius_m, RiderEligibility.OUT_OF_RANGE),
    )
    return next((verdict for applies, verdict in checks if applies), RiderEligibility.CANDIDATE)


def _best_candidates_first(one: ScoredRider) -> tuple[bool, float, int]:
    passed_over = one.verdict != RiderEligibility.CANDIDATE
    return passed_over, one.rider.distance_m if passed_over else one.score, one.rider.rider_id
