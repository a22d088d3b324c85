"""How long a text is as SMS, by the facts that the standard and every carrier publish."""

import pytest

from notifications.channels.sms_segments import BASIC, EXTENSION, GSM_7, UCS_2, measure_sms

TWO_SEPTETS = "€[]{}~^|\\"


# spec: N4
@pytest.mark.parametrize(
    ("text", "alphabet", "units", "segments", "left"),
    [
        ("", GSM_7, 0, 1, 160),
        ("a" * 160, GSM_7, 160, 1, 0),
        ("a" * 161, GSM_7, 161, 2, 145),
        ("a" * 306, GSM_7, 306, 2, 0),
        ("a" * 307, GSM_7, 307, 3, 152),
        ("é" * 160, GSM_7, 160, 1, 0),
        ("ê", UCS_2, 1, 1, 69),
        ("à la carte, ñ, ß, Ω, @, £, ¥", GSM_7, 28, 1, 132),
        ("ç", UCS_2, 1, 1, 69),  # the table has the capital only
        ("€" * 80, GSM_7, 160, 1, 0),
        ("€" * 81, GSM_7, 162, 2, 143),  # 76 fit into the first one, where a septet stays empty
        ("₹450.00", UCS_2, 7, 1, 63),
        ("क" * 70, UCS_2, 70, 1, 0),
        ("क" * 71, UCS_2, 71, 2, 63),
        ("क" * 135, UCS_2, 135, 3, 66),
        ("😀", UCS_2, 2, 1, 68),
        ("😀" * 35, UCS_2, 70, 1, 0),
        ("😀" * 36, UCS_2, 72, 2, 61),  # 33 fit into the first one: no emoji is cut in two
        ("line\nline", GSM_7, 9, 1, 151),
    ],
)
def test_alphabet_units_and_segments(text, alphabet, units, segments, left):
    length = measure_sms(text)
    assert (length.alphabet, length.units, length.segments, length.left) == (alphabet, units, segments, left)


def test_the_extension_table_takes_two_septets_each():
    for character in TWO_SEPTETS:
        assert measure_sms(character).units == 2
        assert measure_sms(character).alphabet == GSM_7
    assert set(TWO_SEPTETS) | {"\f"} == EXTENSION
    assert len(BASIC) == 127  # 128, but for the escape into the extension table


def test_who_made_it_long_is_named_once():
    assert measure_sms("“Hi” – there – …").strangers == "“”–…"
    assert measure_sms("Hi").strangers == ""
    assert str(measure_sms("Hi")) == "1 SMS · 2 septets of GSM-7, 158 left"
