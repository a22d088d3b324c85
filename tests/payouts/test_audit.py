"""Proving the ledger: what they say when all is well, and that they see every way of tampering (SPEC M1)."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from foundation import jobs
from foundation.models import Job
from payouts import audit, reactions
from payouts.models import LedgerAccount, Payout
from tests import builders
from tests.payouts import money
from tests.payouts.money import book

# spec: M1
pytestmark = pytest.mark.django_db
SHARE = 34_000


@pytest.fixture
def order():
    delivered = builders.paid_order()
    money.deliver(delivered)
    Job.objects.all().delete()
    return delivered


def tamper(*statements: str, table: str = "payouts_ledgerentry") -> None:
    """What somebody with the keys of the database could do."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            cursor.execute(statement)
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def failures() -> list[str]:
    return [failure["what"] for failure in audit.prove_ledger().failures]


def test_books_that_agree(order):
    book(order)
    rider = builders.rider(online=False)
    delivery = money.delivery(rider, order=order)
    reactions.book_delivery(delivery.pk)
    report = audit.prove_ledger()
    assert report.is_proved
    assert report.checked == {
        "guards": 3,
        "accounts": 4,
        "pairs": 1,
        "payouts": 0,
        "debits": 0,
        "orders": 1,
        "deliveries": 1,
        "courier_deliveries": 0,
    }
    assert report.totals == {
        "INR": {"rider_held": 0, "rider_payable": 5_000, "store_held": 0, "store_payable": SHARE},
    }


def test_what_no_job_will_book_is_missing(order):
    assert failures() == [
        f"not booked: order order:{order.pk} of {SHARE} on held",
        f"not booked: release order:{order.pk}:1 of {SHARE} on payable",
    ]
    jobs.enqueue_job("payouts.book_order", f"order:{order.pk}")
    report = audit.prove_ledger()
    assert (report.is_proved, report.waiting) == (True, 1)  # a job will
    Job.objects.update(state="dead")
    assert not audit.prove_ledger().is_proved


@pytest.mark.parametrize(
    ("statement", "seen"),
    [
        ("UPDATE payouts_ledgerentry SET amount_minor = amount_minor + 1 WHERE kind = 'order'", "sum up to"),
        ("DELETE FROM payouts_ledgerentry WHERE kind = 'release' AND amount_minor > 0", "does not add up"),
        ("DELETE FROM payouts_ledgerentry WHERE kind = 'release'", "not booked: release"),
        ("UPDATE payouts_ledgerentry SET balance_minor = 5 WHERE sequence = 1", "wrong balance"),
        ("UPDATE payouts_ledgerentry SET sequence = 9 WHERE sequence = 2", "out of sequence"),
        ("UPDATE payouts_ledgerentry SET reference = 'order:0' WHERE kind = 'order'", "not booked: order"),
    ],
)
def test_tampering_with_entries_is_seen(order, statement, seen):
    book(order)
    tamper(statement)
    assert any(seen in what for what in failures())


def test_tampering_with_a_balance_is_seen(order):
    book(order)
    tamper("UPDATE payouts_ledgeraccount SET balance_minor = 5 WHERE kind = 'held'", table="payouts_ledgeraccount")
    assert failures() == ["its balance is 5, its entries sum up to 0"]


def test_a_payout_whose_status_and_entries_disagree_is_seen(order):
    book(order)
    account = LedgerAccount.objects.get(kind="payable")
    payout = Payout.objects.create(account=account, period="x", amount_minor=5, currency="INR", destination="acct_1")
    assert failures() == ["pending: 0 booked, 5 gone"]
    Payout.objects.filter(pk=payout.pk).update(status="failed")
    assert failures() == []


def test_a_missing_guard_is_seen(order):
    book(order)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("DROP TRIGGER keep_entry ON payouts_ledgerentry")
    assert failures() == ["trigger keep_entry is not in force"]


def test_the_command_ends_with_the_verdict(order):
    said = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("books", stdout=said)
    assert ended.value.code == 1
    assert f"✗ order:{order.pk}: not booked" in said.getvalue()
    book(order)
    said = StringIO()
    call_command("books", "--json", stdout=said)
    report = json.loads(said.getvalue())
    assert (report["proved"], report["failures"], report["waiting"]) == (True, [], 0)
    assert report["totals"]["INR"]["store_payable"] == SHARE
