"""COOCO's weekly invoice: a CSV file with one line per delivery, read strictly (SPEC C6).

Header, in this order: delivery_id,external_id,kind,completed_at,distance_km,base,distance_fee,surcharge,total,currency.
Amounts are whole cents ("475"), times ISO 8601 with an offset, kinds `delivery` and `cancellation`. What counts of a
line is its total; the parts that it is made of must be numbers and are not compared.

A file with anything wrong in it is refused whole, with the line and the column: half an invoice is no invoice.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from foundation import clock, money
from foundation.errors import Invalid
from payouts.models import EntryKind

COURIER = "cooco"
NET_DAYS = 7
COLUMNS = (
    "delivery_id",
    "external_id",
    "kind",
    "completed_at",
    "distance_km",
    "base",
    "distance_fee",
    "surcharge",
    "total",
    "currency",
)
MOST_BYTES = 2_000_000
MOST_LINES = 20_000
KINDS = {"delivery": EntryKind.DELIVERY_FEE, "cancellation": EntryKind.CANCELLATION_FEE}
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run


class UnreadableFile(Invalid):
    """Nothing of the file was taken. `line` counts from 1, the header; 0: it is about the file as a whole."""

    code = "BAD_INVOICE_FILE"

    def __init__(self, message: str, *, line: int = 0, column: str = ""):
        where = ", ".join(
            text for text in (f"line {line}" if line else "", f"column {column}" if column else "") if text
        )
        super().__init__(f"{where}: {message}" if where else message, field="file")
        self.line = line
        self.column = column


@dataclass(frozen=True)
class ParsedLine:
    """`position` is the line of the file, amounts are minor units of `currency`."""

    position: int
    courier_ref: str
    external_id: str
    kind: EntryKind
    completed_at: datetime
    amount_minor: int
    currency: str


def read_lines(raw: bytes) -> list[ParsedLine]:
    """Every line of the file. Raises UnreadableFile."""
    lines = [_parse_line(number, row) for number, row in _iterate_rows(_decode_text(raw))]
    if not lines:
        raise UnreadableFile("there is no line in it")
    for line in lines:
        if line.currency != lines[0].currency:
            raise UnreadableFile(f"another currency than {lines[0].currency}", line=line.position, column="currency")
    return lines


def _decode_text(raw: bytes) -> str:
    if len(raw) > MOST_BYTES:
        raise UnreadableFile(f"it is larger than {MOST_BYTES // 1_000_000} MB")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFile("it is not UTF-8", line=raw[: error.start].count(b"\n") + 1) from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.removesuffix("\r").replace("\t", " ").isprintable():
            raise UnreadableFile("it holds a character that cannot be printed", line=number)
    return text


def _iterate_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows after the header, with the file's line that each ends on."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if tuple(header) != COLUMNS:
            wrong = next((name for name, seen in zip(COLUMNS, [*header, *COLUMNS], strict=False) if name != seen), "")
            raise UnreadableFile(f"the header must be {','.join(COLUMNS)}", line=1, column=wrong)
        for count, row in enumerate(reader, start=1):
            if count > MOST_LINES:
                raise UnreadableFile(f"more than {MOST_LINES:,} lines", line=reader.line_num)
            if len(row) != len(COLUMNS):
                raise UnreadableFile(f"{len(row)} columns instead of {len(COLUMNS)}", line=reader.line_num)
            yield reader.line_num, row
    except csv.Error as error:
        raise UnreadableFile(f"not CSV: {error}", line=reader.line_num) from error


def _parse_line(number: int, row: list[str]) -> ParsedLine:
    cells = dict(zip(COLUMNS, row, strict=True))
    parsed: dict[str, Any] = {}
    for column, text in cells.items():
        if text.startswith(FORMULA):
            raise UnreadableFile("it looks like a formula", line=number, column=column)
        try:
            parsed[column] = _PARSERS[column](text)
        except ValueError as error:
            raise UnreadableFile(f"{text[:40]!r} is not {error}", line=number, column=column) from error
    if not parsed["delivery_id"] and not parsed["external_id"]:
        raise UnreadableFile("it names no delivery", line=number, column="delivery_id")
    return ParsedLine(
        position=number,
        courier_ref=parsed["delivery_id"],
        external_id=parsed["external_id"],
        kind=parsed["kind"],
        completed_at=parsed["completed_at"],
        amount_minor=parsed["total"],
        currency=parsed["currency"],
    )


# ── cells: each raises ValueError with what it should have been ──────────────────────────────────────────────────
def _matching_parser(shape: str, what: str) -> Callable[[str], str]:
    pattern = re.compile(shape, re.ASCII)

    def parse_text(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(what)
        return text

    return parse_text


def _parse_kind(text: str) -> EntryKind:
    if text not in KINDS:
        raise ValueError(" or ".join(KINDS))
    return KINDS[text]


def _parse_cents(text: str) -> int:
    return int(_matching_parser(r"\d{1,9}", "a whole number of cents")(text))


def _parse_time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not clock.is_plausible(moment):
        raise ValueError("a time with its offset, as 2026-11-20T18:30:00Z")
    return moment


def _parse_currency(text: str) -> str:
    if not _matching_parser("[A-Z]{3}", "a currency")(text) or not money.is_known_currency(text):
        raise ValueError("a currency that we do business in")
    return text


_PARSERS: dict[str, Callable[[str], Any]] = {
    "delivery_id": _matching_parser(r"[\w.:-]{0,80}", "an id of COOCO's"),
    "external_id": _matching_parser(r"[\w-]{0,60}", "an id of ours"),
    "kind": _parse_kind,
    "completed_at": _parse_time,
    "distance_km": _matching_parser(r"\d{1,6}(\.\d{1,6})?", "a distance in km"),
    "base": _parse_cents,
    "distance_fee": _parse_cents,
    "surcharge": _parse_cents,
    "total": _parse_cents,
    "currency": _parse_currency,
}
