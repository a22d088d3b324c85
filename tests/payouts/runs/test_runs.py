"""Payouts against a real Stripe over HTTP, the sandbox's (SPEC M2, M4, P7)."""

from datetime import date
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from foundation.errors import IllegalMove
from foundation.models import Event, OutboundCall
from foundation.work import LostLease, WorkState
from notifications.models import Incident, IncidentStatus
from payouts import audit
from payouts.lifecycle import PayoutStatus
from payouts.models import ConnectAccount, LedgerAccount, LedgerEntry, Payout
from payouts.runs import runs, transfers
from payouts.runs.runs import SkipReason
from tests.payouts import money
from tests.payouts import stripe_side as stripe

pytestmark = pytest.mark.django_db
TODAY, TOMORROW = date(2026, 11, 20), date(2026, 11, 21)


@pytest.fixture
def one(sandbox) -> Payout:
    """A store that is owed 12.34, connected and frozen."""
    stripe.owed_and_connected(sandbox, 1, 1_234)
    return runs.run_stores(TODAY).frozen[0]


def again(payout: Payout) -> Payout:
    return Payout.objects.select_related("account").get(pk=payout.pk)


def open_incidents() -> set[str]:
    return set(Incident.objects.exclude(status=IncidentStatus.RESOLVED).values_list("kind", flat=True))


# ── the run ──────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: M2
def test_a_run_pays_every_store_what_it_is_owed(sandbox):
    accounts = {payee: stripe.owed_and_connected(sandbox, payee, 1_000 * payee)[1] for payee in (1, 2, 3)}
    run = runs.run_stores(TODAY)
    assert [p.amount_minor for p in run.frozen] == [1_000, 2_000, 3_000]
    assert LedgerAccount.objects.exclude(balance_minor=0).count() == 0  # frozen is booked
    stripe.drain()
    assert stripe.sent(sandbox) == {accounts[payee]: 1_000 * payee for payee in accounts}
    assert set(Payout.objects.values_list("status", "state")) == {(PayoutStatus.PROCESSING, WorkState.DONE)}
    transfer = stripe.transfers_of(sandbox, run.frozen[0])[0]
    assert transfer["idempotency_key"] == str(run.frozen[0].public_id)
    assert transfer["metadata"] == {"payout": str(run.frozen[0].public_id), "payee": "store:1", "period": "2026-11-20"}
    assert again(run.frozen[0]).stripe_transfer == transfer["id"]
    report = audit.prove_ledger()
    assert report.is_proved
    assert report.totals == {"USD": {"store_held": 0, "store_paid_out": 6_000, "store_payable": 0}}
    names = (
        Event.objects.filter(subject=f"payout:{run.frozen[0].pk}").order_by("version").values_list("data", flat=True)
    )
    assert [data.get("to", "frozen") for data in names] == ["frozen", "submitting", "processing"]


def test_a_period_is_paid_once_and_the_next_one_pays_what_came_since(sandbox):
    stripe.owed_and_connected(sandbox, 1, 1_000)
    assert len(runs.run_stores(TODAY).frozen) == 1
    money.owed(1, 500)
    run = runs.run_stores(TODAY)
    assert [(skip.reason, skip.account.balance_minor) for skip in run.skipped] == [(SkipReason.FROZEN_BEFORE, 500)]
    assert [p.amount_minor for p in runs.run_stores(TOMORROW).frozen] == [500]


