"""The ops home for every role, and its numbers. # spec: A3, S1"""

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now
from django.urls import reverse

from deliveries.couriers import circuit_breaker
from deliveries.models import Delivery
from foundation.models import Role
from notifications.incidents import service
from notifications.models import Severity
from ops import seeding
from payouts.reactions import book_delivery
from tests import builders
from tests.builders import searching

pytestmark = pytest.mark.django_db


@pytest.fixture
def signed_in(client):
    def sign_in(role: Role):
        client.force_login(seeding.create_user(f"somebody-{role}", "a long password", role))
        return client

    return sign_in


# spec: A1
@pytest.mark.parametrize("role", [Role.OPS_AGENT, Role.OPS_LEAD, Role.FINANCE, Role.READ_ONLY])
def test_every_staff_role_has_a_home(signed_in, role):
    page = signed_in(role).get(reverse("admin:index"))
    assert page.status_code == 200
    assert b"Open fraud flags" in page.content


@pytest.mark.parametrize("role", [Role.RIDER, Role.STORE_STAFF, Role.STOREFRONT, Role.CUSTOMER])
def test_nobody_else_gets_in(signed_in, role):
    for address in (reverse("admin:index"), reverse("admin:home")):
        assert signed_in(role).get(address).status_code == 302


def test_the_home_leads_to_what_needs_somebody(signed_in):
    service.open_incident("probe", severity=Severity.CRITICAL, title="The oven is on fire", dedupe="oven")
    page = signed_in(Role.OPS_AGENT).get(reverse("admin:home"))
    assert b"The oven is on fire" in page.content


def test_charts_and_state_are_data(signed_in):
    client = signed_in(Role.OPS_AGENT)
    charts = client.get(reverse("admin:home"), {"charts": ""}).json()["charts"]
    assert {chart["key"] for chart in charts} == {"orders", "offers", "webhooks", "messages"}
    assert client.get(reverse("admin:home"), {"state": ""}).json() == {"open": {}, "late": 0, "backlog": 0}


def test_every_link_of_the_home_leads_somewhere(signed_in):
    from foundation import clock
    from ops.console import figures

    client = signed_in(Role.OPS_LEAD)
    for figure in figures.list_figures(clock.now()):
        assert client.get(figure.link).status_code == 200, figure.link


# spec: C9
def test_the_couriers_page_says_how_each_company_does(signed_in):
    delivery = searching()
    facts = {"assigned": "2026-07-01T12:00:00+00:00", "delivered": "2026-07-01T12:30:00+00:00"}
    Delivery.objects.filter(pk=delivery.pk).update(courier="uber", status="delivered")
    builders.courier_job(delivery, history=facts, fee_minor=799, fee_currency="INR")
    Delivery.objects.filter(pk=delivery.pk).update(ended_at=Now(), assigned_at=F("created_at") + timedelta(seconds=42))
    book_delivery(delivery.pk)
    circuit_breaker.override_breaker("cooco", "open", "strike")
    page = signed_in(Role.READ_ONLY).get(reverse("admin:couriers"))
    shown = {line.name: line for line in page.context["lines"]}
    assert (shown["uber"].success, shown["uber"].assigned_s, shown["uber"].spend) == (1.0, 42.0, "₹7.99")
    assert shown["cooco"].unavailable == "turned off by ops: strike"
    assert b"100 %" in page.content
