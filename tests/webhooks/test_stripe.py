"""Stripe's door (SPEC W1-W4): the contract of every door, and what is special about Stripe."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from foundation.errors import Permanent
from foundation.evidence import EventOutcome
from orders.evidence import ChargeRefunded, PaymentCanceled, PaymentFailed, PaymentSucceeded
from payouts.runs.stripe_events import (
    AccountDeauthorized,
    AccountUpdated,
    BankPayoutEvidence,
    FundsAvailable,
    TransferEvidence,
)
from tests.webhooks import stripe_events
from tests.webhooks.conftest import Door, refusals
from tests.webhooks.provider_contract import ProviderContract
from tests.webhooks.stripe_events import CONNECT_SECRET, PLATFORM_SECRET, event, raw, sign
from webhooks import stripe
from webhooks.models import WebhookEvent

EXPECTED = {
    "payment_intent.succeeded": PaymentSucceeded,
    "payment_intent.payment_failed": PaymentFailed,
    "payment_intent.canceled": PaymentCanceled,
    "charge.refunded": ChargeRefunded,
    "account.updated": AccountUpdated,
    "account.application.deauthorized": AccountDeauthorized,
    "transfer.created": TransferEvidence,
    "transfer.updated": TransferEvidence,
    "transfer.reversed": TransferEvidence,
    "payout.created": BankPayoutEvidence,
    "payout.updated": BankPayoutEvidence,
    "payout.paid": BankPayoutEvidence,
    "payout.failed": BankPayoutEvidence,
    "payout.canceled": BankPayoutEvidence,
    "balance.available": FundsAvailable,
}
FILES = sorted(path.stem for path in stripe_events.PAYLOADS.glob("*.json"))
PATH = "/webhooks/stripe"


class TestStripeDoor(ProviderContract):
    provider = "stripe"
    refused_with = 400
    too_old_after_s = 300
    mapped = frozenset({"payment_intent.succeeded", "payment_intent.payment_failed", "charge.refunded"})

    def use_secrets(self, settings: Any, *secrets: str) -> None:
        settings.STRIPE_WEBHOOK_SECRETS = list(secrets)
        settings.STRIPE_CONNECT_WEBHOOK_SECRETS = []

    def headers(self, body: bytes, *, secret: str, age_s: float = 0) -> dict[str, str]:
        return {"Stripe-Signature": sign(body, secret=secret, age_s=age_s)}

    def fresh(self, event_type: str) -> dict[str, Any]:
        return event(event_type)

    def altered(self, headers: Mapping[str, str]) -> list[dict[str, str]]:
        timestamp, _, signature = headers["Stripe-Signature"].partition(",")
        flipped = signature[:-1] + ("0" if signature[-1] != "0" else "1")
        return [
            {"Stripe-Signature": changed}
            for changed in (
                f"t={int(timestamp[2:]) + 1},{signature}",
                f"{timestamp},{flipped}",
                f"{timestamp},{signature[:-1]}",
                f"{timestamp},{signature.replace('v1=', 'v0=')}",
                timestamp,
                signature,
                f"t=,{signature}",
                f"t={'9' * 5000},{signature}",
                f"t=yesterday,{signature}",
                ",=,=",
            )
        ]


# spec: W1
@pytest.mark.usefixtures("stripe_secrets")
class TestTwoSecrets:
    def post(self, door: Door, payload: dict[str, Any], *, secret: str):
        body = raw(payload)
        return door(PATH, body, {"Stripe-Signature": sign(body, secret=secret)})

    def test_each_endpoint_signs_for_its_own_accounts(self, door: Door):
        assert self.post(door, event("payment_intent.succeeded"), secret=PLATFORM_SECRET).status == 200
        assert self.post(door, event("account.updated"), secret=CONNECT_SECRET).status == 200
        assert WebhookEvent.objects.count() == 2

    def test_an_event_of_a_connected_account_needs_the_connect_secret(self, door: Door):
        assert self.post(door, event("account.updated"), secret=PLATFORM_SECRET).status == 400
        assert refusals() == [("stripe", 400, "wrong_secret")]
        assert not WebhookEvent.objects.exists()

    def test_the_connect_secret_does_not_speak_for_the_platform(self, door: Door):
        assert self.post(door, event("payment_intent.succeeded"), secret=CONNECT_SECRET).status == 400
        assert not WebhookEvent.objects.exists()

    def test_any_of_several_signatures_may_match(self, door: Door):
        """While Stripe rolls a secret it signs with both."""
        body = raw(event("payment_intent.succeeded"))
        good = sign(body)
        rolled = good.replace(",v1=", f",v1={'0' * 64},v1=")
        assert door(PATH, body, {"Stripe-Signature": rolled}).status == 200

    def test_what_is_kept_of_a_signature_fits(self, door: Door):
        body = raw(event("payment_intent.succeeded"))
        long = sign(body) + "".join(f",v0={i:064d}" for i in range(5))
        assert door(PATH, body, {"Stripe-Signature": long}).status == 200
        assert WebhookEvent.objects.get().signature == long[:255]

    def test_refusals_are_told_apart(self, door: Door):
        body = raw(event("payment_intent.succeeded"))
        door(PATH, body, {"Stripe-Signature": sign(body, age_s=301)})
        door(PATH, body, {"Stripe-Signature": sign(body, secret="none of ours")})
        door(PATH, body)
        reasons = {reason for _, _, reason in refusals()}
        assert reasons == {"old_signature", "wrong_signature", "missing_signature"}


# spec: P1, P2, P3, P4, P5, P6, P7
@pytest.mark.parametrize("event_type", FILES)
def test_every_payload_file_reads_as_the_evidence_it_stands_for(event_type: str):
    evidence = stripe.read_event(event(event_type))
    assert type(evidence) is EXPECTED.get(event_type, type(None))


def test_a_payment_is_read_with_the_order_it_names():
    made = event("payment_intent.succeeded", obj={"metadata": {"order": "o_1"}}, created=1795300000)
    evidence = stripe.read_event(made)
    assert isinstance(evidence, PaymentSucceeded)
    assert (evidence.order_ref, evidence.intent_id) == ("o_1", made["data"]["object"]["id"])
    assert (evidence.amount_minor, evidence.currency, evidence.charge_id) == (2450, "USD", "ch_3PExampleCharge000001")
    assert evidence.occurred_at.timestamp() == 1795300000
    assert str(evidence.by.cause) == f"webhook:stripe:{made['id']}"


def test_an_expanded_charge_reads_like_its_id():
    plain = stripe.read_event(event("payment_intent.succeeded", event_id="evt_1", created=1))
    charge = {"id": "ch_3PExampleCharge000001", "object": "charge"}
    assert (
        stripe.read_event(event("payment_intent.succeeded", obj={"latest_charge": charge}, event_id="evt_1", created=1))
        == plain
    )


def test_a_decline_is_read_with_words_for_the_customer():
    evidence = stripe.read_event(event("payment_intent.payment_failed"))
    assert isinstance(evidence, PaymentFailed)
    assert evidence.reason == "Your card was declined."


def test_a_refund_proves_its_payment():
    evidence = stripe.read_event(event("charge.refunded"))
    assert isinstance(evidence, ChargeRefunded)
    assert (evidence.amount_minor, evidence.refunded_minor, evidence.paid_at.timestamp()) == (2450, 1000, 1795299991)


@pytest.mark.parametrize("event_type", ["payment_intent.succeeded", "charge.refunded"])
def test_payments_of_a_connected_account_are_not_ours(event_type: str):
    assert stripe.read_event(event(event_type, account="acct_1")) is None


def test_a_charge_without_an_intent_is_not_ours():
    assert stripe.read_event(event("charge.refunded", obj={"payment_intent": None})) is None


@pytest.mark.django_db
def test_events_of_the_other_mode_move_nothing(settings: Any):
    settings.STRIPE_LIVEMODE = True
    test_event = event("payment_intent.succeeded")
    verdict = stripe.StripeWebhooks().handle("payment_intent.succeeded", test_event["id"], test_event)
    assert verdict is EventOutcome.IGNORED


@pytest.mark.parametrize("event_type", sorted(set(EXPECTED) - {"account.application.deauthorized"}))
def test_an_object_without_its_fields_is_no_crash(event_type: str):
    """It ends as a dead letter at once, with a reason: trying again would not help."""
    made = event(event_type)
    made["data"]["object"] = {"payment_intent": "pi_1"}
    with pytest.raises(Permanent, match="not shaped as documented"):
        stripe.StripeWebhooks().handle(event_type, made["id"], made)


def test_a_time_beyond_all_calendars_is_no_crash():
    made = event("payment_intent.succeeded", created=10**30)
    with pytest.raises(Permanent, match="not shaped as documented"):
        stripe.StripeWebhooks().handle(made["type"], made["id"], made)


def test_payload_files_hold_what_stripe_sends():
    for name in FILES:
        loaded = json.loads((stripe_events.PAYLOADS / f"{name}.json").read_text())
        assert loaded["type"] == name
        assert loaded["livemode"] is False
