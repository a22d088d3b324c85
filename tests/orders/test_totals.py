"""What an order costs once something was replaced or left out (SPEC O6), and what goes back."""

from contextlib import suppress

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foundation.errors import Conflict, IllegalMove, Invalid
from foundation.models import Event
from foundation.money import share_of
from orders import line_items, locks, reactions, refunds, substitution_decisions, substitutions, transitions
from orders.lifecycle import OrderStatus, SubstitutionPreference
from orders.models import Order, Refund, Substitution
from orders.place_order import RequestedItem
from tests import builders
from tests.builders import TEST, basket, suggested
from tests.orders.substitution_orders import BIRYANI, CURD, How, amounts, decide, dinner, given_back, messages, overdue

pytestmark = pytest.mark.django_db


# ── what it costs ────────────────────────────────────────────────────────────────────────────────────────────────
# spec: O6
@pytest.mark.parametrize(
    ("accepted", "expected", "back"),
    [
        (True, (25_000 + 10_000, 1_750, 41_750), 15_750),  # 250.00 instead of 400.00, and its tax
        (False, (10_000, 500, 15_500), 42_000),
    ],
)
def test_a_cheaper_replacement_or_none_gives_the_difference_back(
    accepted: bool, expected: tuple[int, int, int], back: int
):
    order = dinner()
    assert amounts(order) == (50_000, 2_500, 57_500)
    decide(order, (suggested(order, (0, BIRYANI))[0], accepted))
    assert amounts(order) == expected
    assert order.authorised_minor == 57_500
    assert given_back(order) == [back]
    refund = Refund.objects.get()
    assert refund.reference == f"substitution:{Substitution.objects.get().pk}"
    assert refund.store_part_minor == back - (7_500 - order.items_minor * 15 // 100)  # less our commission on it


# spec: O6
def test_a_dearer_replacement_is_paid_by_the_store():
    order = dinner()
    feast = RequestedItem(name="Feast", quantity=2, price_minor=90_000)
    decide(order, (suggested(order, (0, feast))[0], True))
    assert amounts(order) == (50_000, 2_500, 57_500)
    assert given_back(order) == []
    assert [str(line) for line in line_items.current_items(order)] == ["2 × Feast", "1 × Lassi"]


# spec: O6
def test_in_which_order_a_round_is_decided_changes_nothing():
    """The dearer one takes up what the cheaper one leaves, whichever is decided first."""
    dear, cheap = (
        RequestedItem(name="Dear", quantity=1, price_minor=41_000),
        RequestedItem(name="Cheap", quantity=1, price_minor=6_000),
    )
    seen = set()
    for turn in (1, -1):
        order = dinner()
        for one in suggested(order, (0, dear), (1, cheap))[::turn]:
            decide(order, (one, True))
        seen.add((amounts(order), tuple(given_back(order))))
    assert seen == {((47_000, 2_350, 54_350), (3_150,))}


# spec: O6
def test_what_was_given_back_is_never_charged_again():
    order = dinner()
    decide(order, (suggested(order, (1, CURD))[0], True))
    assert (order.total_minor, given_back(order)) == (55_400, [2_100])
    feast = RequestedItem(name="Feast", quantity=1, price_minor=45_000)
    decide(order, (suggested(order, (0, feast))[0], True))
    assert (order.total_minor, given_back(order)) == (55_400, [2_100])
    assert order.items_minor + order.tax_minor == 50_400


# spec: O6
def test_an_item_without_replacement_is_left_out_at_once():
    order = dinner()
    assert suggested(order, (1, None)) == []
    assert order.status == OrderStatus.PICKING_IN_PROGRESS
    assert (order.total_minor, given_back(order)) == (47_000, [10_500])
    assert Substitution.objects.get().how == How.NO_CHOICE
    assert messages(order) == ["order.item_left_out"]
    assert not Event.objects.filter(name="order.substitutions_proposed").exists()


# spec: O6
@pytest.mark.parametrize("ended", ["answered", "silence", "ready"])
def test_an_order_of_which_nothing_is_left_is_called_off(ended: str):
    order = dinner(of=builders.store(cancellation_fee_minor=1_000))
    builders.suggested(order, (0, BIRYANI), (1, CURD))
    if ended == "answered":
        decide(order, *((one, False) for one in substitution_decisions.list_undecided(order)))
    elif ended == "silence":
        overdue(order)
    else:
        builders.ready(order)
    with transaction.atomic():
        reactions.substitutions_due(order.pk)
    order.refresh_from_db()
    assert (order.items_minor, order.tax_minor, order.total_minor) == (0, 0, 5_000)
    assert (order.status, order.cancel_reason) == (OrderStatus.CANCELLED, substitutions.NOTHING_LEFT)
    assert given_back(order) == [52_500, 5_000]
    assert sum(Refund.objects.values_list("store_part_minor", flat=True)[:1]) == order.store_share_minor


# spec: O6, O8
def test_goodwill_of_ops_counts_and_nothing_goes_back_twice():
    order = dinner()
    refunds.refund_by_person(order.pk, 50_000, by=TEST, reason="sorry", reference="ops:1")
    decide(order, (suggested(order, (0, BIRYANI))[0], False))
    assert given_back(order) == [50_000, 7_500]
    assert Refund.objects.get(amount_minor=7_500).store_part_minor == share_of(36_000, 7_500, 42_000)


# ── any sequence ─────────────────────────────────────────────────────────────────────────────────────────────────
ITEMS = st.lists(st.tuples(st.just("Dish"), st.integers(1, 3), st.integers(0, 5_000)), min_size=1, max_size=4)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["propose", "propose", "accept", "refuse", "silence", "take back"]),
        st.integers(0, 3),
        st.one_of(st.none(), st.tuples(st.integers(1, 3), st.integers(0, 7_000))),
    ),
    max_size=12,
)


