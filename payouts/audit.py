"""Proving the ledger: what must be true of the ledger whatever happened, checked from the rows up (SPEC M1, M7).

* The triggers that guard the ledger are in force: a restored copy may have lost them.
* Every account repeats its last entry, its entries count up without gaps, and every balance is the one before plus the
  amount.
* What moves between a payee's two accounts adds up to nothing.
* Every payout has taken exactly what its status and its reversals say.
* Every debit of a courier company is booked, and nothing else as one.
* Every order and every delivery is booked as the reactions would book it now: the same functions say so.

A difference is a sentence about one subject. What is not booked because its job has not run yet is no difference: the
fact and its job were written in one transaction, so that one snapshot of the database shows both (`waiting` counts it).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from deliveries.lifecycle import LIVE, DeliveryStatus
from deliveries.models import IN_HOUSE, Delivery
from foundation import clock
from foundation.events import subject_of
from foundation.models import Job
from foundation.work import OPEN
from orders.models import Order, Payment
from payouts.ledger import courier_costs, posting_rules, references
from payouts.ledger import facts as ledger_facts
from payouts.ledger.posting_rules import Booking
from payouts.models import CourierDebit, CourierPayee, EntryKind, LedgerAccount, LedgerEntry, PayeeKind, Payout
from payouts.runs import transitions

PAIRED = (EntryKind.RELEASE, EntryKind.HOLD, EntryKind.CANCELLATION_FEE)
BATCH = 500
GUARDS = {
    "payouts_ledgerentry": ("number_entry", "balance_account", "keep_entry", "keep_entries"),
    "payouts_ledgeraccount": ("guard_account", "keep_accounts"),
    "payouts_payout": ("push_nothing",),
}


@dataclass(frozen=True)
class AuditFailure:
    subject: str
    what: str


@dataclass
class AuditReport:
    """`totals`: per currency, minor units: what payees have on each account, what payouts took, and what
    courier companies took themselves."""

    failures: list[dict[str, str]] = field(default_factory=list)
    waiting: int = 0
    checked: dict[str, int] = field(default_factory=dict)
    totals: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def is_proved(self) -> bool:
        return not self.failures

    def as_json(self) -> dict[str, Any]:
        return {"proved": self.is_proved, **asdict(self)}


def prove_ledger() -> AuditReport:
    """Check everything, in one snapshot of the database: what is booked meanwhile neither helps nor disturbs."""
    report = AuditReport()
    alone = not connection.in_atomic_block
    with transaction.atomic():
        with connection.cursor() as cursor:
            if alone:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SET LOCAL statement_timeout = 0")
        awaited = _awaited_subjects()
        for name, check in CHECKS.items():
            checked = 0
            for subject, differences in check():
                checked += 1
                if differences and subject in awaited:
                    report.waiting += 1
                else:
                    report.failures += [asdict(AuditFailure(subject, what)) for what in differences]
            report.checked[name] = checked
        report.totals = _sum_totals()
    return report


def _awaited_subjects() -> set[str]:
    """Subjects that one of this room's jobs is still to look at."""
    return set(Job.objects.filter(handler__startswith="payouts.", state__in=OPEN).values_list("subject", flat=True))


Checked = Iterator[tuple[str, list[str]]]


# ── the ledger by itself ─────────────────────────────────────────────────────────────────────────────────────────
def _check_guards() -> Checked:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE t.tgenabled = 'O' AND c.oid = ANY(%s::regclass[])",
            [list(GUARDS)],
        )
        in_force = set(cursor.fetchall())
    for table, triggers in GUARDS.items():
        yield table, [f"trigger {name} is not in force" for name in triggers if (table, name) not in in_force]


def _check_accounts() -> Checked:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH walked AS (
                SELECT account_id, sequence, balance_minor, amount_minor,
                       lag(sequence, 1, 0::bigint) OVER w AS before,
                       lag(balance_minor, 1, 0::bigint) OVER w AS stood
                FROM payouts_ledgerentry WINDOW w AS (PARTITION BY account_id ORDER BY sequence)
            ), summed AS (
                SELECT account_id, count(*) AS entries, sum(amount_minor) AS balance,
                       count(*) FILTER (WHERE sequence <> before + 1 OR balance_minor <> stood + amount_minor) AS wrong
                FROM walked GROUP BY account_id
            )
            SELECT a.id, a.balance_minor, a.entries,
                   coalesce(s.balance, 0), coalesce(s.entries, 0), coalesce(s.wrong, 0)
            FROM payouts_ledgeraccount a LEFT JOIN summed s ON s.account_id = a.id ORDER BY a.id
            """
        )
        rows = cursor.fetchall()
    for pk, balance, entries, summed, counted, wrong in rows:
        found = []
        if balance != summed:
            found.append(f"its balance is {balance}, its entries sum up to {summed}")
        if entries != counted:
            found.append(f"it counts {entries} entries and has {counted}")
        if wrong:
            found.append(f"{wrong} entries are out of sequence or carry a wrong balance")
        yield f"ledgeraccount:{pk}", found


def _check_pairs() -> Checked:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT a.payee_kind || ':' || a.payee_id, e.kind, e.reference, sum(e.amount_minor)
            FROM payouts_ledgerentry e JOIN payouts_ledgeraccount a ON a.id = e.account_id
            WHERE e.kind = ANY(%s) AND a.payee_kind <> 'provider' -- its cancellation fees come from outside
            GROUP BY a.payee_kind, a.payee_id, a.currency, e.kind, e.reference
            """,
            [[str(kind) for kind in PAIRED]],
        )
        rows = cursor.fetchall()
    for payee, kind, reference, left in rows:
        yield payee, [f"{kind} {reference} does not add up: {left}"] if left else []


