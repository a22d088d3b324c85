"""Life cycles: a table with a mistake in it stops the program from starting."""

import pytest
from django.db.models import TextChoices

from foundation.errors import IllegalMove
from foundation.lifecycle import LifeCycle, OrderAxis


class Colour(TextChoices):
    RED = "red"
    AMBER = "amber"
    GREEN = "green"


MOVES: dict[str, list[str]] = {Colour.RED: [Colour.AMBER], Colour.AMBER: [Colour.RED, Colour.GREEN], Colour.GREEN: []}


# spec: O1
def test_only_the_moves_of_the_table_are_legal():
    life = LifeCycle(Colour, Colour.RED, MOVES)
    legal = {(a, b) for a in Colour for b in Colour if life.is_allowed(a, b)}
    assert legal == {("red", "amber"), ("amber", "red"), ("amber", "green")}
    life.require_move("red", "amber")
    with pytest.raises(IllegalMove, match="Invalid colour transition from green to red") as refusal:
        life.require_move(Colour.GREEN, Colour.RED, what="colour")
    assert (refusal.value.status, refusal.value.code) == (400, "INVALID_STATUS_TRANSITION")


@pytest.mark.parametrize(
    ("moves", "complaint"),
    [
        ({Colour.RED: [Colour.AMBER], Colour.AMBER: []}, r"no row for \['green'\]"),
        ({**MOVES, Colour.GREEN: ["blue"]}, r"unknown statuses \['blue'\]"),
        ({**MOVES, "blue": []}, r"unknown statuses \['blue'\]"),
        ({**MOVES, Colour.AMBER: [Colour.RED]}, r"never reached \['green'\]"),
    ],
)
def test_a_mistake_in_the_table_is_found_at_import(moves, complaint):
    with pytest.raises(ValueError, match=complaint):
        LifeCycle(Colour, Colour.RED, moves)


# spec: O1 P8
def test_an_axis_goes_forward_only_and_the_first_of_equals_stays():
    axis = OrderAxis(Colour, {Colour.RED: 0, Colour.AMBER: 1, Colour.GREEN: 1})
    assert axis.furthest_of("red", "amber") == "amber"
    assert axis.furthest_of("amber", "red") == "amber"
    assert axis.furthest_of("amber", "green") == "amber"
    assert axis.has_reached("amber", "green")
    assert not axis.has_reached("red", "amber")
    with pytest.raises(ValueError, match="every state needs a rank"):
        OrderAxis(Colour, {Colour.RED: 0})
