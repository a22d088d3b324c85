"""`decide` on any snapshot: what dispatch promises holds whatever the city looks like."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from deliveries.dispatch.decision import DispatchSnapshot, PlanAction, RiderEligibility, decide_plan
from deliveries.dispatch.policy import DispatchPolicy
from foundation.geo import Point
from riders.lifecycle import RiderStatus
from riders.nearest import Candidate

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = DispatchPolicy()


def riders() -> st.SearchStrategy[tuple[Candidate, ...]]:
    one = st.builds(
        Candidate,
        rider_id=st.integers(1, 40),
        name=st.just("Somebody"),
        point=st.just(Point(0.0, 0.0)),
        seen_at=st.integers(0, 300).map(lambda age_s: NOW - timedelta(seconds=age_s)),
        load=st.integers(0, 4),
        max_concurrent=st.integers(1, 4),
        is_online=st.sampled_from([True, True, True, False]),
        standing=st.sampled_from(
            [RiderStatus.VERIFIED, RiderStatus.VERIFIED, RiderStatus.SUSPENDED, RiderStatus.APPLIED]
        ),
        distance_m=st.integers(0, 20_000).map(float),
    )
    return st.lists(one, max_size=25, unique_by=lambda rider: rider.rider_id).map(tuple)


answers = st.dictionaries(
    st.integers(1, 40),
    st.sampled_from([RiderEligibility.REJECTED, RiderEligibility.EXPIRED, RiderEligibility.GAVE_UP]),
    max_size=10,
)
waited = st.integers(0, 3_600).map(lambda seconds: NOW - timedelta(seconds=seconds))
snapshots = st.builds(
    DispatchSnapshot,
    riders=riders(),
    turned_down=answers,
    rounds=st.integers(0, 100),
    searching_since=waited,
    alerted_at=st.none() | waited,
    couriers=st.just(()),
)
policies = st.builds(
    DispatchPolicy,
    first_radius_m=st.integers(1, 5_000),
    max_radius_m=st.integers(5_000, 20_000),
    widen_factor=st.floats(1.0, 5.0),
    load_weight_m=st.sampled_from([0, 800, 1_000_000]),
)


def may_carry(rider: Candidate, snapshot: DispatchSnapshot, radius_m: int) -> bool:
    """SPEC D1, said once more and in other words."""
    return (
        rider.is_online
        and rider.standing == "verified"
        and rider.load < rider.max_concurrent
        and (NOW - rider.seen_at).total_seconds() <= POLICY.fresh_s
        and rider.rider_id not in snapshot.turned_down
        and rider.distance_m <= radius_m
    )


# spec: D1
@given(snapshots)
def test_exactly_those_who_may_carry_it_are_preferred_fewest_under_way_first_then_nearest(snapshot: DispatchSnapshot):
    plan = decide_plan(snapshot, POLICY, NOW)
    fit = [rider for rider in snapshot.riders if may_carry(rider, snapshot, plan.radius_m)]
    by_the_contract = sorted(fit, key=lambda rider: (rider.load, rider.distance_m, rider.rider_id))
    assert plan.preferred_riders == [rider.rider_id for rider in by_the_contract]
    assert (plan.action == PlanAction.OFFER) == bool(fit)


# spec: D1
@given(snapshots, policies)
def test_every_rider_gets_one_verdict_and_every_plan_a_reason(snapshot: DispatchSnapshot, policy: DispatchPolicy):
    plan = decide_plan(snapshot, policy, NOW)
    assert sorted(one.rider.rider_id for one in plan.assessed) == sorted(rider.rider_id for rider in snapshot.riders)
    assert len(plan.preferred_riders) + sum(plan.exclusion_counts.values()) == len(snapshot.riders)
    assert plan.reason
    assert RiderEligibility.CANDIDATE.value not in plan.exclusion_counts


# spec: D1
@given(snapshots, st.randoms())
def test_the_order_in_which_riders_are_read_plays_no_part(snapshot: DispatchSnapshot, dice):
    shuffled = list(snapshot.riders)
    dice.shuffle(shuffled)
    again = replace(snapshot, riders=tuple(shuffled))
    assert decide_plan(again, POLICY, NOW) == decide_plan(snapshot, POLICY, NOW)


# spec: D4
@given(snapshots, policies)
def test_a_plan_without_an_offer_always_looks_again_and_never_leaves_ops_unaware(
    snapshot: DispatchSnapshot, policy: DispatchPolicy
):
    plan = decide_plan(snapshot, policy, NOW)
    if plan.action == PlanAction.OFFER:
        assert not plan.alert
        return
    assert 0 < plan.wait_s <= policy.retry_wait_s
    told = snapshot.alerted_at or snapshot.searching_since
    long = (NOW - told).total_seconds() >= policy.alert_after_s
    assert plan.alert == (long and plan.radius_m == policy.max_radius_m)


# spec: D4
@given(policies, st.integers(0, 200))
def test_the_search_only_ever_widens_up_to_its_limit(policy: DispatchPolicy, rounds: int):
    assert policy.first_radius_m <= policy.radius_m(rounds) <= policy.radius_m(rounds + 1) <= policy.max_radius_m


# spec: D1
@given(snapshots, riders())
def test_those_who_may_not_carry_it_change_nothing_for_those_who_may(snapshot: DispatchSnapshot, others):
    known = {rider.rider_id for rider in snapshot.riders}
    plan = decide_plan(snapshot, POLICY, NOW)
    unfit = tuple(
        rider for rider in others if rider.rider_id not in known and not may_carry(rider, snapshot, plan.radius_m)
    )
    more = replace(snapshot, riders=(*snapshot.riders, *unfit))
    fuller = decide_plan(more, POLICY, NOW)
    assert (fuller.action, fuller.preferred_riders, fuller.wait_s) == (plan.action, plan.preferred_riders, plan.wait_s)
