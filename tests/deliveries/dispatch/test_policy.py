"""The policy: what cannot be is refused when it is made, and it follows the configuration."""

import pytest

from deliveries.dispatch import policy
from deliveries.dispatch.policy import DispatchPolicy


# spec: D1, D2
def test_the_policy_follows_the_configuration(settings):
    settings.OFFER_SECONDS, settings.POSITION_FRESH_SECONDS = 20, 90
    rules = policy.current_policy()
    assert (rules.offer_s, rules.fresh_s) == (20, 90)
    assert rules.as_json()["first_radius_m"] == rules.radius_m(0)


@pytest.mark.parametrize(
    "nonsense",
    [{"offer_s": 0}, {"retry_wait_s": -1}, {"widen_factor": 0.5}, {"max_radius_m": 10}, {"candidates": 0}],
)
def test_a_policy_that_would_never_end_or_never_offer_is_refused(nonsense: dict):
    with pytest.raises(ValueError, match="must"):
        DispatchPolicy(**nonsense)


# spec: D1
def test_fewest_under_way_beats_any_distance_within_reach():
    rules = DispatchPolicy()
    assert rules.score_rider(0, rules.max_radius_m) < rules.score_rider(1, 0.0)