def test_who_is_passed_over_and_why(sandbox, settings):
    settings.MIN_PAYOUT_MINOR = 100
    stripe.connected(sandbox, 1)
    money.owed(1, -5)
    stripe.connected(sandbox, 2)
    money.owed(2, 99)
    money.owed(3, 1_000)
    stripe.connected(sandbox, 4, able=False)
    money.owed(4, 1_000)
    run = runs.run_stores(TODAY)
    assert {skip.account.payee_id: skip.reason for skip in run.skipped} == {
        1: SkipReason.NEGATIVE,
        2: SkipReason.BELOW_MINIMUM,
        3: SkipReason.NOT_CONNECTED,
        4: SkipReason.NOT_ENABLED,
    }
    assert (run.frozen, Payout.objects.count()) == ([], 0)
    skipped = Incident.objects.filter(kind="payout_skipped")
    assert {incident.subject for incident in skipped} == {
        f"ledgeraccount:{LedgerAccount.objects.get(payee_id=payee, kind='payable').pk}" for payee in (3, 4)
    }
    ConnectAccount.objects.filter(payee_id=4).update(payouts_enabled=True)
    money.owed(1, 200)  # carried over: 195
    assert [p.amount_minor for p in runs.run_stores(TODAY).frozen] == [195, 1_000]
    assert Incident.objects.filter(kind="payout_skipped", status=IncidentStatus.RESOLVED).count() == 1


def test_the_command_tells_what_it_did(sandbox):
    stripe.owed_and_connected(sandbox, 1, 1_234)
    money.owed(2, 5_000, name="Unconnected")
    said = StringIO()
    call_command("pay_stores", "--period", "2026-11-19", stdout=said)
    assert "frozen   Store: $12.34" in said.getvalue()
    assert "skipped  Unconnected: $50.00: it has no Stripe account" in said.getvalue()
    assert "2026-11-19: 1 frozen, 1 skipped" in said.getvalue()
    with pytest.raises(CommandError, match="is not a day"):
        call_command("pay_stores", "--period", "yesterday")


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: M4
@pytest.mark.parametrize("kind", ["lost_answer", "drop"])
def test_a_call_without_an_answer_is_looked_up_and_paid_once(sandbox, one, kind):
    sandbox.fault("stripe", "answer", kind, path="/v1/transfers")
    stripe.attempt()
    assert again(one).status == PayoutStatus.SUBMITTING
    sandbox.control("POST", "stripe/forget_keys")
    stripe.attempt()
    assert again(one).status == PayoutStatus.PROCESSING
    assert stripe.sent(sandbox) == {one.destination: 1_234}
    purposes = (
        OutboundCall.objects.filter(reference=f"payout:{one.pk}").order_by("id").values_list("purpose", flat=True)
    )
    after = [] if kind == "lost_answer" else ["transfer.create"]
    assert list(purposes) == ["transfer.create", "transfer.list", *after]


def test_an_answer_500_is_no_answer(sandbox, one):
    """Stripe replays a 500 under its key for a day; nobody may send under another one meanwhile."""
    sandbox.fault("stripe", "answer", "error_500", path="/v1/transfers", times=1)
    for _ in range(4):
        stripe.attempt()
    assert (again(one).status, stripe.sent(sandbox)) == (PayoutStatus.SUBMITTING, {})
    sandbox.control("POST", "stripe/forget_keys")  # the day is over
    stripe.attempt()
    assert again(one).status == PayoutStatus.PROCESSING
    assert stripe.sent(sandbox) == {one.destination: 1_234}


def test_too_little_money_waits_and_goes_under_the_next_key(sandbox):
    stripe.connected(sandbox, 1)
    money.owed(1, 1_234)
    payout = runs.run_stores(TODAY).frozen[0]
    for attempt in (1, 2, 3):
        stripe.attempt()
        waiting = again(payout)
        assert (waiting.status, waiting.state, waiting.refusals) == (PayoutStatus.PENDING, WorkState.PENDING, attempt)
        assert waiting.retry_count == 0  # it may wait for as long as it takes
    assert open_incidents() == {"payout_waits"}
    stripe.topup(sandbox, 2_000)
    event = stripe.events(sandbox, types="balance.available")[-1]
    stripe.take(event)
    assert stripe.LANE.drain_once() == 1  # due at once
    assert again(payout).status == PayoutStatus.PROCESSING
    assert stripe.sent(sandbox) == {payout.destination: 1_234}
    assert open_incidents() == set()


def test_what_waits_for_money_may_be_cancelled(sandbox):
    stripe.connected(sandbox, 1)
    account = money.owed(1, 1_234)
    payout = runs.run_stores(TODAY).frozen[0]
    stripe.attempt()
    runs.cancel_payout(payout, money.by_finance(), "late")
    stripe.topup(sandbox, 2_000)
    stripe.drain()
    account.refresh_from_db()
    assert (account.balance_minor, stripe.sent(sandbox)) == (1_234, {})
    assert again(payout).status == PayoutStatus.CANCELLED
    assert audit.prove_ledger().is_proved


