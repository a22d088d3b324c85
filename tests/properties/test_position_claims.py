"""No claim opens the door (SPEC R4): whatever a phone says of its own accuracy and age, without our own earlier word it
gets in nowhere that an exact position would not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from deliveries.positions import geofence
from deliveries.positions.geofence import REPORTS_NEEDED, GeofenceResult, ReceivedFix
from foundation.geo import haversine_m
from orders.models import Store
from riders.positions import PositionFix
from tests.builders import CENTRE, near

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
TOLERANT, HARD = Store.Positions.TOLERANT, Store.Positions.HARD
METRES = st.one_of(st.floats(0, 130), st.floats(0, 400), st.floats(0, 20_000))
ACCURACIES = st.one_of(st.none(), st.floats(0, 100), st.floats(0, 1_000_000))
AGES = st.floats(-30, 120)
RULES = st.sampled_from(Store.Positions)


@st.composite
def seen(draw: st.DrawFn) -> PositionFix:
    place = near(north_m=draw(METRES), east_m=draw(METRES))
    return PositionFix(place, NOW - timedelta(seconds=draw(AGES)), draw(ACCURACIES))


SIGHTINGS = st.lists(st.builds(ReceivedFix, seen(), st.floats(0.001, 400).map(lambda s: NOW - timedelta(seconds=s))))


def judged(claim: PositionFix, rule: Store.Positions, sightings: list[ReceivedFix]) -> GeofenceResult:
    finding = geofence.measure_fix(CENTRE, claim, rule, now=NOW)
    if finding.nearness != geofence.Proximity.UNCERTAIN:
        return finding
    return geofence.weigh_result(finding, CENTRE, sightings, now=NOW)


# spec: R4
@given(seen(), ACCURACIES, AGES, RULES)
def test_no_claim_of_doubt_turns_a_refusal_into_an_admission(claim: PositionFix, accuracy_m, age_s: float, rule):
    worse = replace(claim, accuracy_m=accuracy_m, recorded_at=NOW - timedelta(seconds=age_s))
    assert (
        judged(worse, rule, []).is_refused
        == judged(claim, rule, []).is_refused
        == (haversine_m(CENTRE, claim.point) > 100)
    )


# spec: R4
@given(seen(), SIGHTINGS)
def test_hard_goes_by_the_measured_distance_alone(claim: PositionFix, sightings: list[ReceivedFix]):
    assert judged(claim, HARD, sightings).is_refused == (haversine_m(CENTRE, claim.point) > 100)


# spec: R4
@given(seen(), SIGHTINGS)
def test_tolerant_is_never_stricter_and_lets_in_only_what_is_borne_out(
    claim: PositionFix, sightings: list[ReceivedFix]
):
    hard, tolerant = judged(claim, HARD, sightings), judged(claim, TOLERANT, sightings)
    assert hard.is_refused or not tolerant.is_refused
    if hard.is_refused and not tolerant.is_refused:
        assert tolerant.distance_m <= 2 * tolerant.allowed_m
        assert len(tolerant.borne_out_by) >= REPORTS_NEEDED
        assert all(one["distance_m"] <= 200 for one in tolerant.borne_out_by)
