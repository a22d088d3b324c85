"""Rejected webhooks, failing providers, missing webhooks, and whether we are reached. # spec: W6"""

from datetime import timedelta

import pytest

from foundation import clock
from foundation.models import OutboundCall
from notifications.incidents import service
from notifications.models import Incident
from ops.monitoring import external_probe, missing_webhooks, provider_errors, rejected_webhooks
from tests.ops.monitoring.open_incidents import ago, called, heard, knocked, quiet_cost, standing
from tests.sandbox_fixtures import NOBODY
from webhooks.models import WebhookAttempt, WebhookEvent

pytestmark = pytest.mark.django_db


# ── signatures ───────────────────────────────────────────────────────────────────────────────────────────────────
# spec: W1
def test_refused_signatures_are_counted_per_provider_until_the_window_is_clean():
    heard("cooco")
    knocked("cooco", "wrong_signature", 3)
    knocked("stripe", "wrong_signature", 2)
    rejected_webhooks.watch_rejections()
    assert standing() == {}  # strangers at the door
    knocked("cooco", "old_signature", 2)
    heard("cooco")
    rejected_webhooks.watch_rejections()
    rejected_webhooks.watch_rejections()
    assert standing() == {"signature_failures:cooco": ("warning", 5)}
    assert Incident.objects.get().detail["reasons"] == {"wrong_signature": 3, "old_signature": 2}

    ago(16, WebhookAttempt, *WebhookAttempt.objects.filter(reason="wrong_signature"))
    rejected_webhooks.watch_rejections()
    assert standing() == {"signature_failures:cooco": ("warning", 2)}
    ago(16, WebhookAttempt, *WebhookAttempt.objects.all())
    rejected_webhooks.watch_rejections()
    assert standing() == {}


# spec: W1
def test_a_provider_that_does_not_get_in_any_more_is_noticed_early_and_is_critical():
    heard("stripe", minutes=90)
    knocked("stripe", "wrong_signature", 3)
    rejected_webhooks.watch_rejections()
    assert standing() == {"signature_failures:stripe": ("warning", 3)}
    assert "not one got in" in Incident.objects.get().title
    knocked("stripe", "wrong_signature", 2)
    rejected_webhooks.watch_rejections()
    assert standing() == {"signature_failures:stripe": ("critical", 5)}


def test_strangers_without_a_signature_say_nothing_about_our_secret():
    heard("stripe", minutes=90)
    knocked("stripe", "missing_signature", 4)
    knocked("unknown", "unknown_provider", 500, status=404)
    rejected_webhooks.watch_rejections()
    assert standing() == {}
    knocked("stripe", "missing_signature", 1)
    rejected_webhooks.watch_rejections()
    assert standing() == {"signature_failures:stripe": ("warning", 5)}


def test_callbacks_that_cannot_be_read_are_another_matter():
    knocked("petpooja", "bad_body", 6, status=400)
    rejected_webhooks.watch_rejections()
    assert standing() == {"webhooks_refused:petpooja": ("warning", 6)}


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_more_than_five_errors_of_a_provider_in_a_window_are_one_incident():
    called("uber", "delivery.quote")
    for outcome in ("transient", "unknown", "unknown", "transient", "unknown"):
        called("uber", "delivery.create", outcome, error="no answer")
    provider_errors.watch_providers()
    assert standing() == {}
    called("uber", "delivery.quote", "unknown", error="503")
    provider_errors.watch_providers()
    provider_errors.watch_providers()
    assert standing() == {"provider_errors:uber": ("warning", 6)}
    incident = Incident.objects.get()
    assert incident.detail["errors"] == {"delivery.create": 5, "delivery.quote": 1}
    called("uber", "delivery.create", "unknown")
    provider_errors.watch_providers()
    assert standing() == {"provider_errors:uber": ("warning", 7)}

    ago(16, OutboundCall, *OutboundCall.objects.exclude(outcome="ok")[:5])
    provider_errors.watch_providers()
    assert standing() == {"provider_errors:uber": ("warning", 2)}  # not calm yet
    ago(16, OutboundCall, *OutboundCall.objects.exclude(outcome="ok"))
    provider_errors.watch_providers()
    assert standing() == {}


def test_refusals_of_one_customer_are_no_errors_of_the_provider():
    for status in (402, 404, 400, 422) * 5:
        called("stripe", "payment_intent.create", "permanent", status_code=status)
    provider_errors.watch_providers()
    assert standing() == {}
    for status in (401, 403) * 3:
        called("stripe", "payment_intent.create", "permanent", status_code=status)
    provider_errors.watch_providers()
    assert standing() == {"provider_errors:stripe": ("critical", 6)}  # and nothing goes well


