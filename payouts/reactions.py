"""Reactions: make the ledger of one subject right (config/reactions.py). Each may run twice, late, and in any order.

The payee's accounts are locked first and the truth is read after that, so that of two runs the later one sees what the
earlier one booked, and never books from an older truth.
"""

from collections.abc import Iterable

from django.db import transaction

from deliveries.models import IN_HOUSE, Delivery
from foundation import clock
from foundation.events import subject_of
from foundation.jobs import job_handler
from orders.models import Order
from payouts.ledger import accounts, courier_costs, posting_rules
from payouts.ledger import entries as ledger_entries
from payouts.ledger import facts as ledger_facts
from payouts.ledger.accounts import PayeeAccounts
from payouts.ledger.posting_rules import Booking
from payouts.models import AccountKind, EntryKind, LedgerEntry, PayeeKind
from riders import referrals
from riders.models import Referral


@job_handler("payouts.book_order")
def book_order(order_id: int) -> None:
    """The store's side of an order: credit, reversals, release (SPEC P1, P4, M1)."""
    order = Order.objects.select_related("store").get(pk=order_id)
    if ledger_facts.order_facts(order).paid_at is None:
        return  # nothing to book yet: the payment's own event brings us back, and no empty account is left behind
    with transaction.atomic():
        payee_accounts = accounts.lock_accounts(PayeeKind.STORE, order.store_id, order.store.name, order.currency)
        order.refresh_from_db()
        entries = ledger_facts.entries_of(PayeeKind.STORE, order.store_id, order.currency, order.public_id)
        due = posting_rules.postings_for_order(
            ledger_facts.order_facts(order), ledger_facts.booked_entries(entries), clock.now()
        )
        _carry_out(payee_accounts, due, order.public_id)


@job_handler("payouts.book_delivery")
def book_delivery(delivery_id: int) -> None:
    """What whoever carried a delivery earns of it."""
    delivery = Delivery.objects.select_related("order__store", "rider", "courier_job").get(pk=delivery_id)
    if delivery.courier == IN_HOUSE:
        _book_rider(delivery)
    else:
        _book_courier(delivery)


def _book_rider(delivery: Delivery) -> None:
    """Fee and tip once, held while a fraud flag is open (SPEC R6, R10, R11)."""
    if delivery.rider is None or ledger_facts.delivery_facts(delivery, ()).earned_at is None:
        return
    with transaction.atomic():
        payee_accounts = accounts.lock_accounts(
            PayeeKind.RIDER, delivery.rider.pk, delivery.rider.name, delivery.currency
        )
        delivery.refresh_from_db()
        order_ref = delivery.order.public_id
        entries = ledger_facts.entries_of(PayeeKind.RIDER, delivery.rider.pk, delivery.currency, order_ref)
        facts = ledger_facts.delivery_facts(delivery, entries)
        _carry_out(
            payee_accounts,
            posting_rules.postings_for_delivery(facts, ledger_facts.booked_entries(entries), clock.now()),
            order_ref,
        )


def _book_courier(delivery: Delivery) -> None:
    """The company's fee, of a delivery or of a cancellation; overruled, it is corrected (SPEC C3, C6)."""
    order_ref, currency = delivery.order.public_id, courier_costs.currency_of(delivery)
    earns = courier_costs.facts_of(delivery, ()).kind is not None
    if not earns and not LedgerEntry.objects.filter(order_ref=order_ref, reference=subject_of(delivery)).exists():
        return
    with transaction.atomic():
        payee_accounts = courier_costs.lock_courier_accounts(delivery.courier, currency)
        delivery.refresh_from_db()
        entries = ledger_facts.entries_of(PayeeKind.PROVIDER, payee_accounts.payable.payee_id, currency, order_ref)
        facts = courier_costs.facts_of(delivery, entries)
        _carry_out(
            payee_accounts,
            posting_rules.postings_for_courier_job(facts, ledger_facts.booked_entries(entries), clock.now()),
            order_ref,
        )


@job_handler("payouts.book_referral")
def book_referral(referral_id: int) -> None:
    """The bonus of who brought a rider, once that rider has delivered enough (SPEC R9)."""
    referral = Referral.objects.select_related("referrer").get(pk=referral_id)
    if referral.earned_at is None:
        return
    referrer = referral.referrer
    with transaction.atomic():
        payee_accounts = accounts.lock_accounts(PayeeKind.RIDER, referrer.pk, referrer.name, referrals.BONUS_CURRENCY)
        ledger_entries.book_entry(
            payee_accounts.payable,
            EntryKind.BONUS,
            subject_of(referral),
            referrals.BONUS_MINOR,
            occurred_at=referral.earned_at,
            note="referral",
        )


def _carry_out(payee_accounts: PayeeAccounts, due: Iterable[Booking], order_ref: str) -> None:
    for one in due:
        if one.source is None:
            ledger_entries.book_entry(
                payee_accounts.account_of(one.account),
                one.kind,
                one.reference,
                one.amount_minor,
                occurred_at=one.occurred_at,
                order_ref=order_ref,
                note=one.note,
            )
        else:
            ledger_entries.move_between(
                payee_accounts.account_of(AccountKind(one.source)),
                payee_accounts.account_of(one.account),
                one.kind,
                one.reference,
                one.amount_minor,
                occurred_at=one.occurred_at,
                order_ref=order_ref,
                note=one.note,
            )
