"""Incidents: one open row per thing that is wrong, decided by people, mailed when it is critical."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from foundation.errors import IllegalMove, Invalid
from foundation.events import Cause
from foundation.models import Event, Role, User
from notifications.incidents import service
from notifications.models import Incident, IncidentStatus, Message
from tests.notifications.sent_messages import tell_ops


@pytest.fixture
def lead(db) -> User:
    return User.objects.create_user("lead", role=Role.OPS_LEAD)


def decided_by(user: User) -> Cause:
    return Cause(f"user:{user.pk}", "admin")


def report(**changes) -> None:
    facts = {"severity": "warning", "title": "Too many refusals", "dedupe": "refusals:petpooja", "detail": {"n": 6}}
    service.open_incident("webhook_errors", **{**facts, **changes})


# spec: N5
@pytest.mark.django_db
def test_the_same_trouble_is_counted_up_not_repeated():
    report()
    report(title="Still too many refusals", detail={"n": 9})
    report(dedupe="refusals:stripe")

    first, second = Incident.objects.order_by("pk")
    assert (first.count, first.title, first.detail) == (2, "Still too many refusals", {"n": 9})
    assert first.last_at > first.first_at
    assert (second.count, second.dedupe_key) == (1, "refusals:stripe")


# spec: N5
@pytest.mark.django_db
def test_severity_rises_and_never_sinks():
    for severity, stands in [("info", "info"), ("critical", "critical"), ("warning", "critical")]:
        report(severity=severity)
        assert Incident.objects.get().severity == stands
    with pytest.raises(ValueError, match="apocalyptic"):
        report(severity="apocalyptic")


# spec: N5
@pytest.mark.django_db(transaction=True)
def test_a_storm_of_reports_is_one_incident_that_knows_how_many():
    def one(_: int) -> None:
        try:
            report()
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(48)))
    assert Incident.objects.get().count == 48


# spec: N5
def test_the_mail_about_critical_trouble_leads_to_it(lead, settings):
    settings.OPS_EMAIL = "ops@handoff.example"
    report(severity="critical", order_ref="order-7")
    tell_ops()
    mail = Message.objects.get()
    assert (mail.event, mail.order_ref, mail.recipient.email) == ("ops.incident", "order-7", "ops@handoff.example")
    assert mail.params["link"].endswith(f"/admin/notifications/incident/{Incident.objects.get().pk}/change/")

    settings.OPS_EMAIL = "night-shift@handoff.example"
    service.resolve_incident(Incident.objects.get(), decided_by(lead), "restarted")
    report(severity="critical")
    tell_ops()
    assert {message.recipient.email for message in Message.objects.all()} == {"night-shift@handoff.example"}


# spec: N5 A3 A5
def test_ops_acknowledge_and_resolve_and_leave_a_trace(lead):
    report()
    incident = Incident.objects.get()

    service.acknowledge_incident(incident, decided_by(lead))
    report()  # an acknowledged one still gathers
    incident.refresh_from_db()
    assert (incident.status, incident.count, incident.decided_by) == (IncidentStatus.ACKNOWLEDGED, 2, lead)
    with pytest.raises(IllegalMove):
        service.acknowledge_incident(incident, decided_by(lead))
    with pytest.raises(Invalid, match="how it was resolved"):
        service.resolve_incident(incident, decided_by(lead), "  ")

    service.resolve_incident(incident, decided_by(lead), "The provider is back")
    incident.refresh_from_db()
    assert (incident.status, incident.resolution) == (IncidentStatus.RESOLVED, "The provider is back")
    with pytest.raises(IllegalMove):
        service.resolve_incident(incident, decided_by(lead), "again")

    trace = Event.objects.order_by("version").values_list("name", "subject", "actor")
    about = f"incident:{incident.pk}"
    actor = f"user:{lead.pk}"
    assert list(trace) == [("incident.acknowledged", about, actor), ("incident.resolved", about, actor)]

    report()
    assert list(Incident.objects.order_by("pk").values_list("status", "count")) == [("resolved", 2), ("open", 1)]


# spec: N5
@pytest.mark.django_db
def test_what_the_program_sees_mended_is_resolved_by_its_key():
    assert service.resolve_key("refusals:petpooja", "quiet again") is False
    report()
    assert service.resolve_key("refusals:petpooja", "quiet again") is True
    incident = Incident.objects.get()
    assert (incident.status, incident.resolution, incident.decided_by) == ("resolved", "quiet again", None)
    assert service.resolve_key("refusals:petpooja", "quiet again") is False
