"""JSON from outside, read strictly (SPEC W7): one reader for APIs and webhooks."""

import json
import math
import re
from typing import Any

from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

MAX_DEPTH = 64
MAX_BYTES = 1_000_000


_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # an escaped NUL, and not a backslash that stands before "u0000"


class UnreadableBody(ValueError):
    """A body that cannot be read; the message says why, in words that may be shown to the caller."""


def strict_json(raw: bytes) -> Any:
    """Parse JSON that PostgreSQL will also accept. Raises UnreadableBody: not UTF-8, not JSON, NaN, NUL, lone
    surrogates, deeper than 64 levels, numbers of absurd length or size."""
    if len(raw) >= MAX_BYTES:
        raise UnreadableBody("body is larger than 1 MB")
    try:
        text = raw.decode("utf-8")
        value = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise UnreadableBody("body is not UTF-8") from error
    except RecursionError as error:
        raise UnreadableBody("body is nested too deeply") from error
    except UnreadableBody:
        raise
    except ValueError as error:
        raise UnreadableBody("body is not JSON") from error
    _refuse_depth(raw, value)  # before anything that would walk down a value by recursion
    if b"\\u" in raw or b"\x00" in raw:
        _refuse_unstorable(value)
    return value


def _refuse_constant(name: str) -> Any:
    raise UnreadableBody(f"body holds {name}, which is not JSON")


def _finite_float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):  # 1e999: would leave us again as Infinity, which is not JSON
        raise UnreadableBody("body holds a number that is too large")
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite_float)


def _refuse_unstorable(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    if _NUL.search(text):
        raise UnreadableBody("body holds a NUL character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UnreadableBody("body holds half of a surrogate pair") from error


def _refuse_depth(raw: bytes, value: Any) -> None:
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise UnreadableBody("body is nested too deeply")
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        raw = stream.read(MAX_BYTES)  # no more, whatever a caller sends
        if len(raw) == MAX_BYTES:
            raise RequestDataTooBig
        if not raw.strip():
            return {}
        try:
            return strict_json(raw)
        except UnreadableBody as error:
            raise ParseError(str(error)) from error
