"""What COOCO signs: JSON as JavaScript writes it."""

from __future__ import annotations

import pytest

from sandbox.providers.cooco.javascript import stringify_value


@pytest.mark.parametrize(
    ("value", "text"),  # the right column is what Node 20 prints
    [
        (12.0, "12"),
        (1e-7, "1e-7"),
        (0.00001, "0.00001"),
        (-1.5e-6, "-0.0000015"),
        (1e21, "1e+21"),
        (-97.7431, "-97.7431"),
        ({"a": [True, None, "é\n\u2028"]}, '{"a":[true,null,"é\\n\u2028"]}'),
    ],
)
def test_json_as_javascript_writes_it(value, text):
    assert stringify_value(value) == text
