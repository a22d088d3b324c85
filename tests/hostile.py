"""Bodies that no endpoint may stumble over (SPEC W7): each gets a clear 4xx, never a 5xx."""

import json
from typing import NamedTuple

JSON = "application/json"


class Hostile(NamedTuple):
    raw: bytes
    content_type: str = JSON


def _object(value: str, key: str = "status") -> bytes:
    return f'{{"{key}": {value}}}'.encode()


def _nested(depth: int) -> str:
    return "[" * depth + "]" * depth


BODIES: dict[str, Hostile] = {
    "not JSON": Hostile(b"<xml/>"),
    "half an object": Hostile(b'{"status": "PICK'),
    "two objects": Hostile(b"{}{}"),
    "a comment": Hostile(b'{"status": 1 /* one */}'),
    "single quotes": Hostile(b"{'status': 'PICKED_UP'}"),
    "a trailing comma": Hostile(b'{"status": "PICKED_UP",}'),
    "not UTF-8": Hostile(b'{"status": "\xff\xfe"}'),
    "UTF-16": Hostile('{"status": "PICKED_UP"}'.encode("utf-16")),
    "a byte order mark": Hostile(b'\xef\xbb\xbf{"status": "PICKED_UP"}'),
    "an escaped NUL": Hostile(_object('"a\\u0000b"')),
    "an escaped NUL as a key": Hostile(b'{"a\\u0000b": 1}'),
    "a bare NUL": Hostile(_object('"a\x00b"')),
    "half a surrogate pair": Hostile(_object('"\\ud83d"')),
    "NaN": Hostile(_object("NaN", "lat")),
    "minus Infinity": Hostile(_object("-Infinity", "lat")),
    "a number beyond all numbers": Hostile(_object("1e999", "lat")),
    "an integer of 5,000 digits": Hostile(_object("9" * 5_000, "lat")),
    "65 levels": Hostile(_object(_nested(65))),
    "5,000 levels": Hostile(_object(_nested(5_000))),
    "100,000 levels, unclosed": Hostile(b"[" * 100_000),
    "objects 70 deep": Hostile(b'{"a":' * 70 + b"1" + b"}" * 70),
    "a text": Hostile(b'"PICKED_UP"'),
    "a number": Hostile(b"42"),
    "null": Hostile(b"null"),
    "true": Hostile(b"true"),
    "a list of lists": Hostile(b"[[[]]]"),
    "1 MB": Hostile(json.dumps({"status": "x" * 1_000_000}).encode()),
    "a form": Hostile(b"status=PICKED_UP&lat=1", "application/x-www-form-urlencoded"),
    "a multipart form": Hostile(b"--x--", "multipart/form-data; boundary=x"),
    "XML": Hostile(b"<status>PICKED_UP</status>", "application/xml"),
    "plain text": Hostile(b"{}", "text/plain"),
    "no content type at all": Hostile(b"{}", ""),
}  # fmt: skip

# Values that are JSON, and wrong wherever a text or a number is expected.
VALUES: dict[str, object] = {
    "an object": {"a": 1},
    "a list": [1, 2],
    "a boolean": True,
    "nothing": None,
    "a long text": "x" * 20_000,
    "a right-to-left text": "\u202e\u0645\u0631\u062d\u0628\u0627" * 2_000,
    "a huge integer": 10**300,
    "a negative number": -(10**18),
    "a fraction": 0.1234567890123456789,
    "SQL": "'; DROP TABLE orders_order; --" * 50,
    "a template": "{{7*7}}${7*7}%s%n" * 100,
}