def test_a_refusal_gives_the_money_back_for_the_next_run(sandbox, one):
    sandbox.control("PUT", f"stripe/accounts/{one.destination}", {"capabilities": {"transfers": "inactive"}})
    stripe.drain()
    refused = again(one)
    assert (refused.status, refused.state) == (PayoutStatus.FAILED, WorkState.DONE)
    assert "insufficient_capabilities" in refused.failure
    assert refused.account.balance_minor == 1_234
    assert open_incidents() == {"payout_failed"}
    sandbox.control("PUT", f"stripe/accounts/{one.destination}", stripe.ABLE)
    runs.run_stores(TOMORROW)
    stripe.drain()
    assert open_incidents() == set()
    assert stripe.sent(sandbox) == {one.destination: 1_234}
    assert audit.prove_ledger().is_proved


def test_a_wrong_key_of_ours_refuses_nothing(sandbox, one, settings):
    """An authentication failure is ours to mend: it must not end the day's payouts as refused."""
    right, settings.STRIPE_SECRET_KEY = settings.STRIPE_SECRET_KEY, "sk_test_of_somebody_else"
    stripe.attempt()
    assert again(one).status == PayoutStatus.SUBMITTING
    settings.STRIPE_SECRET_KEY = right
    stripe.attempt()
    assert again(one).status == PayoutStatus.PROCESSING


def test_a_look_up_that_fails_says_nothing_of_the_transfer(sandbox, one, monkeypatch):
    sandbox.fault("stripe", "answer", "lost_answer", path="/v1/transfers")
    stripe.attempt()
    from foundation import stripe as client
    from foundation.errors import Permanent

    def refuse(*args, **more):
        raise Permanent("403: not allowed to list")

    with monkeypatch.context() as patched:
        patched.setattr(client, "list_transfers", refuse)
        stripe.attempt()
        assert again(one).status == PayoutStatus.SUBMITTING
    stripe.attempt()
    assert again(one).status == PayoutStatus.PROCESSING
    assert stripe.sent(sandbox) == {one.destination: 1_234}


def test_without_stripe_payouts_wait(sandbox, one, settings):
    settings.STRIPE_SECRET_KEY = ""
    stripe.attempt()
    waiting = again(one)
    assert (waiting.status, waiting.retry_count, waiting.submitted_at) == (PayoutStatus.PENDING, 0, None)


def test_a_worker_that_lost_its_lease_sends_nothing(sandbox, one):
    slow = stripe.LANE.model.claim_batch(limit=1, lease_s=0.0)
    stripe.attempt()  # another one takes over and pays
    stripe.LANE.process_batch(slow)
    assert again(one).status == PayoutStatus.PROCESSING
    assert len(stripe.transfers_of(sandbox, one)) == 1
    assert OutboundCall.objects.filter(purpose="transfer.create").count() == 1


def test_the_same_key_with_other_parameters_is_not_a_refusal(sandbox, one):
    """It says that the key was used before: something may have been sent. The money must not go back."""
    sandbox.fault("stripe", "answer", "lost_answer", path="/v1/transfers")
    stripe.attempt()
    Payout.objects.filter(pk=one.pk).update(submitted_at=None, destination="acct_other")  # a bug, say
    stripe.attempt()
    assert again(one).status == PayoutStatus.SUBMITTING


# ── nobody knows ─────────────────────────────────────────────────────────────────────────────────────────────────
def out_of_tries(sandbox, payout: Payout) -> None:
    sandbox.fault("stripe", "answer", "lost_answer", path="/v1/transfers", times=1)
    stripe.attempt()
    sandbox.fault("stripe", "answer", "drop", path="/v1/transfers", times=60)
    Payout.objects.filter(pk=payout.pk).update(retry_count=47)
    stripe.attempt()
    sandbox.control("DELETE", "faults")


