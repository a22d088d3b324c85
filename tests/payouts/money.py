"""What money tests build and look at: orders that ended somehow, deliveries, and what stands on whose account."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from deliveries.lifecycle import DeliveryStatus, FlagStatus
from deliveries.models import Delivery, FraudFlag, FraudKind
from foundation import clock
from foundation.events import Cause
from foundation.models import Role
from orders import cancellation, delivery_progress, locks, payments, refunds
from orders.models import Order
from payouts import reactions
from payouts.ledger import accounts
from payouts.ledger import entries as ledger_entries
from payouts.models import AccountKind, CourierPayee, EntryKind, LedgerAccount, LedgerEntry, PayeeKind
from riders.models import Rider
from tests import builders
from tests.builders import TEST


def by_finance() -> Cause:
    """Somebody at the console who may do everything with payouts."""
    return Cause(f"user:{builders.user(Role.FINANCE).pk}", "admin")


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────
def stands(payee_kind: PayeeKind, payee_id: int, currency: str = "INR") -> tuple[int, int]:
    """(held, payable); zero for an account that nobody needed yet."""
    rows_ = LedgerAccount.objects.filter(payee_kind=payee_kind, payee_id=payee_id, currency=currency)
    found = dict(rows_.values_list("kind", "balance_minor"))
    return found.get(AccountKind.HELD, 0), found.get(AccountKind.PAYABLE, 0)


def of_store(order: Order) -> tuple[int, int]:
    return stands(PayeeKind.STORE, order.store_id, order.currency)


def of_rider(rider: Rider) -> tuple[int, int]:
    return stands(PayeeKind.RIDER, rider.pk)


def statement(payee_kind: PayeeKind, payee_id: int) -> list[tuple[str, str, int]]:
    """What was booked, in order: (account, kind, amount)."""
    entries = LedgerEntry.objects.filter(account__payee_kind=payee_kind, account__payee_id=payee_id).order_by("id")
    return [(entry.account.kind, entry.kind, entry.amount_minor) for entry in entries.select_related("account")]


def statement_of_store(order: Order) -> list[tuple[str, str, int]]:
    return statement(PayeeKind.STORE, order.store_id)


# ── orders ───────────────────────────────────────────────────────────────────────────────────────────────────────
def book(order: Order) -> Order:
    reactions.book_order(order.pk)
    order.refresh_from_db()
    return order


def deliver(order: Order) -> None:
    with transaction.atomic():
        delivery_progress.record_delivered(locks.lock_order(order.pk), 0, by=TEST)


def fail(order: Order, reason: str = "nobody home") -> None:
    with transaction.atomic():
        delivery_progress.record_failed(locks.lock_order(order.pk), 0, reason, by=TEST)


def cancel(order: Order, **how: Any) -> None:
    with transaction.atomic():
        cancellation.cancel_order(locks.lock_order(order.pk), by=TEST, reason="changed their mind", **how)


def ask_refund(order: Order, amount_minor: int, reference: str = "goodwill") -> None:
    with transaction.atomic():
        refunds.request_refund(locks.lock_order(order.pk), amount_minor, reference=reference, reason="test")


def refunded(order: Order, refunded_minor: int) -> None:
    """Stripe says that so much went back by now."""
    payments.apply_payment_event(builders.refund_of(order, refunded_minor))


# ── deliveries ───────────────────────────────────────────────────────────────────────────────────────────────────
def delivery(rider: Rider, *, order: Order | None = None, fee_minor: int = 5_000, **facts: Any) -> Delivery:
    """An in-house delivery that has arrived."""
    of = order or builders.order(tip_minor=0)
    known = {"status": DeliveryStatus.DELIVERED, "ended_at": clock.now(), "attempt": 1, "rider": rider}
    return Delivery.objects.create(
        order=of, external_id=f"{of.public_id}-1", fee_minor=fee_minor, currency=of.currency, **{**known, **facts}
    )


def courier_delivery(
    status: DeliveryStatus = DeliveryStatus.DELIVERED,
    *,
    ended_at: datetime | None = None,
    ready_at: datetime | None = None,
    time_zone: str = "America/Chicago",
    job: dict[str, Any] | None = None,
    **facts: Any,
) -> Delivery:
    """A courier company's delivery (default: COOCO's, 3.5 km, delivered), ready for pickup at noon UTC unless said.

    `facts` are columns of the delivery, `job` those of its CourierJob.
    """
    at = ended_at or clock.now()
    of = builders.order(
        of=builders.store(currency="USD", time_zone=time_zone), ready_at=ready_at or at.replace(hour=12, minute=0)
    )
    told = {"assigned": (at - timedelta(minutes=20)).isoformat(), str(status): at.isoformat()}
    job = {"history": told, "reference": f"job-{of.pk}", **(job or {})}
    made = Delivery.objects.create(
        order=of,
        attempt=1,
        external_id=f"{of.public_id}-1",
        status=status,
        ended_at=at,
        fee_minor=5_000,
        currency=of.currency,
        **{"courier": "cooco", "distance_m": 3_500, **facts},
    )
    builders.courier_job(made, **job)
    return made


def of_courier(courier: str = "cooco", currency: str = "USD") -> tuple[int, int]:
    known = CourierPayee.objects.filter(courier=courier).values_list("pk", flat=True).first()
    return stands(PayeeKind.PROVIDER, known or 0, currency)


def flag(of: Delivery, status: FlagStatus = FlagStatus.OPEN) -> FraudFlag:
    assert of.rider is not None
    return FraudFlag.objects.create(kind=FraudKind.FAKE_DELIVERY, rider=of.rider, delivery=of, status=status)


def decide(raised: FraudFlag, status: FlagStatus) -> None:
    FraudFlag.objects.filter(pk=raised.pk).update(status=status)


# ── accounts with money on them ──────────────────────────────────────────────────────────────────────────────────
def owed(payee_id: int, amount_minor: int, *, currency: str = "USD", name: str = "Store") -> LedgerAccount:
    """A store's payable account with so much on it, as delivered orders would leave it."""
    with transaction.atomic():
        pair = accounts.lock_accounts(PayeeKind.STORE, payee_id, name, currency)
        reference = f"adjustment:{pair.payable.entries + 1}"
        ledger_entries.book_entry(
            pair.payable, EntryKind.ADJUSTMENT, reference, amount_minor, occurred_at=clock.now(), note="test"
        )
    return LedgerAccount.objects.get(pk=pair.payable.pk)
