"""The body as JavaScript writes it, compared with what Node made (make_stringify_vectors.js)."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliveries.couriers.providers.cooco.ecmascript_json import stringify_body
from tests import hostile

VECTORS = json.loads((Path(__file__).parents[1] / "stringify_vectors.json").read_text())


# spec: W1
def test_it_writes_what_node_writes():
    assert len(VECTORS) >= 2000
    assert [body for body, made in VECTORS if stringify_body(body.encode()) != made.encode()] == []


def test_pythons_own_json_would_not_do():
    """The vectors tell: written by the obvious two calls, a good part of them comes out otherwise."""

    def obvious(body: str) -> str:
        return json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False)

    assert sum(obvious(body) != made for body, made in VECTORS) > len(VECTORS) / 4


@pytest.mark.parametrize(
    ("body", "made"),
    [
        (b"12.0", b"12"),
        (b"-0", b"0"),
        (b"1e21", b"1e+21"),
        (b"123456789012345680000", b"123456789012345680000"),
        (b"0.000001", b"0.000001"),
        (b"0.0000001", b"1e-7"),
        (b"1e400", b"null"),
        (b"9007199254740993", b"9007199254740992"),
        (b'{"b":1,"10":2,"9":3,"b":4}', b'{"9":3,"10":2,"b":4}'),
        (b'{"4294967294":1,"4294967295":2,"0":3}', b'{"0":3,"4294967294":1,"4294967295":2}'),
        (b'"\\u00e9\\u2028\\/"', '"é\u2028/"'.encode()),
        (b'"\\ud83d\\ude00\\ud83d"', '"😀\\ud83d"'.encode()),
    ],
)
def test_for_example(body, made):
    assert stringify_body(body) == made


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b"Infinity", b"-Infinity", b"01", b"\xff", b"[" * 100_000, b"'a'"])
def test_what_node_cannot_parse_is_nothing(body):
    assert stringify_body(body) is None


@pytest.mark.parametrize("name", hostile.BODIES)
def test_no_body_is_a_crash(name):
    assert isinstance(stringify_body(hostile.BODIES[name].raw), bytes | None)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(0, 2**33).map(str), inner),
)


@given(JSON)
def test_writing_it_twice_changes_nothing(value):
    once = stringify_body(json.dumps(value).encode())
    assert once is not None
    assert stringify_body(once) == once


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_keep_their_value(number):
    written = stringify_body(repr(number).encode())
    assert written is not None
    assert float(written) == number
