"""Many incidents at once, told by several sweeps at once: one storm, one mail (SPEC N5)."""

from datetime import date, timedelta
from threading import Event

import pytest
from django.db import connection, transaction
from django.db.models import F

from foundation import clock, jobs
from foundation.events import Cause
from foundation.models import Job
from notifications.incidents import alerting, service
from notifications.incidents.service import Problem
from notifications.models import STANDING, STORM, Incident, Message
from ops.monitoring import missing_webhooks, provider_errors, queue_lag, rejected_webhooks, stuck_work
from orders.models import Order
from payouts.ledger import entries
from payouts.models import AccountKind, EntryKind, LedgerAccount, PayeeKind
from payouts.runs import runs
from tests import builders
from tests.ops.monitoring.open_incidents import called, knocked
from tests.races.riders_and_orders import together

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 32


@pytest.fixture(autouse=True)
def _ops_mailbox(settings) -> None:
    settings.OPS_EMAIL = "ops@handoff.example"


def report(number: int) -> None:
    service.open_incident("delivery_failed", severity="critical", title=f"Delivery {number}", dedupe=f"failed:{number}")


def pass_time() -> None:
    Incident.objects.update(first_at=F("first_at") - timedelta(seconds=10))


# spec: N5
def test_32_at_once_are_one_storm_and_one_mail():
    together([*(lambda number=number: report(number) for number in range(MANY)), *[alerting.alert_ops] * 4])
    for _ in range(3):
        pass_time()
        together([alerting.alert_ops] * 8)
    assert Incident.objects.filter(kind=STORM).count() == 1
    assert Message.objects.count() == 1
    assert Incident.objects.get(kind=STORM).count == MANY
    assert Incident.objects.filter(STANDING, folded_into__kind=STORM).count() == MANY


# spec: N5
def test_those_that_open_while_the_storm_is_told_fold_too():
    for number in range(8):
        report(number)
    pass_time()
    together([*(lambda number=number: report(number) for number in range(8, MANY)), *[alerting.alert_ops] * 8])
    for _ in range(3):
        pass_time()
        together([alerting.alert_ops] * 4)
    assert Message.objects.count() == 1
    assert Incident.objects.get(kind=STORM).count == MANY


# spec: N5
def test_deciding_about_a_storm_while_it_grows_and_its_members_mend_ends_well():
    lead = Cause(f"user:{builders.user().pk}", "admin")
    for number in range(8):
        report(number)
    for _ in range(2):
        pass_time()
        alerting.alert_ops()
    storm = Incident.objects.get(kind=STORM)
    results = together(
        [
            lambda: service.resolve_incident(storm, lead, "seen to", members=True),
            *(lambda number=number: service.resolve_key(f"failed:{number}", "mended") for number in range(8)),
            *(lambda number=number: report(number) for number in range(8, 16)),
            *[alerting.alert_ops] * 4,
        ]
    )
    assert not [one for one in results if isinstance(one, Exception)]
    storm.refresh_from_db()
    assert storm.status == "resolved"
    for _ in range(3):
        pass_time()
        alerting.alert_ops()
    standing = Incident.objects.filter(STANDING).exclude(kind=STORM)
    assert standing.count() == 8
    assert not standing.filter(folded_into__status="resolved").exists()


def test_two_sweeps_at_once_hold_one_incident():
    def hold() -> None:
        service.sync_incidents("probe", [Problem(f"probe:{number}", "It is wrong", count=3) for number in range(4)])

    together([hold] * 8)
    assert set(Incident.objects.values_list("count", "status")) == {(3, "open")}
    assert Incident.objects.count() == 4
    together([lambda: service.sync_incidents("probe", [])] * 8)
    assert not Incident.objects.filter(STANDING).exists()


# spec: W6
def test_all_watches_many_times_at_once_report_everything_once():
    for _ in range(6):
        called("uber", "delivery.create", "unknown")
        called("uber", "delivery.quote")
    knocked("cooco", "missing_signature", 7)
    jobs.enqueue_job("orders.nothing", "order:1")
    Job.objects.update(state="dead", processed_at=clock.now())
    Order.objects.filter(pk=builders.paid_order().pk).update(
        status="in_transit", in_transit_at=clock.now() - timedelta(days=1), created_at=clock.now() - timedelta(days=1)
    )
    together(
        [
            rejected_webhooks.watch_rejections,
            provider_errors.watch_providers,
            missing_webhooks.watch_silence,
            queue_lag.watch_queues,
            stuck_work.watch_stuck_work,
        ]
        * 4
    )
    assert sorted(Incident.objects.values_list("dedupe_key", "count")) == [
        ("dead_letters:jobs", 1),
        ("orders_stuck:in_transit", 1),
        ("provider_errors:uber", 6),
        ("signature_failures:cooco", 7),
    ]


# spec: M2
def test_a_payout_run_that_could_not_have_an_account_says_so_until_one_leaves_nobody_out():
    account = LedgerAccount.objects.create(
        payee_kind=PayeeKind.STORE, payee_id=1, payee_name="Store", kind=AccountKind.PAYABLE, currency="USD"
    )
    with transaction.atomic():
        entries.book_entry(account, EntryKind.ORDER, "order:1", 700, occurred_at=clock.now())
    held, done = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            LedgerAccount.objects.select_for_update().get(pk=account.pk)
            held.set()
            done.wait(30)

    def run() -> None:
        held.wait(30)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        runs.run_stores(date(2026, 11, 20))
        done.set()

    together([hold, run])
    assert list(Incident.objects.filter(STANDING).values_list("kind", "count")) == [("payout_run_incomplete", 1)]
    runs.run_stores(date(2026, 11, 20))
    assert list(Incident.objects.filter(STANDING).values_list("kind", flat=True)) == ["payout_skipped"]