# spec: O6
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=ITEMS, tax=st.integers(0, 999), tip=st.integers(0, 300), accepts=st.booleans(), steps=STEPS)
def test_whatever_is_proposed_and_decided_the_amounts_add_up(db, items, tax, tip, accepts, steps):
    with transaction.atomic():
        preference = SubstitutionPreference.ACCEPT if accepts else SubstitutionPreference.REFUSE
        order = basket(*items, tax_minor=tax, tip_minor=tip, substitution_preference=preference)
        for step, position, wanted in steps:
            _take(order, step, position, wanted)
            _adds_up(order)
        transaction.set_rollback(True)


def _take(order: Order, step: str, position: int, wanted: tuple[int, int] | None) -> None:
    waiting = substitution_decisions.list_undecided(order)
    if step == "propose":
        replacement = wanted and RequestedItem(name="Other", quantity=wanted[0], price_minor=wanted[1])
        # It is not there, left out already, has one that is not decided, or nothing was left and all is over.
        with suppress(Conflict, Invalid, IllegalMove):
            suggested(order, (position, replacement))
    elif step == "take back" and waiting:
        with transaction.atomic():
            transitions.take_strict_step(locks.lock_order(order.pk), OrderStatus.PICKING_IN_PROGRESS, by=TEST)
    elif step == "silence":
        overdue(order)
        with transaction.atomic():
            reactions.substitutions_due(order.pk)
    elif waiting:
        decide(order, (waiting[position % len(waiting)], step == "accept"))


def _adds_up(order: Order) -> None:
    order.refresh_from_db()
    waiting = len(substitution_decisions.list_undecided(order))
    assert order.undecided_substitutions == waiting
    assert (order.status == OrderStatus.SUBSTITUTIONS_NEEDED) == (waiting > 0)
    assert order.items_minor + order.tax_minor + order.tip_minor + order.delivery_fee_minor == order.total_minor
    assert order.total_minor <= order.authorised_minor
    differences = Refund.objects.filter(order=order, reference__startswith="substitution:")
    asked = sum(differences.values_list("amount_minor", flat=True))
    assert asked <= order.authorised_minor - order.total_minor
    if not waiting:
        assert asked == order.authorised_minor - order.total_minor
    parts = sum(differences.values_list("store_part_minor", flat=True))
    assert parts <= min(order.store_share_minor, asked)
    goods = substitution_decisions.ordered_goods(order)
    assert (goods.share_minor, goods.whole_minor + order.tip_minor + 5_000) == (
        order.store_share_minor,
        order.authorised_minor,
    )
    assert order.items_minor <= sum(line.amount_minor for line in line_items.reload_items(order))
