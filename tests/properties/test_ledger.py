"""Whatever happens to an order or a delivery, whenever one looks: the ledger come out right (SPEC M1, M7).

The bookings are planned by pure functions, so that thousands of histories can be tried: a history is a list of facts
that only ever grow, and a booking run may see any of them, any number of times, also none in between.
"""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import money
from orders import payments
from payouts import audit, reactions
from payouts.ledger import posting_rules
from payouts.ledger.posting_rules import BookedEntry, Booking, DeliveryFacts, OrderFacts
from payouts.models import EARNED, AccountKind
from tests import builders
from tests.payouts.money import cancel, deliver, of_store

# spec: M1
NOW = datetime(2026, 11, 20, tzinfo=UTC)
HELD, PAYABLE = AccountKind.HELD, AccountKind.PAYABLE


class Ledger:
    """A model of the real one: keys are unique, `held` is never negative, every step is one transaction."""

    def __init__(self) -> None:
        self.entries: list[BookedEntry] = []

    def carry_out(self, due: list[Booking]) -> None:
        for one in due:
            if one.source is not None:
                self._enter(BookedEntry(one.source, one.kind, one.reference, -one.amount_minor))
            self._enter(BookedEntry(one.account, one.kind, one.reference, one.amount_minor))

    def _enter(self, entry: BookedEntry) -> None:
        assert entry.amount_minor != 0
        assert entry[:3] not in {known[:3] for known in self.entries}, "the same fact twice"
        if entry.kind in EARNED:
            assert entry[1:3] not in {known[1:3] for known in self.entries}, "money from one fact twice"
        self.entries.append(entry)
        assert self.stands(HELD) >= 0

    def stands(self, account: AccountKind) -> int:
        return sum(entry.amount_minor for entry in self.entries if entry.account == account)


# ── orders ───────────────────────────────────────────────────────────────────────────────────────────────────────
@st.composite
def order_histories(draw: st.DrawFn) -> list[OrderFacts]:
    """Facts as they become true, one after the other: payment, refunds asked for and confirmed, an end."""
    total = draw(st.integers(1, 100_000))
    facts = OrderFacts("order:1", share_minor=draw(st.integers(0, total)), total_minor=total)
    history = [facts]
    for step in draw(st.lists(st.sampled_from(["pay", "ask", "refund", "deliver", "end", "try again"]), max_size=12)):
        if step == "pay":
            facts = replace(facts, paid_at=NOW)
        elif step == "ask":
            facts = replace(facts, asked_minor=draw(st.integers(facts.asked_minor, total)))
        elif step == "refund":
            facts = replace(facts, refunded_minor=draw(st.integers(facts.refunded_minor, total)))
        elif step == "deliver":
            facts = replace(facts, delivered=True)
        else:
            facts = replace(facts, ended=step == "end")
        history.append(facts)
    return history


def seen(history: list[OrderFacts], looks: list[int]) -> list[OrderFacts]:
    """What booking runs at these moments see: any of the facts in time, doubled, skipped; at last the final truth."""
    return [history[min(look, len(history) - 1)] for look in sorted(looks)] + [history[-1], history[-1]]


def expected_rest(facts: OrderFacts) -> int:
    if facts.paid_at is None:
        return 0
    return facts.share_minor - money.share_of(facts.share_minor, facts.refunded_minor, facts.total_minor)


@given(order_histories(), st.lists(st.integers(0, 12), max_size=10))
def test_a_store_has_its_share_of_what_was_not_refunded(history, looks):
    ledger = Ledger()
    for facts in seen(history, looks):
        ledger.carry_out(posting_rules.postings_for_order(facts, ledger.entries, NOW))
    final = history[-1]
    assert ledger.stands(HELD) + ledger.stands(PAYABLE) == expected_rest(final)
    assert posting_rules.postings_for_order(final, ledger.entries, NOW) == []  # a run more changes nothing
    if final.paid_at and (final.delivered or (final.ended and final.asked_minor <= final.refunded_minor)):
        assert ledger.stands(HELD) == 0


@given(order_histories(), st.lists(st.integers(0, 12), max_size=10))
def test_a_full_refund_leaves_nothing_anywhere(history, looks):
    """SPEC M7, whatever was booked before it, and however the parts were rounded."""
    last = history[-1]
    history.append(replace(last, paid_at=NOW, refunded_minor=last.total_minor))
    ledger = Ledger()
    for facts in seen(history, looks):
        ledger.carry_out(posting_rules.postings_for_order(facts, ledger.entries, NOW))
    assert (ledger.stands(HELD), ledger.stands(PAYABLE)) == (0, 0)


