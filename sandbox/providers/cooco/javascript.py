"""JSON as JavaScript's JSON.stringify writes it, because that text is what COOCO signs.

It differs from Python's in numbers (ECMA-262, Number::toString): no ".0", plain digits from 1e-6 up to 1e21, exponents
without a leading zero.
"""

from __future__ import annotations

import json
import math
from typing import Any


def stringify_value(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{"
            + ",".join(f"{stringify_value(str(name))}:{stringify_value(part)}" for name, part in value.items())
            + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ",".join(stringify_value(part) for part in value) + "]"
    if isinstance(value, float):
        return _format_number(value)
    return json.dumps(value, ensure_ascii=False)


def _format_number(value: float) -> str:
    if not math.isfinite(value):
        return "null"
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    text = repr(value)
    if "e" not in text:
        return text
    digits, _, exponent = text.partition("e")
    if -7 < int(exponent) < 0:
        whole, _, fraction = digits.lstrip("-").partition(".")
        return ("-" if value < 0 else "") + "0." + "0" * (-int(exponent) - 1) + whole + fraction
    return f"{digits}e{int(exponent):+d}"
