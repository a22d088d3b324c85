"""Reads over several tables: what is true of an order, a delivery or a referral, and what is booked of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from django.db.models import Sum

from deliveries.lifecycle import DeliveryStatus, FlagStatus
from deliveries.models import IN_HOUSE, Delivery, FraudFlag
from foundation.events import subject_of
from foundation.work import WorkState
from orders.lifecycle import CarriageState, PreparationState
from orders.models import Order, Payment, Refund
from payouts.ledger import references
from payouts.ledger.posting_rules import BookedEntry, DeliveryFacts, OrderFacts
from payouts.lifecycle import GONE
from payouts.models import AccountKind, EntryKind, LedgerEntry, PayeeKind, Payout

NOT_ASKED = (WorkState.DISCARDED, WorkState.IGNORED)  # taken back, or refunded in full by other hands
UNDELIVERED = (PreparationState.CANCELLED, PreparationState.REFUSED)
UNCARRIED = (CarriageState.FAILED, CarriageState.RETURNED)


def entries_of(payee_kind: PayeeKind, payee_id: int, currency: str, order_ref: str) -> list[LedgerEntry]:
    """What a payee has booked of one order, oldest first."""
    return list(
        LedgerEntry.objects.filter(
            order_ref=order_ref,
            account__payee_kind=payee_kind,
            account__payee_id=payee_id,
            account__currency=currency.upper(),
        )
        .select_related("account")
        .order_by("id")
    )


def booked_entries(entries: Iterable[LedgerEntry]) -> list[BookedEntry]:
    return [BookedEntry(entry.account.kind, entry.kind, entry.reference, entry.amount_minor) for entry in entries]


def order_facts(order: Order) -> OrderFacts:
    return facts_of_orders([order])[order.pk]


def facts_of_orders(orders: Sequence[Order]) -> dict[int, OrderFacts]:
    """By order id: three queries for all of them."""
    payments = {(p.order_id, p.amount_minor, p.currency.upper()): p for p in Payment.objects.filter(order__in=orders)}
    refunds = Refund.objects.filter(order__in=orders).exclude(state__in=NOT_ASKED)
    asked = dict(refunds.values_list("order").annotate(Sum("amount_minor")))
    differences: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for refund in Refund.objects.filter(order__in=orders, store_part_minor__isnull=False).order_by("id"):
        differences[refund.order_id].append((refund.amount_minor, refund.store_part_minor or 0))
    found = {}
    for order in orders:
        payment = payments.get((order.pk, order.authorised_minor, order.currency.upper()))
        delivered = order.carriage == CarriageState.DELIVERED
        found[order.pk] = OrderFacts(
            fact=subject_of(order),
            share_minor=order.store_share_minor,
            total_minor=order.authorised_minor,
            differences=tuple(differences[order.pk]),
            paid_at=payment.paid_at if payment else None,
            asked_minor=asked.get(order.pk, 0),
            refunded_minor=order.refunded_minor,
            delivered=delivered,
            ended=order.preparation in UNDELIVERED or order.carriage in UNCARRIED,
            ended_at=order.delivered_at if delivered else order.failed_at,
        )
    return found


def delivery_facts(delivery: Delivery, entries: Iterable[LedgerEntry]) -> DeliveryFacts:
    """`entries` are the rider's of this order."""
    return facts_of_deliveries([delivery], {delivery.pk: entries})[delivery.pk]


def facts_of_deliveries(
    deliveries: Sequence[Delivery], entries: Mapping[int, Iterable[LedgerEntry]]
) -> dict[int, DeliveryFacts]:
    """By delivery id: one query for all of them, and some more for each that has an open flag."""
    flags = set(FraudFlag.objects.filter(delivery__in=deliveries).values_list("delivery", "status"))
    found = {}
    for delivery in deliveries:
        fact, suspected = subject_of(delivery), (delivery.pk, FlagStatus.OPEN) in flags
        earned = delivery.courier == IN_HOUSE and delivery.status == DeliveryStatus.DELIVERED
        found[delivery.pk] = DeliveryFacts(
            fact=fact,
            fee_minor=delivery.fee_minor,
            tip_minor=delivery.order.tip_minor,
            earned_at=delivery.ended_at if earned else None,
            suspected=suspected,
            upheld=(delivery.pk, FlagStatus.UPHELD) in flags,
            paid_out=suspected and _was_paid_out(fact, entries.get(delivery.pk, ())),
        )
    return found


def _was_paid_out(fact: str, entries: Iterable[LedgerEntry]) -> bool:
    """Whether a payout, since the last of these came to `payable`, took the balance and has not given it back."""
    earned = [
        entry
        for entry in entries
        if entry.account.kind == AccountKind.PAYABLE and references.fact_of(entry.reference) == fact
    ]
    if not earned:
        return False
    taken = LedgerEntry.objects.filter(
        account=earned[-1].account, kind=EntryKind.PAYOUT, sequence__gt=earned[-1].sequence
    ).values_list("reference", flat=True)
    payouts = {references.fact_id(reference) for reference in taken}
    return Payout.objects.filter(pk__in=payouts, status__in=GONE).exists()
