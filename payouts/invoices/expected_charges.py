"""What a courier company should ask for a period: our own deliveries, as the ledger has them (SPEC C6).

A delivery belongs to the day (UTC) of the entry that its fee, or its cancellation fee, came in with, and so to exactly
one period; its amount is what all entries about it add up to by now.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery
from foundation.events import subject_of
from payouts.ledger import courier_costs, references
from payouts.models import AccountKind, EntryKind, LedgerAccount, LedgerEntry


@dataclass(frozen=True)
class ExpectedCharge:
    """One delivery and what it should cost us, in minor units of `currency`."""

    delivery: Delivery
    kind: str
    amount_minor: int
    currency: str
    occurred_at: datetime


def list_expected_charges(courier: str, first: date, last: date, currency: str = "") -> list[ExpectedCharge]:
    """What the company earned from the day `first` to the day `last`, both included; of one currency, or of all."""
    found: list[ExpectedCharge] = []
    for account in courier_costs.accounts_of(courier).filter(kind=AccountKind.PAYABLE).order_by("currency"):
        if currency in ("", account.currency):
            found += _charges_of_account(account, start_of_day(first), start_of_day(last + timedelta(days=1)))
    return found


def total_charges(lines: Iterable[ExpectedCharge]) -> dict[str, int]:
    """By currency."""
    sums: dict[str, int] = defaultdict(int)
    for line in lines:
        sums[line.currency] += line.amount_minor
    return dict(sums)


def amounts_by_delivery(account: LedgerAccount, deliveries: Collection[Delivery]) -> dict[int, int]:
    """By delivery id: what the entries about it add up to. `order` must be loaded."""
    facts = {subject_of(delivery): delivery.pk for delivery in deliveries}
    entries = LedgerEntry.objects.filter(
        account=account, order_ref__in={delivery.order.public_id for delivery in deliveries}
    )
    sums: dict[int, int] = defaultdict(int)
    for reference, amount_minor in entries.values_list("reference", "amount_minor"):
        fact = references.fact_of(reference)
        if fact in facts:
            sums[facts[fact]] += amount_minor
    return sums


def start_of_day(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _charges_of_account(account: LedgerAccount, start: datetime, end: datetime) -> list[ExpectedCharge]:
    came_in = LedgerEntry.objects.filter(
        account=account, kind__in=courier_costs.EARNING, occurred_at__gte=start, occurred_at__lt=end
    )
    rows = list(came_in.order_by("occurred_at", "id"))
    ids = {references.fact_id(entry.reference) for entry in rows}
    deliveries = list(Delivery.objects.filter(pk__in=ids).select_related("order"))
    due = amounts_by_delivery(account, deliveries)
    by_fact = {subject_of(delivery): delivery for delivery in deliveries}
    found = []
    for entry in rows:
        delivery = by_fact[entry.reference]
        if due[delivery.pk] and entry.kind == _earned_kind(delivery):
            found.append(ExpectedCharge(delivery, entry.kind, due[delivery.pk], account.currency, entry.occurred_at))
    return found


def _earned_kind(delivery: Delivery) -> EntryKind:
    """Which of its entries stands, where a cancelled job was delivered after all."""
    delivered = delivery.status == DeliveryStatus.DELIVERED
    return EntryKind.DELIVERY_FEE if delivered else EntryKind.CANCELLATION_FEE
