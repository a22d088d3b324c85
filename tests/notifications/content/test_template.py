"""Texts with blanks: what they may hold, and that values give way where room is short."""

from typing import Any

import pytest

from notifications.content.template import BadText, blank_names, fill_text, number_blanks, wished_languages

PARAMS: dict[str, Any] = {"orderId": "A-1", "distance_m": 1234, "reason": "x", "none": None}


# spec: N4
@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Order {orderId}: {reason}", "Order A-1: x"),
        ("{distance_m:km} away, {distance_m} m", "1.2 km away, 1234 m"),
        ("{{orderId}} and {{{orderId}}} and }}{{", "{orderId} and {A-1} and }{"),
        ("no blanks", "no blanks"),
        ("{none}", "None"),
        ("", ""),
    ],
)
def test_blanks_are_filled(text, filled):
    assert fill_text(text, PARAMS).words == filled


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{0}",
        "{orderId.__class__}",
        "{orderId[0]}",
        "{orderId!r}",
        "{orderId:>10}",
        "{orderId:{reason}}",
        "{ orderId }",
        "{orderId",
        "orderId}",
        "{{orderId}",
        "{order Id}",
        "{निःशुल्क}",
        "{distance_m:.2f}",
        "{orderId:}",
    ],
)
def test_whatever_is_more_than_a_plain_name_is_refused(text):
    with pytest.raises(BadText, match="is no blank"):
        blank_names(text)


@pytest.mark.parametrize("text", ["{nobody}", "{reason:km}", "{none:km}", "{orderId:miles}"])
def test_what_cannot_be_filled_is_said(text):
    with pytest.raises(BadText, match="cannot be filled"):
        fill_text(text, PARAMS)


def test_a_value_is_never_read_as_a_text():
    assert fill_text("{reason}", {"reason": "{orderId} {{"}).words == "{orderId} {{"


def test_values_give_way_where_room_is_short_and_words_do_not():
    params = {"a": "a" * 50, "b": "b" * 5, "c": "c" * 40}
    filled = fill_text("A {a}, B {b}, C {c}.", params, at_most=60)
    assert len(filled.words) <= 60
    assert filled.words.startswith("A aaa")
    assert filled.words.endswith("….")
    assert "B bbbbb, C " in filled.words
    assert fill_text("A {a}.", params, at_most=53).words == "A " + "a" * 50 + "."
    assert fill_text("1234{a}", params, at_most=4).words == "1234"
    assert fill_text("1234{a}", params, at_most=3).words == "123"


def test_blanks_are_numbered_as_whatsapp_wants_them():
    text = "{a} and {b:km}, {a} again"
    assert number_blanks(text) == "{{1}} and {{2}}, {{3}} again"
    assert number_blanks("none") == "none"


def test_a_language_is_looked_for_without_its_region_and_then_in_english():
    assert wished_languages("hi-IN") == ("hi-IN", "hi", "en")
    assert wished_languages("en") == ("en",)