def test_out_of_tries_a_person_decides(sandbox, one):
    out_of_tries(sandbox, one)
    review = again(one)
    assert (review.status, review.state) == (PayoutStatus.REVIEW, WorkState.DEAD)
    assert open_incidents() == {"payout_review"}
    assert review.account.balance_minor == 0  # it may be gone
    finance = money.by_finance()
    with pytest.raises(IllegalMove):
        runs.cancel_payout(review, finance, "no")
    runs.approve_payout(review, finance, "not at Stripe")
    stripe.drain()
    assert (again(one).status, f"user:{again(one).approved_by_id}") == (PayoutStatus.PROCESSING, finance.actor)
    assert stripe.sent(sandbox) == {one.destination: 1_234}
    assert open_incidents() == set()
    assert Event.objects.filter(subject=f"payout:{one.pk}", actor=finance.actor, cause="admin").exists()


def test_an_event_settles_what_was_in_review(sandbox, one):
    out_of_tries(sandbox, one)
    stripe.take(stripe.events(sandbox, types="transfer.created")[-1])
    settled = again(one)
    assert (settled.status, settled.state) == (PayoutStatus.PROCESSING, WorkState.DONE)
    assert open_incidents() == set()


def test_a_payout_that_stays_unsettled_is_reported_before_it_is_out_of_tries(sandbox, one):
    sandbox.fault("stripe", "answer", "error_500", path="/v1/transfers", times=1)
    for _ in range(6):
        stripe.attempt()
    assert open_incidents() == {"payout_stuck"}
    sandbox.control("POST", "stripe/forget_keys")
    stripe.attempt()
    assert open_incidents() == set()


# ── by people ────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: A3
def test_what_people_may_do_and_when(sandbox, one):
    finance = money.by_finance()
    with pytest.raises(IllegalMove, match="Only a payout in review"):
        runs.approve_payout(one, finance, "now")
    runs.retry_payout(one, finance, "now")
    stripe.drain()
    for forbidden in (runs.approve_payout, runs.retry_payout, runs.cancel_payout):
        with pytest.raises(IllegalMove):
            forbidden(one, finance, "now")


def test_a_retry_does_not_wait(sandbox, one):
    sandbox.fault("stripe", "answer", "drop", path="/v1/transfers")
    stripe.attempt()
    assert stripe.LANE.drain_once() == 0
    runs.retry_payout(again(one), money.by_finance(), "now")
    assert stripe.LANE.drain_once() == 1
    assert again(one).status == PayoutStatus.PROCESSING


def test_a_payout_that_is_being_sent_cannot_be_retried(sandbox, one):
    Payout.claim_batch(limit=1, lease_s=60)
    with pytest.raises(IllegalMove, match="right now"):
        runs.retry_payout(one, money.by_finance(), "now")


def test_entries_of_a_payout_stand_between_it_and_the_one_before(sandbox, one):
    money.owed(1, 500)
    money.owed(1, 700)
    second = runs.run_stores(TOMORROW).frozen[0]
    sequences = [LedgerEntry.objects.get(reference=f"payout:{p.pk}").sequence for p in (one, second)]
    covered = LedgerEntry.objects.filter(account=one.account, sequence__gt=sequences[0], sequence__lt=sequences[1])
    assert sum(covered.values_list("amount_minor", flat=True)) == second.amount_minor == 1_200


# spec: M4
def test_a_worker_whose_lease_was_taken_over_sends_nothing(sandbox, one):
    """It slept with the payout in hand; another worker holds the row by now and may be calling Stripe."""
    (slow,) = Payout.claim_batch(limit=1, lease_s=60)
    Payout.objects.filter(pk=one.pk).update(due_at=Now())
    (other,) = Payout.claim_batch(limit=1, lease_s=60)
    assert other.pk == slow.pk
    with pytest.raises(LostLease):
        transfers.send_payout(slow)
    assert stripe.transfers_of(sandbox, one) == []
    assert again(one).status == PayoutStatus.PENDING
    transfers.send_payout(other)
    assert len(stripe.transfers_of(sandbox, one)) == 1
