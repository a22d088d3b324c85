"""The axes and the status they make, against an oracle that reads SPEC's words another way."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import IllegalMove
from orders.lifecycle import (
    CARRIAGE,
    LIVE,
    PAYMENT,
    POS_WORDS,
    PREPARATION,
    STRICT,
    TRACKING_WORDS,
    CarriageState,
    OrderStatus,
    PaymentState,
    PreparationState,
    derive_status,
)

COMBINATIONS = list(product(PaymentState, PreparationState, CarriageState))
KITCHEN = {
    "placed": "payment_confirmed",
    "notified": "store_notified",
    "acknowledged": "confirmed",
    "picking": "picking_in_progress",
    "ready": "ready_for_pickup",
}


def oracle(payment: str, preparation: str, carriage: str) -> str:
    """Collect everything that could be said of the order, then take what outranks the rest."""
    said = {
        "refunded": payment == "refunded",
        "delivered": carriage == "delivered",
        "failed": preparation == "refused",
        "cancelled": "cancelled" in (payment, preparation),
        "delivery_failed": carriage in ("failed", "returned"),
        "pending": payment == "unpaid",
        "in_transit": carriage == "in_transit",
        "picked_up": carriage == "picked_up",
        "assigned_to_driver": carriage == "assigned" and preparation == "ready",
        KITCHEN.get(preparation, "nothing"): True,
    }
    return next(status for status, true in said.items() if true)


# spec: O1, O3, O8
@pytest.mark.parametrize(("payment", "preparation", "carriage"), COMBINATIONS)
def test_the_status_of_every_combination(payment, preparation, carriage) -> None:
    assert derive_status(payment, preparation, carriage) == oracle(payment, preparation, carriage)


# spec: O6
def test_undecided_substitutions_show_only_while_picking() -> None:
    for payment, preparation, carriage in COMBINATIONS:
        plain = derive_status(payment, preparation, carriage)
        undecided = derive_status(payment, preparation, carriage, undecided_substitutions=True)
        expected = OrderStatus.SUBSTITUTIONS_NEEDED if plain == OrderStatus.PICKING_IN_PROGRESS else plain
        assert undecided == expected


# spec: O3
def test_assigned_shows_only_once_the_order_is_ready() -> None:
    for preparation in PreparationState:
        shown = derive_status("paid", preparation, "assigned") == OrderStatus.ASSIGNED_TO_DRIVER
        assert shown == (preparation == PreparationState.READY)


# spec: O1
def test_nothing_the_store_says_leads_out_of_pending() -> None:
    for preparation in set(PreparationState) - {PreparationState.CANCELLED, PreparationState.REFUSED}:
        assert derive_status("unpaid", preparation, "none") == OrderStatus.PENDING


# spec: O1
def test_strict_moves_are_spec_s_table() -> None:
    table = {
        "pending": "payment_confirmed cancelled failed",
        "payment_confirmed": "store_notified confirmed cancelled failed",
        "store_notified": "confirmed cancelled failed",
        "confirmed": "picking_in_progress ready_for_pickup cancelled",
        "picking_in_progress": "substitutions_needed ready_for_pickup cancelled",
        "substitutions_needed": "picking_in_progress ready_for_pickup cancelled",
        "ready_for_pickup": "assigned_to_driver cancelled",
        "assigned_to_driver": "picked_up ready_for_pickup cancelled delivery_failed",
        "picked_up": "in_transit delivery_failed",
        "in_transit": "delivered delivery_failed",
        "delivered": "refunded",
        "delivery_failed": "ready_for_pickup cancelled refunded",
        "cancelled": "refunded",
        "failed": "refunded",
        "refunded": "",
    }
    for current, target in product(OrderStatus, OrderStatus):
        if target in table[current].split():
            STRICT.require_move(current, target)
        else:
            with pytest.raises(IllegalMove, match=f"from {current} to {target}") as refused:
                STRICT.require_move(current, target)
            assert (refused.value.status, refused.value.code) == (400, "INVALID_STATUS_TRANSITION")


# spec: O1
@given(st.data(), st.sampled_from([PAYMENT, PREPARATION, CARRIAGE]))
def test_an_axis_keeps_the_furthest_it_has_seen(data, axis) -> None:
    seen = data.draw(st.lists(st.sampled_from(list(axis.states)), min_size=1, max_size=8))
    stands = start = next(iter(axis.states)).value
    for state in seen:
        before, stands = stands, axis.furthest_of(stands, state)
        assert axis.ranks[stands] >= axis.ranks[before]
        assert axis.furthest_of(stands, state) == stands
    assert axis.ranks[stands] == max(axis.ranks[state] for state in [start, *seen])


def test_every_status_has_a_word_for_each_contract() -> None:
    assert set(TRACKING_WORDS) == set(POS_WORDS) == set(OrderStatus)
    assert set(POS_WORDS.values()) == {"processing", "confirmed", "food_ready", "failed", "cancelled"}
    assert LIVE.isdisjoint({"delivered", "delivery_failed", "cancelled", "failed", "refunded"})
