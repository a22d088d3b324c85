"""A payout run that dies anywhere: what was sent is what was owed, every time (SPEC M4).

Each sweep kills the work at its first point, its second, and so on to the last (tests/faults/crashes.py), then lets the
leases run out and does the day again as the next process would. The same sweeps catch three wrong ways of doing it.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Any

import pytest

from foundation.errors import Permanent
from payouts import audit
from payouts.lifecycle import PayoutStatus
from payouts.models import LedgerAccount, Payout
from payouts.runs import runs, transfers
from tests.faults.crashes import sweep
from tests.payouts import money
from tests.payouts import stripe_side as stripe

# spec: M4
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]
TODAY, TOMORROW = date(2026, 11, 20), date(2026, 11, 21)
FEWEST_POINTS = 25  # a run has more; a sweep that counts fewer is not looking


@dataclass(frozen=True)
class Owed:
    payee_id: int
    destination: str
    amount_minor: int

    @property
    def account(self) -> LedgerAccount:
        return LedgerAccount.objects.get(payee_id=self.payee_id, kind="payable")


@pytest.fixture
def city(sandbox):
    return City(sandbox)


class City:
    """Stores one after the other, each owed something and connected."""

    def __init__(self, sandbox: Any) -> None:
        self.sandbox = sandbox
        self._numbers = count(1)

    def store(self, *, funded: bool = True) -> Owed:
        payee_id = next(self._numbers)
        owed = Owed(payee_id, stripe.connected(self.sandbox, payee_id), 1_000 + payee_id)
        money.owed(payee_id, owed.amount_minor)
        if funded:  # with money to spare, or Stripe would refuse what must not be sent twice
            stripe.topup(self.sandbox, 3 * owed.amount_minor)
        return owed

    def sent_to(self, owed: Owed) -> int:
        return stripe.sent(self.sandbox).get(owed.destination, 0)

    def forget_keys(self, _: Owed) -> None:
        self.sandbox.control("POST", "stripe/forget_keys")


def day(_: object = None, *, period: date = TODAY) -> None:
    """The work that dies: freeze, send, record."""
    runs.run_stores(period)
    stripe.LANE.drain_once()


def recovered(period: date = TODAY) -> None:
    """What the next processes do: leases run out, the run is started again, the work queue goes on."""
    stripe.drain()
    runs.run_stores(period)
    stripe.drain()


def nothing(_: Owed) -> None:
    pass


def wrong_points(city: City, between: Callable[[Owed], None] = nothing) -> Iterator[int]:
    """Kill the day at every point, recover, and name those after which what was sent is not what was owed."""
    points = 0
    for at, owed in sweep(city.store, day):
        points += 1
        between(owed)
        recovered()
        if city.sent_to(owed) != owed.amount_minor:
            yield at
    assert points > FEWEST_POINTS


# ── the real thing ───────────────────────────────────────────────────────────────────────────────────────────────
def test_what_is_owed_is_sent_once_wherever_the_run_dies(city):
    assert list(wrong_points(city)) == []
    all_is_settled()


def test_also_when_stripe_has_forgotten_the_keys_meanwhile(city):
    assert list(wrong_points(city, city.forget_keys)) == []
    all_is_settled()


def all_is_settled() -> None:
    assert set(Payout.objects.values_list("status", flat=True)) == {PayoutStatus.PROCESSING}
    assert set(LedgerAccount.objects.values_list("balance_minor", flat=True)) == {0}
    report = audit.prove_ledger()
    assert report.is_proved, report.failures


def test_also_when_the_process_that_recovers_dies_too(city):
    """Twice, at distances that sweep over the whole recovery."""
    lasts: list[int] = []
    for at, owed in sweep(city.store, day, step=4):
        for again, _ in sweep(lambda: None, lambda _: recovered(), step=5):
            lasts.append(again)
        recovered()
        assert city.sent_to(owed) == owed.amount_minor, f"died at {at}, then in its recovery"
    assert len(lasts) > FEWEST_POINTS
    all_is_settled()


def test_waiting_for_money_survives_any_crash(city):
    for at, owed in sweep(lambda: city.store(funded=False), day):
        stripe.attempt()
        assert city.sent_to(owed) == 0
        stripe.topup(city.sandbox, owed.amount_minor)
        recovered()
        assert city.sent_to(owed) == owed.amount_minor, f"died at {at}"
    all_is_settled()


def test_a_refusal_gives_back_once_wherever_it_dies(city):
    unable = {"capabilities": {"transfers": "inactive"}}

    def refused() -> Owed:
        owed = city.store()
        city.sandbox.control("PUT", f"stripe/accounts/{owed.destination}", unable)
        return owed

    for at, owed in sweep(refused, day):
        recovered()
        assert (city.sent_to(owed), owed.account.balance_minor) == (0, owed.amount_minor), f"died at {at}"
        city.sandbox.control("PUT", f"stripe/accounts/{owed.destination}", stripe.ABLE)
        recovered(TOMORROW)
        assert (city.sent_to(owed), owed.account.balance_minor) == (owed.amount_minor, 0), f"died at {at}"
    assert set(Payout.objects.values_list("status", flat=True)) == {PayoutStatus.FAILED, PayoutStatus.PROCESSING}
    assert audit.prove_ledger().is_proved


def test_news_of_a_transfer_is_taken_once_wherever_it_dies(city):
    """A reversal and a bank payout, taken by a process that dies, and then again as the door's work queue would."""

    def reversed_and_paid() -> tuple[Owed, list[Any]]:
        owed = city.store()
        recovered()
        transfer = next(t for t in stripe_transfers(city) if t["destination"] == owed.destination)
        stripe.post(city.sandbox, f"transfers/{transfer['id']}/reversals", amount=300)
        city.sandbox.control("POST", "stripe/bank_payout", {"account": owed.destination})
        events = stripe.events(city.sandbox, types="transfer.reversed")[-1:]
        return owed, events + stripe.events(city.sandbox, account=owed.destination, types="payout.paid")

    for at, (owed, events) in sweep(reversed_and_paid, lambda made: [stripe.take(event) for event in made[1]]):
        for event in events:
            stripe.take(event)
        payout = Payout.objects.get(destination=owed.destination)
        assert (payout.status, owed.account.balance_minor) == (PayoutStatus.PAID, 300), f"died at {at}"
    assert audit.prove_ledger().is_proved


