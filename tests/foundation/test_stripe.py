"""The Stripe client against the sandbox's Stripe, through the real SDK: what may be concluded from each failure."""

import pytest

from foundation import stripe
from foundation.errors import NotEnabled, Permanent, Transient, Unknown
from foundation.models import OutboundCall
from tests.sandbox.process import Sandbox

pytestmark = pytest.mark.django_db
ORDER = {"order": "o-1"}


def pay(key: str = "pi-o-1", amount_minor: int = 45_000) -> stripe.PaymentIntent:
    return stripe.create_payment_intent(
        amount_minor=amount_minor, currency="INR", metadata=ORDER, reference="order:1", idempotency_key=key
    )


def kept() -> OutboundCall:
    return OutboundCall.objects.get()


# spec: C8 O4
def test_a_call_is_made_once_per_key_and_kept_without_secrets(sandbox: Sandbox):
    first, again = pay(), pay()
    assert first.id == again.id
    assert (first.amount_minor, first.currency, first.metadata) == (45_000, "INR", ORDER)
    assert first.client_secret

    rows = OutboundCall.objects.order_by("pk")
    assert [(row.purpose, row.reference, row.outcome, row.status_code) for row in rows] == [
        ("payment_intent.create", "order:1", "ok", 200)
    ] * 2
    written = str([(row.request, row.answer) for row in rows])
    assert first.client_secret not in written
    assert sandbox.env["STRIPE_SECRET_KEY"] not in written


def test_a_refusal_is_permanent_with_stripes_own_code(sandbox):
    with pytest.raises(Permanent) as refusal:
        stripe.retrieve_payment_intent("pi_nobody_made_this", reference="order:1")
    assert refusal.value.code == "resource_missing"
    assert (kept().outcome, kept().status_code) == ("permanent", 404)


def test_a_key_that_was_used_for_something_else_leaves_the_question_open(sandbox):
    pay(amount_minor=100)
    with pytest.raises(Unknown):  # something was done under this key: to be looked up, not to be taken for refused
        pay(amount_minor=200)


def test_wrong_credentials_did_nothing_and_will_be_mended(sandbox, settings):
    settings.STRIPE_SECRET_KEY = "not-the-key"
    with pytest.raises(Transient, match="401"):
        pay()


# spec: M4
@pytest.mark.parametrize("fault", ["error_500", "lost_answer", "drop"])
def test_what_may_have_happened_is_unknown_and_the_sdk_does_not_repeat_it(sandbox, fault):
    sandbox.fault("stripe", "answer", fault, times=1)
    with pytest.raises(Unknown):
        pay()
    assert kept().outcome == "unknown"
    assert len(sandbox.control("GET", "calls?provider=stripe")["calls"]) == 1


# spec: M4
def test_after_a_lost_answer_the_same_key_finds_what_was_made(sandbox):
    sandbox.fault("stripe", "answer", "lost_answer", times=1)
    with pytest.raises(Unknown):
        pay()
    made = pay()
    assert stripe.retrieve_payment_intent(made.id, reference="order:1").id == made.id


def test_silence_is_unknown_after_the_time_out(sandbox, monkeypatch):
    monkeypatch.setattr(stripe, "TIMEOUT_S", 0.5)
    stripe._build_client.cache_clear()
    sandbox.fault("stripe", "answer", "timeout", times=1, seconds=3)
    with pytest.raises(Unknown):
        pay()
    stripe._build_client.cache_clear()
    assert kept().latency_ms < 2500


def test_nobody_there_is_transient(sandbox, settings):
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    with pytest.raises(Transient):
        pay()
    assert kept().outcome == "transient"


# spec: S5
def test_without_a_key_stripe_is_off_and_nothing_is_called(settings):
    settings.STRIPE_SECRET_KEY = ""
    assert not stripe.is_enabled()
    with pytest.raises(NotEnabled):
        pay()