def _check_payouts() -> Checked:
    taken: dict[int, int] = defaultdict(int)
    entries = LedgerEntry.objects.filter(kind__in=(EntryKind.PAYOUT, EntryKind.PAYOUT_RETURN))
    for reference, amount_minor in entries.values_list("reference", "amount_minor").iterator():
        taken[references.fact_id(reference)] -= amount_minor
    for payout in Payout.objects.order_by("pk").iterator():
        booked, gone = taken.pop(payout.pk, 0), transitions.gone_minor(payout)
        yield subject_of(payout), [f"{payout.status}: {booked} booked, {gone} gone"] if booked != gone else []
    for payout_id, amount_minor in taken.items():
        yield f"payout:{payout_id}", [f"{amount_minor} booked for a payout that is not there"]


def _check_debits() -> Checked:
    taken = dict(LedgerEntry.objects.filter(kind=EntryKind.DEBIT).values_list("reference", "amount_minor"))
    for debit in CourierDebit.objects.order_by("pk").iterator():
        booked = -taken.pop(subject_of(debit), 0)
        wrong = booked != debit.amount_minor
        yield subject_of(debit), [f"{booked} booked, {debit.amount_minor} taken"] if wrong else []
    for reference, amount_minor in taken.items():
        yield reference, [f"{-amount_minor} booked for a debit that is not there"]


# ── the ledger against the rooms below ───────────────────────────────────────────────────────────────────────────
def _check_orders() -> Checked:
    """Every order that was paid; unpaid ones must have nothing booked, and have no entry of kind order to find."""
    paid = Order.objects.filter(pk__in=Payment.objects.values("order"))
    for batch in _iterate_batches(paid):
        entries = _load_entries(PayeeKind.STORE, {order.public_id for order in batch})
        facts = ledger_facts.facts_of_orders(batch)
        for order in batch:
            stands = ledger_facts.booked_entries(entries.get((order.store_id, order.public_id), ()))
            yield (
                subject_of(order),
                _describe_unbooked(posting_rules.postings_for_order(facts[order.pk], stands, clock.now())),
            )


def _check_deliveries() -> Checked:
    carried = Q(courier=IN_HOUSE, status=DeliveryStatus.DELIVERED)
    for batch in _iterate_batches(Delivery.objects.filter(carried).select_related("order")):
        entries = _load_entries(PayeeKind.RIDER, {delivery.order.public_id for delivery in batch})
        theirs = {row.pk: entries.get((row.rider_id or 0, row.order.public_id), []) for row in batch}
        facts = ledger_facts.facts_of_deliveries(batch, theirs)
        for delivery in batch:
            stands = ledger_facts.booked_entries(theirs[delivery.pk])
            yield (
                subject_of(delivery),
                _describe_unbooked(posting_rules.postings_for_delivery(facts[delivery.pk], stands, clock.now())),
            )


def _check_courier_deliveries() -> Checked:
    """Every job of a courier company that is over, also those that earn nothing."""
    ended = Delivery.objects.exclude(courier=IN_HOUSE).exclude(status__in=LIVE)
    payees = dict(CourierPayee.objects.values_list("courier", "pk"))
    for batch in _iterate_batches(ended.select_related("order__store", "courier_job")):
        entries = _load_entries(PayeeKind.PROVIDER, {delivery.order.public_id for delivery in batch})
        for delivery in batch:
            theirs = entries.get((payees.get(delivery.courier, 0), delivery.order.public_id), [])
            facts = courier_costs.facts_of(delivery, theirs)
            yield (
                subject_of(delivery),
                _describe_unbooked(
                    posting_rules.postings_for_courier_job(facts, ledger_facts.booked_entries(theirs), clock.now())
                ),
            )


def _iterate_batches(rows: QuerySet[Any]) -> Iterator[list[Any]]:
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk")[:BATCH]):
        yield batch
        last = batch[-1].pk


def _load_entries(payee_kind: PayeeKind, order_refs: Iterable[str]) -> dict[tuple[int, str], list[LedgerEntry]]:
    found = LedgerEntry.objects.filter(order_ref__in=order_refs, account__payee_kind=payee_kind)
    grouped: dict[tuple[int, str], list[LedgerEntry]] = defaultdict(list)
    for entry in found.select_related("account").order_by("id"):
        grouped[entry.account.payee_id, entry.order_ref].append(entry)
    return grouped


def _describe_unbooked(due: Iterable[Booking]) -> list[str]:
    return [f"not booked: {one.kind} {one.reference} of {one.amount_minor} on {one.account}" for one in due]


# ── the sums ─────────────────────────────────────────────────────────────────────────────────────────────────────
def _sum_totals() -> dict[str, dict[str, int]]:
    """{"USD": {"store_held": …, "store_payable": …, "rider_held": …, "store_paid_out": …, …}}"""
    totals: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for account in LedgerAccount.objects.all():
        totals[account.currency][f"{account.payee_kind}_{account.kind}"] += account.balance_minor
    for payout in Payout.objects.select_related("account"):
        totals[payout.currency][f"{payout.account.payee_kind}_paid_out"] += transitions.gone_minor(payout)
    for entry in LedgerEntry.objects.filter(kind=EntryKind.DEBIT).select_related("account"):
        totals[entry.account.currency][f"{entry.account.payee_kind}_debited"] -= entry.amount_minor
    return {currency: dict(sorted(sums.items())) for currency, sums in sorted(totals.items())}


CHECKS: dict[str, Callable[[], Checked]] = {
    "guards": _check_guards,
    "accounts": _check_accounts,
    "pairs": _check_pairs,
    "payouts": _check_payouts,
    "debits": _check_debits,
    "orders": _check_orders,
    "deliveries": _check_deliveries,
    "courier_deliveries": _check_courier_deliveries,
}
