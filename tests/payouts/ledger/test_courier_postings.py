"""What a courier company's accounts say of its deliveries, and that nothing is ever sent to it (SPEC C3, C6, M1)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import permutations

import pytest
from django.db import IntegrityError, connection, transaction

from config.reactions import REACTIONS
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import CourierJob, Delivery
from foundation import clock, events, jobs
from foundation.http import CallRecord, record_call
from foundation.models import Job
from payouts import audit, reactions
from payouts.models import ConnectAccount, CourierPayee, LedgerAccount, LedgerEntry, PayeeKind, Payout
from payouts.runs import runs
from payouts.runs.runs import SkipReason
from tests.builders import TEST
from tests.payouts import money
from tests.payouts.money import of_courier

pytestmark = pytest.mark.django_db
FEE, PEAK_FEE, STOPPED = 475, 618, 500  # of 3.5 km: 3.00 + 1.75; 6.175 rounded half up; with a driver assigned
DELIVERED, FAILED, CANCELLED = DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.CANCELLED


def booked(delivery: Delivery) -> int:
    """What its company is owed after the reaction has run, twice."""
    for _ in range(2):
        reactions.book_delivery(delivery.pk)
    held, payable = of_courier(delivery.courier)
    assert held == 0
    return payable


def now_it_is(delivery: Delivery, status: DeliveryStatus, **facts) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(status=status, **facts)


def statement(courier: str = "cooco") -> list[tuple[str, str, int]]:
    return money.statement(PayeeKind.PROVIDER, CourierPayee.objects.get(courier=courier).pk)


# ── the amounts ──────────────────────────────────────────────────────────────────────────────────────────────────
# spec: C3, C6
def test_a_delivery_is_one_entry_by_the_tariff():
    delivery = money.courier_delivery()
    assert booked(delivery) == FEE
    assert statement() == [("payable", "delivery_fee", FEE)]
    entry = LedgerEntry.objects.get()
    assert (entry.reference, entry.order_ref, entry.occurred_at) == (
        f"delivery:{delivery.pk}",
        delivery.order.public_id,
        delivery.ended_at,
    )
    account = LedgerAccount.objects.get(kind="payable")
    assert (account.payee_kind, account.payee_name, account.currency) == ("provider", "COOCO", "USD")


@pytest.mark.parametrize(
    ("ready_at", "time_zone", "fee"),
    [
        ("2026-11-20T22:59:59Z", "America/Chicago", FEE),  # 16:59:59 on the store's wall
        ("2026-11-20T23:00:00Z", "America/Chicago", PEAK_FEE),
        ("2026-11-21T01:59:59Z", "America/Chicago", PEAK_FEE),
        ("2026-11-21T02:00:00Z", "America/Chicago", FEE),
        ("2026-03-07T22:30:00Z", "America/Chicago", FEE),  # the day before the clocks go forward: 16:30
        ("2026-03-08T22:30:00Z", "America/Chicago", PEAK_FEE),  # the day of it: 17:30
        ("2026-10-31T22:30:00Z", "America/Chicago", PEAK_FEE),  # the day before they go back: 17:30
        ("2026-11-01T22:30:00Z", "America/Chicago", FEE),  # the day of it: 16:30
        ("2026-11-20T11:30:00Z", "Asia/Kolkata", PEAK_FEE),
        ("2026-11-20T17:30:00Z", "UTC", PEAK_FEE),
    ],
)
def test_the_peak_is_by_the_clock_on_the_stores_wall(ready_at, time_zone, fee):
    at = datetime.fromisoformat(ready_at)
    delivery = money.courier_delivery(ready_at=at, ended_at=at + timedelta(hours=3), time_zone=time_zone)
    assert booked(delivery) == fee


def test_what_counts_is_the_pickup_that_was_asked_for_not_when_it_was_ready():
    at = datetime(2026, 11, 20, 16, 40, tzinfo=UTC)
    delivery = money.courier_delivery(ready_at=at, time_zone="UTC")
    for outcome, pickup in (("unknown", "2026-11-20T16:50:00Z"), ("ok", "2026-11-20T17:00:00Z")):
        call = CallRecord("cooco", "delivery.create", f"delivery:{delivery.pk}", "POST", "https://api.cooco.test/v2")
        call.request = {"external_id": delivery.external_id, "delivery_window": {"pickup_after": pickup}}
        try:
            with record_call(call):
                if outcome == "unknown":
                    raise TimeoutError
        except TimeoutError:
            pass
    assert booked(delivery) == PEAK_FEE


def test_without_a_known_distance_it_is_the_straight_line():
    delivery = money.courier_delivery(distance_m=None)  # the builder's customer lives 2 km to the north
    assert booked(delivery) == 400


def test_what_stops_with_a_driver_assigned_costs_its_fee():
    assert booked(money.courier_delivery(CANCELLED)) == STOPPED
    assert statement() == [("payable", "cancellation_fee", STOPPED)]


@pytest.mark.parametrize(
    ("facts", "owed"),
    [
        ({"history": {"stopped": "2026-11-20T12:00:00+00:00"}}, 0),  # nobody was assigned
        ({"fee_minor": 0, "fee_currency": "USD"}, 0),  # it said that it costs nothing
        ({"fee_minor": 250, "fee_currency": "USD"}, 250),  # its own figure
        ({"fee_minor": 500, "fee_currency": "USD", "history": {}}, 500),  # we missed the driver
        ({"history": {"assigned": "2026-11-20T12:00:00+00:00"}, "stop_refused_at": clock.now()}, 0),
    ],
)
def test_a_cancellation_costs_what_was_said_and_only_once_a_driver_was_assigned(facts, owed):
    assert booked(money.courier_delivery(CANCELLED, job=facts)) == owed


@pytest.mark.parametrize(
    "status", [FAILED, DeliveryStatus.RETURNED, DeliveryStatus.IN_TRANSIT, DeliveryStatus.REQUESTED]
)
def test_what_did_not_arrive_costs_nothing_and_needs_no_account(status):
    assert booked(money.courier_delivery(status)) == 0
    assert not LedgerAccount.objects.exists()


def test_other_companies_get_what_they_said():
    delivery = money.courier_delivery(courier="uber", job={"fee_minor": 799, "fee_currency": "USD"})
    assert booked(delivery) == 799
    CourierJob.objects.update(fee_minor=899)
    assert booked(delivery) == 899
    assert statement("uber") == [("payable", "delivery_fee", 799), ("payable", "reversal", 100)]
    assert booked(money.courier_delivery(courier="doordash")) == 0  # it has not said yet


# ── ends that are overruled ──────────────────────────────────────────────────────────────────────────────────────
def test_an_overruled_end_is_corrected_by_further_entries():
    delivery = money.courier_delivery()
    owed = []
    for status in (DELIVERED, FAILED, DELIVERED, CANCELLED, DELIVERED):
        now_it_is(delivery, status)
        owed.append(booked(delivery))
        assert audit.prove_ledger().failures == []
    assert owed == [FEE, 0, FEE, STOPPED, FEE]
    kinds = [(kind, amount) for _, kind, amount in statement()]
    assert kinds == [
        ("delivery_fee", FEE),
        ("reversal", -FEE),
        ("reversal", FEE),
        ("cancellation_fee", STOPPED),
        ("reversal", -FEE),
        ("reversal", FEE - STOPPED),
    ]


@pytest.mark.parametrize("order", list(permutations([FAILED, CANCELLED, DELIVERED, DeliveryStatus.RETURNED])))
def test_whatever_came_before_the_last_word_stands(order):
    delivery = money.courier_delivery(DeliveryStatus.REQUESTED)
    for number, status in enumerate(order):
        now_it_is(delivery, status)
        if number % 2:
            booked(delivery)
    assert booked(delivery) == {DELIVERED: FEE, CANCELLED: STOPPED}.get(order[-1], 0)
    assert audit.prove_ledger().is_proved


def test_the_amount_of_a_delivery_stays_when_what_it_was_made_of_is_gone():
    delivery = money.courier_delivery()
    assert booked(delivery) == FEE
    Delivery.objects.update(distance_m=9_000)
    assert booked(delivery) == FEE
    assert audit.prove_ledger().is_proved


# ── the proof ────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: M1
def test_a_courier_delivery_that_nobody_booked_is_missing():
    delivery = money.courier_delivery()
    report = audit.prove_ledger()
    assert report.failures == [
        {
            "subject": f"delivery:{delivery.pk}",
            "what": f"not booked: delivery_fee delivery:{delivery.pk} of 475 on payable",
        }
    ]
    booked(delivery)
    report = audit.prove_ledger()
    assert report.is_proved
    assert report.checked["courier_deliveries"] == 1
    assert report.totals == {"USD": {"provider_held": 0, "provider_payable": FEE}}


def test_the_end_of_a_delivery_leads_here():
    assert "payouts.book_delivery" in REACTIONS["delivery.ended"]
    delivery = money.courier_delivery()
    with transaction.atomic():
        events.record_event("delivery.ended", delivery, by=TEST)
    job = Job.objects.get(handler="payouts.book_delivery")
    jobs.run_job(job)
    assert of_courier() == (0, FEE)


# ── nothing is pushed ────────────────────────────────────────────────────────────────────────────────────────────
# spec: C6
def test_no_run_pays_a_courier_company_out(settings):
    settings.MIN_PAYOUT_MINOR = 1
    booked(money.courier_delivery())
    account = LedgerAccount.objects.get(kind="payable")
    connected = ConnectAccount.objects.create(
        payee_kind="provider", payee_id=account.payee_id, stripe_account="acct_cooco", payouts_enabled=True
    )
    run = runs.run_stores(date(2026, 11, 21))
    assert (run.frozen, run.skipped) == ([], [])
    skipped = runs.freeze_account(account.pk, "2026-11-21", by=money.by_finance())
    assert not isinstance(skipped, Payout)
    assert skipped.reason == runs.find_obstacle(account, connected) == SkipReason.TAKES_ITSELF
    assert of_courier() == (0, FEE)


def test_the_database_refuses_a_payout_to_a_courier_company():
    booked(money.courier_delivery())
    account = LedgerAccount.objects.get(kind="payable")
    with pytest.raises(IntegrityError, match="not paid by transfer"), transaction.atomic():
        Payout.objects.create(account=account, period="x", amount_minor=1, currency="USD", destination="acct_1")
    assert not Payout.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_bookings_of_one_courier_delivery_at_once_are_one_booking():
    delivery = money.courier_delivery()

    def work(_: int) -> None:
        try:
            reactions.book_delivery(delivery.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(16)))
    assert statement() == [("payable", "delivery_fee", FEE)]
    assert CourierPayee.objects.count() == 1