def stripe_transfers(city: City) -> list[dict[str, Any]]:
    return city.sandbox.control("GET", "stripe/summary")["transfers"]


# ── wrong ways of doing it, which the same sweeps must catch ─────────────────────────────────────────────────────
def test_a_fresh_key_for_each_attempt_is_caught(city, monkeypatch):
    monkeypatch.setattr(Payout, "idempotency_key", property(lambda payout: str(uuid.uuid4())))
    monkeypatch.setattr(transfers, "_look_up", lambda payout: None)
    assert any(wrong_points(city))


def test_a_key_without_a_look_up_is_caught_once_stripe_forgets(city, monkeypatch):
    monkeypatch.setattr(transfers, "_look_up", lambda payout: None)
    assert any(wrong_points(city, city.forget_keys))


def test_taking_silence_for_a_refusal_is_caught(city, monkeypatch):
    """No answer is not a no: giving the money back for it pays it again the next day."""
    create = transfers._create_transfer

    def hasty(payout: Payout) -> Any:
        try:
            return create(payout)
        except Exception as error:
            raise Permanent(str(error)) from error

    monkeypatch.setattr(transfers, "_create_transfer", hasty)
    owed = city.store()
    city.sandbox.fault("stripe", "answer", "lost_answer", path="/v1/transfers")
    recovered()
    recovered(TOMORROW)
    assert city.sent_to(owed) != owed.amount_minor
