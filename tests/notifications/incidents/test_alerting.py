"""How ops hears of incidents: a critical one at once, warnings in a digest, a storm as one (SPEC N5)."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from foundation.events import Cause
from foundation.models import Role, User
from notifications.incidents import alerting, grouping, service
from notifications.incidents.service import Problem
from notifications.models import STANDING, STORM, Incident, IncidentStatus, Message

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ops_mailbox")]
SYSTEM = Cause("system", "test")


@pytest.fixture
def ops_mailbox(settings) -> None:
    settings.OPS_EMAIL = "ops@handoff.example"


@pytest.fixture
def lead() -> Cause:
    return Cause(f"user:{User.objects.create_user('lead', role=Role.OPS_LEAD).pk}", "admin")


def report(number: object = 1, *, kind: str = "fraud.fake_pickup", severity: str = "critical") -> None:
    service.open_incident(kind, severity=severity, title=f"Trouble {number}", dedupe=f"{kind}:{number}")


def pass_time(seconds: float = 6) -> None:
    """Everything there is happened so much earlier."""
    earlier = timedelta(seconds=seconds)
    moved = ("first_at", "last_at", "reported_at", "mailed_at", "decided_at")
    Incident.objects.update(**{name: F(name) - earlier for name in moved})
    Message.objects.update(created_at=F("created_at") - earlier)


def told() -> list[str]:
    """The events of the mails that left since this was last asked, after time to gather, for a storm too."""
    known = set(Message.objects.values_list("pk", flat=True))
    for _ in range(2):
        pass_time()
        assert alerting.alert_ops()
    return list(Message.objects.exclude(pk__in=known).order_by("pk").values_list("event", flat=True))


def top() -> dict[str, int]:
    """What lies under nothing and is not resolved: title and count."""
    return dict(Incident.objects.filter(STANDING, folded_into=None).values_list("title", "count"))


# ── one at a time ────────────────────────────────────────────────────────────────────────────────────────────────
# spec: N5
def test_a_critical_one_is_mailed_once_and_again_when_it_is_over():
    report()
    assert told() == ["ops.incident"]
    report()
    assert told() == []
    service.resolve_key("fraud.fake_pickup:1", "it was a mistake")
    mail = Message.objects.get(event="ops.incident_resolved")
    assert mail.params["resolution"] == "it was a mistake"


def test_what_gathers_is_told_a_moment_later_and_what_was_over_by_then_never():
    report()
    alerting.alert_ops()
    assert not Message.objects.exists()
    service.resolve_key("fraud.fake_pickup:1", "a blip")
    assert told() == []


# spec: N5
def test_warnings_are_told_together_at_most_so_often(settings):
    settings.OPS_DIGEST_MINUTES = 15
    report(1, kind="a", severity="warning")
    report(2, kind="b", severity="warning")
    report(3, kind="c", severity="info")
    assert told() == ["ops.digest"]
    listed = Message.objects.get().params["list"]
    assert "Trouble 1" in listed
    assert "Trouble 2" in listed
    assert "Trouble 3" not in listed

    report(4, kind="d", severity="warning")
    assert told() == []
    pass_time(15 * 60)
    assert told() == ["ops.digest"]
    assert Message.objects.latest("pk").params["count"] == 1
    pass_time(15 * 60)
    assert told() == []  # nothing new


def test_a_digest_passes_over_what_somebody_looks_into(lead):
    report(severity="warning")
    service.acknowledge_incident(Incident.objects.get(), lead)
    assert told() == []


def test_a_warning_that_becomes_critical_is_mailed():
    report(severity="warning")
    assert told() == ["ops.digest"]
    report(severity="critical")
    assert told() == ["ops.incident"]
    report(severity="critical")
    assert told() == []


# spec: N5
def test_critical_ones_that_nobody_acknowledges_are_mailed_again_together(settings, lead):
    settings.OPS_REMIND_MINUTES = 30
    for kind in ("a", "b", "c"):
        report(kind=kind)
    assert told() == ["ops.incident"] * 3
    service.acknowledge_incident(Incident.objects.get(kind="c"), lead)
    pass_time(29 * 60)
    assert told() == []
    pass_time(60)
    assert told() == ["ops.reminder"]
    mail = Message.objects.latest("pk")
    assert (mail.params["count"], mail.params["minutes"]) == (2, 30)
    assert told() == []
    pass_time(30 * 60)
    assert told() == ["ops.reminder"]


def test_without_an_address_nothing_is_mailed_and_nothing_is_kept_for_later(settings):
    settings.OPS_EMAIL = ""
    report()
    report(2, kind="other", severity="warning")
    assert told() == []
    settings.OPS_EMAIL = "ops@handoff.example"
    assert told() == []


def test_an_empty_house_costs_a_handful_of_statements():
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert alerting.alert_ops()
    assert len(queries) <= 7  # a savepoint around them, the lock, the time; new, waiting, calmed down
    assert not Incident.objects.exists()


# ── storms ───────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: N5
def test_a_storm_is_one_incident_and_one_mail_and_nothing_is_lost():
    for number in range(37):
        report(number)
    assert told() == ["ops.incident"]
    assert top() == {"37 × fraud: fake pickup": 37}
    assert Incident.objects.filter(kind="fraud.fake_pickup", count=1).count() == 37
    for number in range(37, 40):
        report(number)
    report(0)
    assert told() == []
    assert top() == {"40 × fraud: fake pickup": 40}
    assert Incident.objects.get(dedupe_key="fraud.fake_pickup:0").count == 2


def test_a_few_of_a_kind_are_no_storm():
    for number in range(grouping.MOST_ALONE):
        report(number)
    report(kind="something else")
    assert told() == ["ops.incident"] * (grouping.MOST_ALONE + 1)
    assert not Incident.objects.filter(kind=STORM).exists()


def test_one_that_comes_slowly_is_told_alone_although_a_storm_stands():
    for number in range(10):
        report(number)
    assert told() == ["ops.incident"]
    pass_time(grouping.WINDOW.total_seconds())
    report(99)
    assert told() == ["ops.incident"]
    assert Incident.objects.get(dedupe_key="fraud.fake_pickup:99").folded_into is None


def test_another_storm_of_the_kind_is_told_anew():
    for number in range(10):
        report(number)
    assert told() == ["ops.incident"]
    pass_time(grouping.WINDOW.total_seconds())
    for number in range(10, 20):
        report(number)
    assert told() == ["ops.incident"]
    assert top() == {"20 × fraud: fake pickup": 20}


def test_many_kinds_at_once_are_one_as_well():
    for kind in "abcdef":
        for number in range(4):
            report(number, kind=kind)
    assert told() == ["ops.incident"]
    (title,) = top()
    assert title.startswith("24 × ")


def test_a_storm_of_warnings_becomes_critical_with_the_first_that_does():
    for number in range(8):
        report(number, severity="warning")
    assert told() == ["ops.digest"]
    assert Message.objects.get().params["count"] == 1
    report(3, severity="critical")
    assert told() == ["ops.incident"]
    assert Incident.objects.get(kind=STORM).severity == "critical"


# spec: N5
def test_the_program_resolves_members_and_the_last_of_them_ends_the_storm():
    for number in range(8):
        report(number)
    told()
    for number in range(8):
        assert service.resolve_key(f"fraud.fake_pickup:{number}", "right again")
    told()
    assert Incident.objects.get(kind=STORM).status == IncidentStatus.OPEN  # it may flare up again
    pass_time(grouping.WINDOW.total_seconds())
    told()
    assert not Incident.objects.filter(STANDING).exists()
    assert Message.objects.filter(event="ops.incident_resolved").count() == 1


def test_something_that_comes_and_goes_is_a_storm_too():
    for _ in range(10):
        report()
        told()
        service.resolve_key("fraud.fake_pickup:1", "gone")
    mails = Message.objects.filter(event="ops.incident").count()
    assert mails == grouping.MOST_ALONE + 1


# spec: N5 A3
def test_people_decide_about_a_storm_with_or_without_its_members(lead):
    for number in range(8):
        report(number)
    told()
    umbrella = Incident.objects.get(kind=STORM)
    assert service.acknowledge_incident(umbrella, lead, members=True) == 9
    assert set(Incident.objects.values_list("status", flat=True)) == {"acknowledged"}
    assert service.resolve_incident(umbrella, lead, "the map was wrong", members=True) == 9
    assert set(Incident.objects.values_list("status", "resolution")) == {("resolved", "the map was wrong")}


def test_what_lay_under_a_storm_that_a_person_ended_stands_alone_again(lead):
    for number in range(8):
        report(number)
    told()
    service.resolve_incident(Incident.objects.get(kind=STORM), lead, "one by one, please")
    assert len(top()) == 8
    assert told() == []


# ── holding ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_what_is_held_is_open_exactly_while_it_is_wrong():
    def hold(**figures: int) -> dict[str, int]:
        service.sync_incidents(
            "probe", [Problem(key, f"{count} of {key}", count=count) for key, count in figures.items()]
        )
        return dict(Incident.objects.filter(STANDING).values_list("dedupe_key", "count"))

    assert hold(a=2, b=1) == {"a": 2, "b": 1}
    before = Incident.objects.get(dedupe_key="a").last_at
    assert hold(a=2, b=5) == {"a": 2, "b": 5}
    assert Incident.objects.get(dedupe_key="a").last_at == before  # no news
    assert hold(b=5) == {"b": 5}
    assert hold() == {}
    assert hold(a=1) == {"a": 1}
    assert Incident.objects.count() == 3


def test_holding_one_kind_leaves_the_others_alone():
    report()
    service.sync_incidents("probe", [])
    assert len(top()) == 1


def test_what_a_person_resolved_is_not_reopened_before_the_figures_could_follow(lead):
    trouble = [Problem("a", "still there")]
    service.sync_incidents("probe", trouble)
    service.resolve_incident(Incident.objects.get(), lead, "I have seen to it")
    service.sync_incidents("probe", trouble)
    assert not Incident.objects.filter(STANDING).exists()
    pass_time(service.PATIENCE_S)
    service.sync_incidents("probe", trouble)
    assert Incident.objects.filter(STANDING).count() == 1
