"""A body as `JSON.stringify(JSON.parse(body))` writes it in ECMAScript: what COOCO's contract signs (SPEC W1).

Numbers are doubles (ECMA-262, Number::toString): 12.0 → 12, 1e21, 1e-7, -0 → 0, beyond all doubles → null. Keys that
are array indices come first, ascending; the others as written; of a key given twice the last value stands in the
first's place. Texts escape quotes, backslashes, control characters and halves of surrogate pairs, and nothing else.
"""

import json
import math
import re
from decimal import Decimal
from typing import Any

_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_LARGEST_INDEX = 2**32 - 2
_HALF = re.compile(r"[\ud800-\udfff]")  # pairs were joined when the text was read: what is left is half of one
_POINT_UNTIL, _ZEROS_UNTIL = 21, -6  # ECMA-262: where a number changes to its exponential form


def stringify_body(raw: bytes) -> bytes | None:
    """None where JSON.parse would have thrown, or it is nested deeper than we follow."""
    try:
        return _write_value(_DECODER.decode(raw.decode("utf-8"))).encode("utf-8")
    except (ValueError, RecursionError):
        return None


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_int=float, parse_float=float, parse_constant=_refuse_constant)


def _write_value(value: Any) -> str:
    if isinstance(value, str):
        return _write_text(value)
    if isinstance(value, float):
        return _write_number(value)
    if isinstance(value, list):
        return "[" + ",".join(_write_value(part) for part in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{_write_text(key)}:{_write_value(value[key])}" for key in _in_order(value)) + "}"
    return "null" if value is None else "true" if value else "false"


def _in_order(value: dict[str, Any]) -> list[str]:
    indices = [key for key in value if _INDEX.fullmatch(key) and int(key) <= _LARGEST_INDEX]
    if not indices:
        return list(value)
    first = set(indices)
    return [*sorted(indices, key=int), *(key for key in value if key not in first)]


def _write_text(value: str) -> str:
    return _HALF.sub(lambda half: f"\\u{ord(half.group()):04x}", json.dumps(value, ensure_ascii=False))


def _write_number(value: float) -> str:
    if not math.isfinite(value):
        return "null"
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    figures = Decimal(repr(abs(value))).normalize().as_tuple()  # repr gives the shortest digits that read back
    digits = "".join(map(str, figures.digits))
    point = len(digits) + int(figures.exponent)  # where the decimal point stands, from the first digit
    if len(digits) <= point <= _POINT_UNTIL:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= _POINT_UNTIL:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if _ZEROS_UNTIL < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{sign}{mantissa}e{point - 1:+d}"
