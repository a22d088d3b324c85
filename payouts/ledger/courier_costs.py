"""What a courier company earns of a delivery (SPEC C3, C6): read here, booked by payouts/reactions.py.

COOCO is paid by its tariff, in USD: what it takes for a delivery depends on the distance and on the pickup that we
asked for. The other companies are paid what they said (CourierJob.fee_minor). A cancelled job costs something
only once a driver was assigned. A failed or returned one costs nothing; should an invoice say otherwise, that is a
difference for people to look at.

A company is the payee "provider:<id>", numbered by its CourierPayee row.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import QuerySet

from deliveries.couriers import providers
from deliveries.couriers.providers.cooco import tariff
from deliveries.couriers.providers.status_update import CourierStage
from deliveries.eta import estimate
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery
from foundation.events import subject_of
from foundation.models import OutboundCall
from orders import deadlines
from payouts.ledger import accounts
from payouts.ledger.accounts import PayeeAccounts
from payouts.ledger.posting_rules import CourierFacts
from payouts.models import CourierPayee, EntryKind, LedgerAccount, LedgerEntry, PayeeKind

COOCO = "cooco"
EARNING = (EntryKind.DELIVERY_FEE, EntryKind.CANCELLATION_FEE)


# ── who is paid ──────────────────────────────────────────────────────────────────────────────────────────────────
def payee_id(courier: str) -> int:
    """The company's number in the ledger; given out at first use."""
    known = CourierPayee.objects.filter(courier=courier).values_list("pk", flat=True)
    if (number := known.first()) is None:
        CourierPayee.objects.bulk_create([CourierPayee(courier=courier)], ignore_conflicts=True)
        number = known.get()
    return number


def lock_payee(courier: str) -> None:
    """Stand in line with whoever else deals with this company's invoices. Needs a transaction."""
    CourierPayee.objects.select_for_update(no_key=True).get(pk=payee_id(courier))


def lock_courier_accounts(courier: str, currency: str) -> PayeeAccounts:
    """The company's accounts, locked. Needs a transaction."""
    return accounts.lock_accounts(PayeeKind.PROVIDER, payee_id(courier), courier_title(courier), currency)


def accounts_of(courier: str) -> QuerySet[LedgerAccount]:
    number = CourierPayee.objects.filter(courier=courier).values("pk")
    return LedgerAccount.objects.filter(payee_kind=PayeeKind.PROVIDER, payee_id__in=number)


def courier_title(courier: str) -> str:
    try:
        return providers.find_provider(courier).title
    except KeyError:  # a company that this release no longer knows keeps its accounts
        return courier


# ── what it earned ───────────────────────────────────────────────────────────────────────────────────────────────
def currency_of(delivery: Delivery) -> str:
    """What the company is paid in."""
    if delivery.courier == COOCO:
        return tariff.CURRENCY
    return (delivery.courier_job.fee_currency or delivery.currency).upper()


def facts_of(delivery: Delivery, entries: Sequence[LedgerEntry]) -> CourierFacts:
    """`entries` are the company's of this order."""
    fact = subject_of(delivery)
    kind = _kind_of(delivery)
    if kind is None:
        return CourierFacts(fact)
    amount_minor = (
        _delivered_minor(delivery, fact, entries) if kind == EntryKind.DELIVERY_FEE else _cost_of_stopping(delivery)
    )
    return CourierFacts(fact, kind, amount_minor, delivery.ended_at)


def _kind_of(delivery: Delivery) -> EntryKind | None:
    if delivery.status == DeliveryStatus.DELIVERED:
        return EntryKind.DELIVERY_FEE
    if delivery.status != DeliveryStatus.CANCELLED:
        return None
    if CourierStage.ASSIGNED not in delivery.courier_job.history and not _named_a_fee(delivery):
        return None
    if delivery.courier_job.stop_refused_at is not None and CourierStage.CANCELLED not in delivery.courier_job.history:
        return None  # it would not stop and is over only for us: it will say how it ended
    return EntryKind.CANCELLATION_FEE


def _named_a_fee(delivery: Delivery) -> bool:
    """COOCO names one figure only, that of a cancellation: with it a driver was assigned, heard of or not."""
    return delivery.courier == COOCO and bool(delivery.courier_job.fee_minor)


def _delivered_minor(delivery: Delivery, fact: str, entries: Sequence[LedgerEntry]) -> int:
    if delivery.courier != COOCO:
        return delivery.courier_job.fee_minor or 0
    for entry in entries:
        if (entry.kind, entry.reference) == (EntryKind.DELIVERY_FEE, fact):
            return entry.amount_minor  # the log that it was worked out from is not kept for ever
    distance_m = delivery.distance_m if delivery.distance_m is not None else (estimate.distance_m(delivery.order) or 0)
    return tariff.delivery_fee_minor(distance_m, asked_pickup_at(delivery), delivery.order.store.time_zone)


def _cost_of_stopping(delivery: Delivery) -> int:
    if delivery.courier_job.fee_minor is None and delivery.courier == COOCO:
        return tariff.CANCELLATION_FEE_MINOR
    return delivery.courier_job.fee_minor or 0


def asked_pickup_at(delivery: Delivery) -> datetime:
    """The pickup that COOCO was asked for. The order's own ready time moves on; what was sent stands in the log of
    calls. Without a log of it, the ready time is the best that we know."""
    calls = OutboundCall.objects.filter(
        reference=subject_of(delivery), provider=COOCO, request__delivery_window__pickup_after__isnull=False
    )
    sent = list(calls.order_by("pk").values_list("outcome", "request__delivery_window__pickup_after"))
    for _, moment in sorted(sent, key=lambda call: call[0] != "ok"):  # the one that was taken, else the first
        try:
            return datetime.fromisoformat(moment)
        except (TypeError, ValueError):
            continue
    return deadlines.expected_ready_at(delivery.order)
