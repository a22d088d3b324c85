"""No claim opens the door (SPEC R4): whatever a phone says of its own accuracy and age, without our own earlier word it
gets in nowhere that an exact position would not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from deliveries import position_checks
from deliveries.position_checks import REPORTS_NEEDED, Finding, Sighting
from foundation.geo import haversine_m
from orders.models import Store
from riders.positions import Seen
from tests.builders import CENTRE, near

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
TOLERANT, HARD = Store.Positions.TOLERANT, Store.Positions.HARD
METRES = st.one_of(st.floats(0, 130), st.floats(0, 400), st.floats(0, 20_000))
ACCURACIES = st.one_of(st.none(), st.floats(0, 100), st.floats(0, 1_000_000))
AGES = st.floats(-30, 120)
RULES = st.sampled_from(Store.Positions)


@st.composite
def seen(draw: st.DrawFn) -> Seen:
    place = near(north_m=draw(METRES), east_m=draw(METRES))
    return Seen(place, NOW - timedelta(seconds=draw(AGES)), draw(ACCURACIES))


SIGHTINGS = st.lists(st.builds(Sighting, seen(), st.floats(0.001, 400).map(lambda s: NOW - timedelta(seconds=s))))


def judged(claim: Seen, rule: Store.Positions, sightings: list[Sighting]) -> Finding:
    finding = position_checks.measure(CENTRE, claim, rule, now=NOW)
    if finding.nearness != position_checks.Nearness.UNCERTAIN:
        return finding
    return position_checks.weigh(finding, CENTRE, sightings, now=NOW)


# spec: R4
@given(seen(), ACCURACIES, AGES, RULES)
def test_no_claim_of_doubt_turns_a_refusal_into_an_admission(claim: Seen, accuracy_m, age_s: float, rule):
    worse = replace(claim, accuracy_m=accuracy_m, recorded_at=NOW - timedelta(seconds=age_s))
    assert (
        judged(worse, rule, []).refused == judged(claim, rule, []).refused == (haversine_m(CENTRE, claim.point) > 100)
    )


# spec: R4
@given(seen(), SIGHTINGS)
def test_hard_goes_by_the_measured_distance_alone(claim: Seen, sightings: list[Sighting]):
    assert judged(claim, HARD, sightings).refused == (haversine_m(CENTRE, claim.point) > 100)


# spec: R4
@given(seen(), SIGHTINGS)
def test_tolerant_is_never_stricter_and_lets_in_only_what_is_borne_out(claim: Seen, sightings: list[Sighting]):
    hard, tolerant = judged(claim, HARD, sightings), judged(claim, TOLERANT, sightings)
    assert hard.refused or not tolerant.refused
    if hard.refused and not tolerant.refused:
        assert tolerant.distance_m <= 2 * tolerant.allowed_m
        assert len(tolerant.borne_out_by) >= REPORTS_NEEDED
        assert all(one["distance_m"] <= 200 for one in tolerant.borne_out_by)
