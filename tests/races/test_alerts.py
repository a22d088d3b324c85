"""Many incidents at once, told by several sweeps at once: one storm, one mail (SPEC N5)."""

from datetime import timedelta

import pytest
from django.db.models import F

from foundation.events import Cause
from notifications import alerting, incidents
from notifications.incidents import Trouble
from notifications.models import STANDING, STORM, Incident, Message
from tests import builders
from tests.races.crowd import together

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 32


@pytest.fixture(autouse=True)
def _ops_mailbox(settings) -> None:
    settings.OPS_EMAIL = "ops@handoff.example"


def report(number: int) -> None:
    incidents.open("delivery_failed", severity="critical", title=f"Delivery {number}", dedupe=f"failed:{number}")


def pass_time() -> None:
    Incident.objects.update(first_at=F("first_at") - timedelta(seconds=10))


# spec: N5
def test_32_at_once_are_one_storm_and_one_mail():
    together([*(lambda number=number: report(number) for number in range(MANY)), *[alerting.tell] * 4])
    for _ in range(3):
        pass_time()
        together([alerting.tell] * 8)
    assert Incident.objects.filter(kind=STORM).count() == 1
    assert Message.objects.count() == 1
    assert Incident.objects.get(kind=STORM).count == MANY
    assert Incident.objects.filter(STANDING, folded_into__kind=STORM).count() == MANY


# spec: N5
def test_those_that_open_while_the_storm_is_told_fold_too():
    for number in range(8):
        report(number)
    pass_time()
    together([*(lambda number=number: report(number) for number in range(8, MANY)), *[alerting.tell] * 8])
    for _ in range(3):
        pass_time()
        together([alerting.tell] * 4)
    assert Message.objects.count() == 1
    assert Incident.objects.get(kind=STORM).count == MANY


# spec: N5
def test_deciding_about_a_storm_while_it_grows_and_its_members_mend_ends_well():
    lead = Cause(f"user:{builders.user().pk}", "admin")
    for number in range(8):
        report(number)
    for _ in range(2):
        pass_time()
        alerting.tell()
    storm = Incident.objects.get(kind=STORM)
    results = together(
        [
            lambda: incidents.resolve(storm, lead, "seen to", members=True),
            *(lambda number=number: incidents.resolve_key(f"failed:{number}", "mended") for number in range(8)),
            *(lambda number=number: report(number) for number in range(8, 16)),
            *[alerting.tell] * 4,
        ]
    )
    assert not [one for one in results if isinstance(one, Exception)]
    storm.refresh_from_db()
    assert storm.status == "resolved"
    for _ in range(3):
        pass_time()
        alerting.tell()
    standing = Incident.objects.filter(STANDING).exclude(kind=STORM)
    assert standing.count() == 8
    assert not standing.filter(folded_into__status="resolved").exists()


def test_two_sweeps_at_once_hold_one_incident():
    def hold() -> None:
        incidents.hold("probe", [Trouble(f"probe:{number}", "It is wrong", count=3) for number in range(4)])

    together([hold] * 8)
    assert set(Incident.objects.values_list("count", "status")) == {(3, "open")}
    assert Incident.objects.count() == 4
    together([lambda: incidents.hold("probe", [])] * 8)
    assert not Incident.objects.filter(STANDING).exists()
