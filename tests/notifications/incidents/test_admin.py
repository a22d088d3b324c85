"""The console's queue of incidents: the worst first, a storm as one line, all linked and explained. # spec: A3, N5"""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from foundation.events import Cause
from foundation.models import Role, User
from notifications.incidents import alerting, service
from notifications.models import STANDING, STORM, Incident
from tests import builders
from tests.admin_client import open_console, run_action

pytestmark = pytest.mark.django_db
QUEUE = "admin:notifications_incident_changelist"


def report(key: str, severity: str = "warning", kind: str = "delivery_failed", **facts) -> Incident:
    service.open_incident(kind, severity=severity, title=f"Trouble {key}", dedupe=key, **facts)
    return Incident.objects.get(STANDING, dedupe_key=key)


def storm(many: int = 8) -> Incident:
    for number in range(many):
        report(f"storm-{number}", kind="fraud.spoofing")
    Incident.objects.update(first_at=F("first_at") - timedelta(seconds=10))
    assert alerting.alert_ops()
    return Incident.objects.get(kind=STORM)


def page(incident: Incident) -> str:
    return (
        open_console(Role.READ_ONLY)
        .get(reverse("admin:notifications_incident_change", args=[incident.pk]))
        .content.decode()
    )


def listed(**query: object) -> list[str]:
    return [one.title for one in open_console(Role.READ_ONLY).get(reverse(QUEUE), query).context["cl"].result_list]


# spec: A3
def test_the_worst_stands_first_and_then_the_latest():
    report("old"), report("bad", "critical"), report("news", "info"), report("new"), report("worse", "critical")
    assert listed() == ["Trouble worse", "Trouble bad", "Trouble new", "Trouble old", "Trouble news"]


def test_the_queue_is_read_by_its_index():
    report("one")
    queue = Incident.objects.filter(STANDING, folded_into=None).order_by("rank", "-last_at")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off")
    assert "incident_queue" in queue.explain()  # no other index has this order


def test_a_storm_is_one_line_that_leads_to_what_is_folded_into_it():
    report("alone")
    umbrella = storm()
    assert listed() == ["8 × fraud: spoofing", "Trouble alone"]
    assert len(listed(under=umbrella.pk)) == 8
    assert len(listed(status="each")) == 10
    assert "Trouble storm-3" in page(umbrella)
    assert umbrella.title in page(Incident.objects.get(dedupe_key="storm-3"))
    assert listed(under="²") == listed(under="9" * 30) == []


# spec: A3
def test_deciding_about_a_storm_reaches_its_members_if_that_is_wished():
    umbrella = storm()
    agent = open_console(Role.OPS_AGENT)
    assert (
        "Trouble storm-3"
        in agent.post(
            reverse(QUEUE), {"action": "acknowledge_incident", "_selected_action": [umbrella.pk]}
        ).content.decode()
    )  # what it would reach
    assert "acknowledged, with 8 under it" in run_action(
        agent, reverse(QUEUE), "acknowledge_incident", umbrella, members="on"
    )
    assert set(Incident.objects.values_list("status", flat=True)) == {"acknowledged"}
    assert "resolved" in run_action(agent, reverse(QUEUE), "resolve_incident", umbrella)
    assert Incident.objects.filter(STANDING, folded_into=None).count() == 8


def test_it_is_linked_to_what_it_is_about():
    placed = builders.paid_order()
    text = page(report("o", subject=f"order:{placed.pk}", order_ref=placed.public_id))
    assert reverse("admin:orders_order_change", args=[placed.pk]) in text
    text = page(report("s", subject=f"store:{placed.store_id}", order_ref=placed.public_id))
    assert reverse("admin:orders_store_change", args=[placed.store_id]) in text
    assert f"{reverse('admin:orders_order_changelist')}?q={placed.public_id}" in text
    assert "unknown:7" in page(report("u", subject="unknown:7"))


# spec: A5
def test_its_page_tells_who_did_what_and_how_it_ended_the_last_time():
    first = report("again")
    lead = User.objects.create_user("meera", role=Role.OPS_LEAD)
    service.acknowledge_incident(first, Cause(f"user:{lead.pk}"))
    service.resolve_incident(first, Cause(f"user:{lead.pk}"), "The bridge is open again")
    text = page(first)
    assert text.index("acknowledged") < text.index("The bridge is open again")
    assert "meera" in text
    assert "Try again, refund, or close it" in text  # what to do
    assert "The bridge is open again" in page(report("again"))


def test_a_full_page_costs_no_more_than_a_line():
    def cost() -> int:
        client = open_console(Role.READ_ONLY)
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse(QUEUE))
        return len(queries)

    report("first")
    one = cost()
    for number in range(20):
        report(f"more-{number}", kind=f"kind-{number}", subject="order:1", order_ref="o_1")
    assert cost() == one


def test_the_home_counts_by_severity(client):
    for number in range(2):
        report(f"bad-{number}", "critical")
    report("warned")
    client.force_login(builders.user(Role.READ_ONLY))
    figure = next(one for one in client.get(reverse("admin:home")).context["figures"] if one.label == "Incidents")
    assert (figure.value, figure.note, figure.tone) == ("3", "2 critical, 1 warning", "alarm")
