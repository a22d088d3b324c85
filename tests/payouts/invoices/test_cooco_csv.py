"""COOCO's invoice file: what is read, and that anything else is refused whole (SPEC C6, S2)."""

from datetime import UTC, datetime

import pytest

from foundation.errors import APIError
from payouts.invoices import cooco_csv
from payouts.invoices.cooco_csv import COLUMNS, MOST_BYTES, ParsedLine, UnreadableFile
from tests.payouts.invoices.invoice_files import HEADER, file, line


# spec: C6
def test_a_line_is_what_stands_in_it():
    stop = line(kind="cancellation", total=500, external_id="o_abc-2", completed_at="2026-11-10T13:00:00+01:00")
    assert cooco_csv.read_lines(file(line(), stop)) == [
        ParsedLine(
            2, "cooco-delivery-77", "o_nobody-1", "delivery_fee", datetime(2026, 11, 10, 12, 30, tzinfo=UTC), 475, "USD"
        ),
        ParsedLine(
            3, "cooco-delivery-77", "o_abc-2", "cancellation_fee", datetime(2026, 11, 10, 12, tzinfo=UTC), 500, "USD"
        ),
    ]


def test_a_byte_order_mark_and_windows_line_ends_are_how_spreadsheets_save():
    saved = b"\xef\xbb\xbf" + file(line()).replace(b"\n", b"\r\n")
    assert cooco_csv.read_lines(saved) == cooco_csv.read_lines(file(line()))


FILES = {
    "empty": (b"", 1, ""),
    "no line": (file(), 0, ""),
    "not UTF-8": (file(line()) + b"\xff\xfe", 3, ""),
    "UTF-16": (file(line()).decode().encode("utf-16"), 1, ""),
    "a NUL": (file(line(delivery_id="a\x00b")), 2, ""),
    "a line separator that is none": (file(line(delivery_id="a\u2028b")), 2, ""),
    "a right-to-left override": (file(line(delivery_id="a\u202eb")), 2, ""),
    "an escape sequence": (file(line(delivery_id="\x1b[2J")), 2, ""),
    "another header": (file(line(), header=HEADER.replace("total", "sum")), 1, "total"),
    "a column less": (file(line(), header=HEADER.removesuffix(",currency")), 1, "currency"),
    "a column more": (file(line(), header=HEADER + ",tip"), 1, ""),
    "columns in another order": (file(line(), header=",".join(reversed(COLUMNS))), 1, "delivery_id"),
    "a short line": (file(line(), "a,b"), 3, ""),
    "an empty line": (file(line(), "", line()), 3, ""),
    "a long line": (file(line() + ",x"), 2, ""),
    "an open quote": (file(line(), '"' + line()), 3, ""),
    "a quote in the middle": (file('"a"b' + line()), 2, ""),
    "a semicolon file": (file(line()).replace(b",", b";"), 1, "delivery_id"),
    "JSON": (b'[{"delivery_id": 1}]', 1, "delivery_id"),
    "too large": (file(line()) + b"\n" * MOST_BYTES, 0, ""),
    "a huge cell": (file(line(delivery_id="x" * 200_000)), 2, ""),
    "two currencies": (file(line(), line(currency="EUR")), 3, "currency"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_refused_with_the_line_and_the_column(name):
    raw, number, column = FILES[name]
    with pytest.raises(UnreadableFile) as refused:
        cooco_csv.read_lines(raw)
    assert (refused.value.line, refused.value.column) == (number, column)
    assert isinstance(refused.value, APIError)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("delivery_id", "=HYPERLINK(1)"),
        ("delivery_id", "@SUM(A1)"),
        ("delivery_id", "+1"),
        ("delivery_id", "-1"),
        ("delivery_id", "\t=1"),
        ("delivery_id", "a b"),
        ("delivery_id", "x" * 81),
        ("external_id", "=cmd|' /C calc'!A0"),
        ("external_id", "' OR 1=1 --"),
        ("external_id", "o_é-1"),
        ("kind", "tip"),
        ("kind", ""),
        ("completed_at", "yesterday"),
        ("completed_at", "2026-11-10T12:30:00"),
        ("completed_at", "0001-01-01T00:00:00+14:00"),
        ("completed_at", ""),
        ("distance_km", "1e3"),
        ("distance_km", "NaN"),
        ("base", "3.00"),
        ("distance_fee", "1 75"),
        ("surcharge", ""),
        ("total", "-475"),
        ("total", "4.75"),
        ("total", "$475"),
        ("total", "٤٧٥"),
        ("total", "9" * 5_000),
        ("total", "1_000"),
        ("total", "nan"),
        ("currency", "usd"),
        ("currency", "XYZ"),
        ("currency", ""),
    ],
)
def test_a_bad_cell_is_refused(column, value):
    with pytest.raises(UnreadableFile) as refused:
        cooco_csv.read_lines(file(line(), line(**{column: value})))
    assert (refused.value.line, refused.value.column) == (3, column)
    assert len(refused.value.message) < 200


def test_a_line_that_names_no_delivery_is_refused():
    with pytest.raises(UnreadableFile, match="names no delivery"):
        cooco_csv.read_lines(file(line(delivery_id="", external_id="")))


def test_a_file_with_too_many_lines_is_refused(monkeypatch):
    monkeypatch.setattr(cooco_csv, "MOST_LINES", 2)
    with pytest.raises(UnreadableFile, match="more than 2 lines"):
        cooco_csv.read_lines(file(line(), line(), line()))
