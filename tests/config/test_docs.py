"""Pages made from the code are the code's. # spec: S5"""

from pathlib import Path

import pytest

from config import environment
from ops import doctor

DOCS = Path(__file__).parents[2] / "docs"


def test_the_configuration_page_is_current():
    assert (DOCS / "configuration.md").read_text() == environment.as_markdown(), "python manage.py configuration"


def test_the_troubleshooting_page_is_current():
    assert (DOCS / "troubleshooting.md").read_text() == doctor.as_markdown(), "python manage.py doctor --markdown"


@pytest.mark.django_db
def test_the_doctor_finds_a_healthy_house_and_an_unscheduled_one():
    looks = {ailment.name: ailment.find_problem() for ailment in doctor.CHECKS}
    assert looks["Python"] is looks["Database"] is looks["Migrations"] is looks["Broker"] is None
    assert "drain jobs" in str(looks["Schedule"])
