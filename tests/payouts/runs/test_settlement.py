"""What Stripe tells of transfers and bank payouts, in any order, any number of times (SPEC P7, P8, M7)."""

from datetime import date
from itertools import permutations
from typing import Any

import pytest
from django.db import transaction

from foundation.evidence import EventOutcome
from notifications.models import Incident
from payouts import audit
from payouts.lifecycle import PayoutStatus
from payouts.models import BankPayout, ConnectAccount, LedgerAccount, Payout
from payouts.runs import runs
from tests.payouts import money
from tests.payouts import stripe_side as stripe

# spec: P7
pytestmark = pytest.mark.django_db
TODAY, TOMORROW = date(2026, 11, 20), date(2026, 11, 21)


@pytest.fixture
def one(sandbox) -> Payout:
    stripe.owed_and_connected(sandbox, 1, 1_000)
    return runs.run_stores(TODAY).frozen[0]


def again(payout: Payout) -> Payout:
    return Payout.objects.select_related("account").get(pk=payout.pk)


def bank_payout(sandbox, payout: Payout, outcome: str = "paid") -> None:
    sandbox.control("POST", "stripe/bank_payout", {"account": payout.destination, "outcome": outcome})


def reverse(sandbox, payout: Payout, amount_minor: int) -> None:
    transfer = stripe.transfers_of(sandbox, payout)[0]
    stripe.post(sandbox, f"transfers/{transfer['id']}/reversals", amount=amount_minor)


def told(sandbox, payout: Payout) -> list[dict[str, Any]]:
    """Everything Stripe has to tell about a payout, in the order in which it happened."""
    ours = stripe.events(sandbox, types="transfer.*")
    return ours + stripe.events(sandbox, account=payout.destination, types="payout.*")


def world() -> Any:
    payouts_ = Payout.objects.order_by("pk").values_list("status", "returned_minor", "stripe_transfer")
    banks = BankPayout.objects.order_by("stripe_payout").values_list("status", "amount_minor")
    return list(payouts_), list(banks), list(LedgerAccount.objects.order_by("pk").values_list("balance_minor"))


def test_a_payout_is_paid_when_the_bank_has_it(sandbox, one):
    stripe.drain()
    bank_payout(sandbox, one)
    for event in told(sandbox, one):
        stripe.take(event)
    assert again(one).status == PayoutStatus.PAID
    assert {stripe.take(event) for event in told(sandbox, one)} == {EventOutcome.REPEATED}
    assert audit.prove_ledger().is_proved


def test_a_bank_payout_covers_only_what_was_there(sandbox, one):
    stripe.drain()
    Payout.objects.update(transferred_at="2026-11-19T00:00:00Z")
    bank_payout(sandbox, one)
    for event in told(sandbox, one)[1:]:
        stripe.take(event)
    stripe.topup(sandbox, 500)
    money.owed(1, 500)
    later = runs.run_stores(TOMORROW).frozen[0]
    stripe.drain()
    Payout.objects.filter(pk=later.pk).update(transferred_at="2099-01-01T00:00:00Z", status=PayoutStatus.PROCESSING)
    for event in told(sandbox, one):
        if event["type"].startswith("payout."):
            stripe.take(event)
    assert (again(one).status, again(later).status) == (PayoutStatus.PAID, PayoutStatus.PROCESSING)


def test_money_that_the_bank_sent_back_goes_with_the_next_one(sandbox, one):
    stripe.drain()
    bank_payout(sandbox, one, "failed")
    for event in told(sandbox, one):
        stripe.take(event)
    assert again(one).status == PayoutStatus.PROCESSING
    assert Incident.objects.get(kind="payout_bounced").title.endswith("The bank account has been closed.")
    bank_payout(sandbox, one, "paid")
    for event in told(sandbox, one):
        stripe.take(event)
    assert again(one).status == PayoutStatus.PAID
    assert again(one).account.balance_minor == 0  # the ledger move by transfers alone
    assert Incident.objects.get(kind="payout_bounced").status == "resolved"


def test_a_bank_payout_that_fails_after_it_was_paid(sandbox, one):
    stripe.drain()
    bank_payout(sandbox, one)
    events = told(sandbox, one)
    for event in events:
        stripe.take(event)
    paid = next(event for event in events if event["type"] == "payout.paid")
    failed = {**paid, "id": "evt_later", "type": "payout.failed"}
    failed["data"] = {"object": {**paid["data"]["object"], "status": "failed", "failure_message": "Closed."}}
    stripe.take(failed)
    assert again(one).status == PayoutStatus.PROCESSING
    stripe.take(paid)  # late
    assert again(one).status == PayoutStatus.PROCESSING


