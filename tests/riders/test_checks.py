"""The room's system check says when no rider would stay a candidate."""

from django.core.checks import run_checks


# spec: S5
def test_positions_that_grow_stale_between_two_reports_are_warned_of(settings):
    settings.POSITION_FRESH_SECONDS = 15
    (warning,) = [message for message in run_checks() if message.id == "riders.W001"]
    assert "POSITION_FRESH_SECONDS=15" in warning.msg
    settings.POSITION_FRESH_SECONDS = 120
    assert not [message for message in run_checks() if message.id == "riders.W001"]
