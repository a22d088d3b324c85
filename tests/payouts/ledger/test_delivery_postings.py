"""What a rider's accounts say of a delivery (SPEC R6, R9, R10, R11)."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from deliveries.lifecycle import DeliveryStatus, FlagStatus
from foundation import clock
from payouts import audit, reactions
from payouts.ledger import accounts
from payouts.models import LedgerEntry, PayeeKind
from payouts.runs import transitions
from riders.models import Referral
from tests import builders
from tests.builders import TEST
from tests.payouts import money
from tests.payouts.money import decide, of_rider

pytestmark = pytest.mark.django_db
FEE, TIP = 5_000, 700


@pytest.fixture
def rider():
    return builders.rider(online=False)


@pytest.fixture
def delivery(rider):
    return money.delivery(rider, order=builders.order(tip_minor=TIP))


def booked(delivery) -> tuple[int, int]:
    reactions.book_delivery(delivery.pk)
    return of_rider(delivery.rider)


def paid_out(rider) -> object:
    with transaction.atomic():
        pair = accounts.lock_accounts(PayeeKind.RIDER, rider.pk, rider.name, "INR")
        return transitions.freeze_payout(pair.payable, period="2026-W47", destination="acct_1", by=TEST)


# spec: R6, R10
def test_a_delivery_earns_fee_and_tip_once(rider, delivery):
    for _ in range(3):
        assert booked(delivery) == (0, FEE + TIP)
    assert money.statement(PayeeKind.RIDER, rider.pk) == [("payable", "delivery_fee", FEE), ("payable", "tip", TIP)]
    entry = LedgerEntry.objects.get(kind="delivery_fee")
    assert (entry.order_ref, entry.occurred_at) == (delivery.order.public_id, delivery.ended_at)


@pytest.mark.parametrize("status", [DeliveryStatus.FAILED, DeliveryStatus.CANCELLED, DeliveryStatus.IN_TRANSIT])
def test_what_did_not_arrive_earns_nothing(rider, status):
    assert booked(money.delivery(rider, status=status)) == (0, 0)


def test_what_a_courier_company_carried_earns_no_rider_anything(rider):
    assert booked(money.delivery(rider, courier="cooco")) == (0, 0)


def test_a_delivery_without_fee_and_tip_needs_no_entries(rider):
    assert booked(money.delivery(rider, fee_minor=0)) == (0, 0)
    assert LedgerEntry.objects.count() == 0


# spec: R11
def test_an_open_flag_holds_the_earning_until_it_is_dismissed(rider, delivery):
    flag = money.flag(delivery)
    assert booked(delivery) == (FEE + TIP, 0)
    decide(flag, FlagStatus.DISMISSED)
    assert booked(delivery) == (0, FEE + TIP)
    assert booked(delivery) == (0, FEE + TIP)


def test_a_flag_that_comes_later_takes_the_earning_back_to_held(rider, delivery):
    assert booked(delivery) == (0, FEE + TIP)
    first = money.flag(delivery)
    assert booked(delivery) == (FEE + TIP, 0)
    second = money.flag(delivery)
    decide(first, FlagStatus.DISMISSED)
    assert booked(delivery) == (FEE + TIP, 0)  # the other one is open still
    decide(second, FlagStatus.DISMISSED)
    assert booked(delivery) == (0, FEE + TIP)
    third = money.flag(delivery)
    assert booked(delivery) == (FEE + TIP, 0)
    decide(third, FlagStatus.DISMISSED)
    assert booked(delivery) == (0, FEE + TIP)
    assert audit.prove_ledger().is_proved


def test_an_upheld_flag_reverses_the_earning_where_it_stands(rider, delivery):
    flag = money.flag(delivery)
    booked(delivery)
    decide(flag, FlagStatus.UPHELD)
    for _ in range(2):
        assert booked(delivery) == (0, 0)
    money.flag(delivery)
    assert booked(delivery) == (0, 0)


def test_a_flag_upheld_before_anything_was_booked_shows_both(rider, delivery):
    money.flag(delivery, FlagStatus.UPHELD)
    assert booked(delivery) == (0, 0)
    kinds = [kind for _, kind, _ in money.statement(PayeeKind.RIDER, rider.pk)]
    assert kinds == ["delivery_fee", "tip", "reversal"]


def test_what_was_paid_out_is_not_held_but_owed_when_the_flag_is_upheld(rider, delivery):
    booked(delivery)
    paid_out(rider)
    later = money.delivery(rider, order=builders.order())
    assert booked(later) == (0, FEE)
    flag = money.flag(delivery)
    assert booked(delivery) == (0, FEE)  # the later earning is not what the flag is about
    assert audit.prove_ledger().failures == []
    decide(flag, FlagStatus.UPHELD)
    assert booked(delivery) == (0, -TIP)


def test_what_a_failed_payout_gave_back_is_held_again(rider, delivery):
    booked(delivery)
    payout = paid_out(rider)
    money.flag(delivery)
    assert booked(delivery) == (0, 0)
    with transaction.atomic():
        transitions.change_status(transitions.lock_payout(payout.pk), "cancelled", by=TEST)
    assert booked(delivery) == (FEE + TIP, 0)


# spec: R9
def test_a_referral_earns_its_bonus_once(rider):
    referral = Referral.objects.create(referrer=rider, referred=builders.applicant())
    reactions.book_referral(referral.pk)
    assert of_rider(rider) == (0, 0)
    Referral.objects.update(earned_at=clock.now())
    for _ in range(2):
        reactions.book_referral(referral.pk)
    assert of_rider(rider) == (0, 50_000)


@pytest.mark.django_db(transaction=True)
def test_bookings_of_one_delivery_at_once_are_one_booking(rider, delivery):
    def work(number: int) -> None:
        try:
            if number == 12:
                money.flag(delivery)
            reactions.book_delivery(delivery.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(24)))
    assert booked(delivery) == (FEE + TIP, 0)
    assert audit.prove_ledger().is_proved