# spec: M7
def test_reversals_bring_back_what_they_take(sandbox, one):
    stripe.drain()
    reverse(sandbox, one, 300)
    for event in told(sandbox, one):
        stripe.take(event)
    assert (again(one).status, again(one).returned_minor) == (PayoutStatus.PROCESSING, 300)
    assert again(one).account.balance_minor == 300
    reverse(sandbox, one, 700)
    for event in told(sandbox, one):
        stripe.take(event)
    assert again(one).status == PayoutStatus.REVERSED
    assert again(one).account.balance_minor == 1_000
    assert stripe.sent(sandbox) == {one.destination: 0}
    assert audit.prove_ledger().is_proved


def test_a_transfer_of_a_lost_answer_is_known_by_its_metadata(sandbox, one):
    sandbox.fault("stripe", "answer", "lost_answer", path="/v1/transfers")
    stripe.attempt()
    assert stripe.take(stripe.events(sandbox, types="transfer.created")[0]) == EventOutcome.APPLIED
    assert again(one).status == PayoutStatus.PROCESSING
    stripe.drain()
    assert len(stripe.transfers_of(sandbox, one)) == 1


# spec: P8
def test_every_order_of_the_news_ends_the_same(sandbox, one):
    """A transfer whose answer was lost, partly reversed, bounced by the bank, then arrived: in any order, before
    or after our own look-up."""
    sandbox.fault("stripe", "answer", "lost_answer", path="/v1/transfers")
    stripe.attempt()
    bank_payout(sandbox, one, "failed")
    reverse(sandbox, one, 300)
    bank_payout(sandbox, one)
    events = [event for event in told(sandbox, one) if event["type"] != "payout.created"]
    assert [event["type"] for event in events] == [
        "transfer.created",
        "transfer.reversed",
        "payout.failed",
        "payout.paid",
    ]
    worlds = []
    for order in permutations([*events, None]):
        with transaction.atomic():
            for event in (*order, *events):
                stripe.take(event) if event else stripe.attempt()
            worlds.append(world())
            transaction.set_rollback(True)
    assert worlds[0][0] == [(PayoutStatus.PAID, 300, stripe.transfers_of(sandbox, one)[0]["id"])]
    assert worlds[0][2] == [(0,), (300,)]
    assert all(other == worlds[0] for other in worlds)
    assert len(stripe.transfers_of(sandbox, one)) == 1


def test_a_transfer_that_is_no_payout_is_reported(sandbox):
    account = stripe.connected(sandbox, 1)
    stripe.topup(sandbox, 500)
    stripe.post(sandbox, "transfers", amount=500, currency="usd", destination=account, transfer_group="by hand")
    assert stripe.take(stripe.events(sandbox, types="transfer.created")[0]) == EventOutcome.REFUSED
    assert Incident.objects.get().kind == "transfer_unknown"


def test_a_second_transfer_for_one_payout_is_an_alarm(sandbox, one):
    stripe.topup(sandbox, 1_000)
    stripe.drain()
    group = str(one.public_id)
    stripe.post(sandbox, "transfers", amount=1_000, currency="usd", destination=one.destination, transfer_group=group)
    verdicts = [stripe.take(event) for event in stripe.events(sandbox, types="transfer.created")]
    assert verdicts == [EventOutcome.REPEATED, EventOutcome.REFUSED]
    assert Incident.objects.get(kind="payout_contradiction").severity == "critical"


def test_a_transfer_that_went_although_the_money_was_given_back_is_booked_again(sandbox, one):
    runs.cancel_payout(one, money.by_finance(), "late")
    group = str(one.public_id)
    stripe.post(sandbox, "transfers", amount=1_000, currency="usd", destination=one.destination, transfer_group=group)
    assert stripe.take(stripe.events(sandbox, types="transfer.created")[0]) == EventOutcome.APPLIED
    assert (again(one).status, again(one).account.balance_minor) == (PayoutStatus.PROCESSING, 0)
    assert Incident.objects.get(kind="payout_went").severity == "critical"
    assert audit.prove_ledger().is_proved


def test_a_bank_payout_of_nobody_we_know_is_ignored(sandbox):
    account = stripe.connected(sandbox, 1)
    ConnectAccount.objects.update(stripe_account="acct_other")
    stripe.topup(sandbox, 500)
    stripe.post(sandbox, "transfers", amount=500, currency="usd", destination=account)
    sandbox.control("POST", "stripe/bank_payout", {"account": account})
    verdicts = {stripe.take(event) for event in stripe.events(sandbox, account=account, types="payout.*")}
    assert verdicts == {EventOutcome.IGNORED}
