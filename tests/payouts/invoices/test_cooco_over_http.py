"""COOCO's whole week over HTTP: asked, carried, booked, invoiced in its own words, debited (SPEC C3, C6)."""

from datetime import UTC, datetime, timedelta

import pytest
import requests
from django.db import transaction

from deliveries import locks as deliveries_locks
from deliveries.couriers import cancellation, enqueue
from deliveries.fulfilment import transitions
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import CourierCall, Delivery
from foundation import clock
from orders import locks as orders_locks
from orders.models import Order
from payouts import audit
from payouts.invoices import commands
from payouts.invoices.commands import InvoiceHeading
from payouts.lifecycle import InvoiceStatus
from payouts.models import CourierInvoiceLine, LedgerEntry
from tests import builders
from tests.builders import TEST
from tests.payouts.money import by_finance, of_courier
from tests.queues import drain_queues

pytestmark = pytest.mark.django_db


def drain() -> None:
    """What is due of calls to companies and of jobs, in this thread's transaction."""
    drain_queues("couriers", "jobs", one_by_one=True)


def asked(pickup_at: datetime) -> Delivery:
    """A delivery in USD that COOCO has been asked for, to be fetched then."""
    seller = builders.store(currency="USD", country="US", time_zone="UTC", phone="+15555551234")
    placed = builders.ready(builders.paid_order(of=seller, customer_phone="+15555559999"))
    Order.objects.filter(pk=placed.pk).update(ready_at=pickup_at)
    delivery = builders.searching(Order.objects.get(pk=placed.pk))
    with transaction.atomic():
        transitions.request_courier(
            orders_locks.lock_order(placed.pk), deliveries_locks.lock_delivery(delivery.pk), "cooco", None, by=TEST
        )
    drain()
    delivery.refresh_from_db()
    assert delivery.courier_job.reference
    return delivery


def moved(sandbox, delivery: Delivery, to: str) -> Delivery:
    """COOCO's driver got so far, and COOCO was asked about it."""
    sandbox.control("POST", f"cooco/jobs/{delivery.courier_job.reference}/move", {"to": to})
    enqueue.enqueue_call(delivery, CourierCall.Purpose.CHECK)
    drain()
    delivery.refresh_from_db()
    return delivery


def at_hour(hour: int) -> datetime:
    return datetime.combine(clock.now().date() + timedelta(days=1), datetime.min.time(), UTC).replace(hour=hour)


def bill(sandbox) -> bytes:
    """What COOCO asks for the last hours."""
    now = datetime.now(UTC)
    period = {"from": (now - timedelta(hours=6)).isoformat(), "to": (now + timedelta(minutes=1)).isoformat()}
    reply = requests.get(f"{sandbox.url}/_control/cooco/invoice", params=period, timeout=5)
    reply.raise_for_status()
    return reply.content


# spec: C3, C6
def test_what_cooco_asks_is_what_we_booked(sandbox):
    plain, peak, stopped, lost = asked(at_hour(12)), asked(at_hour(18)), asked(at_hour(12)), asked(at_hour(12))
    for delivery in (plain, peak):
        assert moved(sandbox, delivery, "completed").status == DeliveryStatus.DELIVERED
    moved(sandbox, stopped, "driver_assigned")
    with transaction.atomic():
        cancellation.stop_courier(
            orders_locks.lock_order(stopped.order_id),
            deliveries_locks.lock_delivery(stopped.pk),
            "customer cancelled",
            by=TEST,
        )
    drain()
    moved(sandbox, lost, "failed")
    # the pickup counts as it was asked for, whatever became of the order since
    Order.objects.filter(pk=peak.order_id).update(ready_at=at_hour(21))

    booked = {
        entry.order_ref: (entry.kind, entry.amount_minor)
        for entry in LedgerEntry.objects.filter(account__payee_kind="provider")
    }
    assert booked == {
        plain.order.public_id: ("delivery_fee", 400),
        peak.order.public_id: ("delivery_fee", 520),
        stopped.order.public_id: ("cancellation_fee", 500),
    }
    today = clock.now().date()
    heading = InvoiceHeading("cooco", "C-1", today - timedelta(days=1), today + timedelta(days=1), today)
    invoice, _ = commands.import_invoice(heading, bill(sandbox), by=by_finance())
    verdicts = CourierInvoiceLine.objects.values_list("verdict", "amount_minor", "expected_minor").order_by("position")
    assert sorted(verdicts) == [("same", 400, 400), ("same", 500, 500), ("same", 520, 520)]
    assert (invoice.status, invoice.total_minor) == (InvoiceStatus.MATCHED, 1_420)
    commands.record_debit(invoice, amount_minor=1_420, debited_on=today, reference="txn_1", by=by_finance())
    invoice.refresh_from_db()
    assert (invoice.status, of_courier()) == (InvoiceStatus.SETTLED, (0, 0))
    assert [
        one for one in audit.prove_ledger().failures if one["subject"].startswith(("delivery", "courierdebit"))
    ] == []