# spec: W4
def test_webhooks_that_cannot_be_worked_off_count_as_errors_of_their_provider():
    for number in range(6):
        heard("stripe", state="pending", retry_count=number, error_message="ValueError")
    provider_errors.watch_providers()
    assert standing() == {}  # three that have failed but once or twice are no sign
    for _ in range(3):
        heard("stripe", state="pending", retry_count=5, error_message="ValueError")
    provider_errors.watch_providers()
    assert standing() == {"provider_errors:stripe": ("warning", 6)}
    WebhookEvent.objects.update(state="done", error_message="")
    provider_errors.watch_providers()
    assert standing() == {}


def test_a_channel_that_refused_us_is_right_again_when_its_provider_takes_a_message():
    called("sendgrid", "email.send", "permanent", status_code=401, reference="message:7")
    service.open_incident(
        "channel_refused_us",
        severity="critical",
        title="The provider of email refuses our credentials",
        dedupe="channel:email:credentials",
        detail={"call": "message:7"},
    )
    called("twilio", "sms.send", minutes=-1)
    provider_errors.watch_providers()
    assert "channel:email:credentials" in standing()
    called("sendgrid", "email.send", minutes=-1)
    provider_errors.watch_providers()
    assert standing() == {}


# spec: N2
def test_that_a_channel_has_spent_its_day_is_over_with_the_day():
    today = clock.database_now().date()
    for day in (today, today - timedelta(days=1)):
        service.open_incident("daily_cap", severity="critical", title="spent", dedupe=f"daily_cap:sms:{day}")
    provider_errors.watch_providers()
    assert set(standing()) == {f"daily_cap:sms:{today}"}


# ── silence ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_provider_that_was_asked_and_says_nothing_has_fallen_silent():
    heard("sendgrid", minutes=50)
    for minutes in (25, 26, 27, 28, 29):
        called("sendgrid", "email.send", minutes=minutes)
    missing_webhooks.watch_silence()
    missing_webhooks.watch_silence()
    assert standing() == {"webhooks_silent:sendgrid": ("warning", 1)}
    heard("sendgrid", minutes=2)
    missing_webhooks.watch_silence()
    assert standing() == {}


def test_silence_at_night_is_no_silence():
    heard("stripe", minutes=600)
    for minutes in (25, 26, 27, 28):
        called("stripe", "refund.create", minutes=minutes)  # too few
    for minutes in range(1, 19):
        called("stripe", "refund.create", minutes=minutes)  # too young
    for _ in range(9):
        called("stripe", "payment_intent.retrieve", minutes=25)  # brings no echo
        called("stripe", "refund.create", "unknown", minutes=25)
    missing_webhooks.watch_silence()
    assert standing() == {}


# spec: C5
def test_courier_companies_are_missed_as_well():
    heard("cooco", minutes=50)
    for _ in range(5):
        called("cooco", "delivery.create", minutes=25)
    missing_webhooks.watch_silence()
    assert standing() == {"webhooks_silent:cooco": ("warning", 1)}


def test_one_never_heard_of_is_missed_only_where_nothing_else_would_tell():
    for _ in range(5):
        called("whatsapp", "whatsapp.send", minutes=25)
        called("stripe", "payment_intent.create", minutes=25)
    missing_webhooks.watch_silence()
    assert standing() == {"webhooks_silent:stripe": ("critical", 1)}
    assert "never" in Incident.objects.get().title


# ── from outside ─────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.django_db(transaction=True)
def test_an_address_that_does_not_answer_three_times_is_critical_until_it_does(settings, live_server):
    settings.SELF_CHECK = True
    critical = {"unreachable_from_outside": ("critical", 1)}
    steps = [(NOBODY, {}), (live_server.url, {}), *[(NOBODY, {})] * 2, *[(NOBODY, critical)] * 2, (live_server.url, {})]
    for url, expected in steps:
        settings.PUBLIC_URL = url
        external_probe.watch_public_url()
        assert standing() == expected
    last = OutboundCall.objects.latest("created_at")
    assert (last.url, last.answer["status"]) == (f"{live_server.url}/ready", "ready")


def test_nobody_looks_from_outside_unless_it_is_wished(settings):
    settings.SELF_CHECK = False
    assert quiet_cost(external_probe.watch_public_url) <= 1
    assert not OutboundCall.objects.exists()


def test_an_empty_house_is_calm_and_cheap():
    assert quiet_cost(rejected_webhooks.watch_rejections) <= 6
    assert quiet_cost(provider_errors.watch_providers) <= 8
    assert quiet_cost(missing_webhooks.watch_silence) <= len(list(missing_webhooks.expected_webhooks())) + 2