@given(order_histories())
def test_nothing_is_payable_before_the_order_is_settled(history):
    ledger = Ledger()
    for facts in history:
        settled = facts.delivered or (facts.ended and facts.asked_minor <= facts.refunded_minor)
        before = ledger.stands(PAYABLE)
        ledger.carry_out(posting_rules.postings_for_order(facts, ledger.entries, NOW))
        if not settled:
            assert ledger.stands(PAYABLE) <= before


# ── deliveries ───────────────────────────────────────────────────────────────────────────────────────────────────
@st.composite
def delivery_histories(draw: st.DrawFn) -> list[DeliveryFacts]:
    fee, tip = draw(st.integers(0, 10_000)), draw(st.integers(0, 5_000))
    facts = DeliveryFacts("delivery:1", fee_minor=fee, tip_minor=tip)
    history = [facts]
    steps = st.lists(st.sampled_from(["earn", "suspect", "dismiss", "uphold"]), max_size=12)
    for step in draw(steps):
        if step == "earn":
            facts = replace(facts, earned_at=NOW)
        elif step == "uphold":
            facts = replace(facts, upheld=True, suspected=False)
        else:
            facts = replace(facts, suspected=step == "suspect")
        history.append(facts)
    return history


@given(delivery_histories(), st.lists(st.integers(0, 12), max_size=10))
def test_a_rider_has_the_earning_once_and_where_it_belongs(history, looks):
    ledger = Ledger()
    for facts in seen(history, looks):
        ledger.carry_out(posting_rules.postings_for_delivery(facts, ledger.entries, NOW))
    final = history[-1]
    earned = final.fee_minor + final.tip_minor if final.earned_at else 0
    if final.upheld:
        earned = 0
    held, payable = (earned, 0) if final.suspected else (0, earned)
    assert (ledger.stands(HELD), ledger.stands(PAYABLE)) == (held, payable)
    assert posting_rules.postings_for_delivery(final, ledger.entries, NOW) == []


@given(delivery_histories(), st.integers(0, 12))
def test_what_was_paid_out_is_not_held_for_a_flag(history, when):
    """From some moment on a payout has taken the balance: then nothing moves to `held` any more."""
    ledger, taken = Ledger(), 0
    for number, facts in enumerate(history):
        paid_out = number > when and taken > 0
        ledger.carry_out(posting_rules.postings_for_delivery(replace(facts, paid_out=paid_out), ledger.entries, NOW))
        if number == when:
            taken = ledger.stands(PAYABLE)
        if paid_out and not facts.upheld:
            assert ledger.stands(PAYABLE) == taken
    if history[-1].upheld and history[-1].earned_at:
        assert ledger.stands(HELD) + ledger.stands(PAYABLE) == 0  # owed, where it was paid


# ── on the real thing ────────────────────────────────────────────────────────────────────────────────────────────
NEWS = ("paid", "refunded 10000", "refunded 25000", "refunded 45000", "delivered", "cancelled")


@pytest.mark.django_db
@settings(max_examples=40, deadline=None)
@given(st.permutations(NEWS), st.integers(1, len(NEWS)), st.data())
def test_shuffled_news_and_bookings_come_out_right(shuffled, length, data):
    """Stripe's evidence and what people do, in any order, doubled, with booking runs at any moment between."""
    with transaction.atomic():
        order = builders.order()
        news = shuffled[:length]
        for word in [*news, *data.draw(st.lists(st.sampled_from(news), max_size=3))]:
            if word == "paid":
                payments.apply_payment_event(builders.payment_of(order))
            elif word == "delivered":
                deliver(order)
            elif word == "cancelled":
                cancel(order)
            else:
                payments.apply_payment_event(builders.refund_of(order, int(word.split()[1])))
            if data.draw(st.booleans()):
                reactions.book_order(order.pk)
        reactions.book_order(order.pk)
        order.refresh_from_db()
        reversed_minor = money.share_of(order.store_share_minor, order.refunded_minor, order.total_minor)
        known_paid = any(word == "paid" or word.startswith("refunded") for word in news)  # a refund proves its payment
        held, payable = of_store(order)
        assert held + payable == (order.store_share_minor - reversed_minor if known_paid else 0)
        assert held == 0 or "delivered" not in news
        report = audit.prove_ledger()
        assert report.failures == []
        transaction.set_rollback(True)


# ── shares ───────────────────────────────────────────────────────────────────────────────────────────────────────
@given(st.integers(0, 10**9), st.integers(1, 10**9), st.lists(st.integers(0, 10**9), max_size=20))
def test_shares_of_growing_amounts_add_up(part, whole, steps):
    amounts = [*sorted(min(step, whole) for step in steps), whole]
    shares = [money.share_of(part, amount, whole) for amount in amounts]
    assert shares == sorted(shares)
    assert sum(after - before for before, after in zip([0, *shares], shares, strict=False)) == part
