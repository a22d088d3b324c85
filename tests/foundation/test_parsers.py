"""JSON from outside: what PostgreSQL can keep is read, everything else is refused with a reason, never a 500."""

import json

import pytest
from django.db import connection
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.response import Response
from rest_framework.views import APIView

from foundation.api.parsers import MAX_BYTES, MAX_DEPTH, UnreadableBody, strict_json

HOSTILE = {
    "nothing": (b"", "not JSON"),
    "blank": (b"   ", "not JSON"),
    "not json": (b"{'a': 1}", "not JSON"),
    "half of it": (b'{"a": [1, 2', "not JSON"),
    "two of it": (b"{}{}", "not JSON"),
    "byte order mark": (b'\xef\xbb\xbf{"a": 1}', "not JSON"),
    "utf-16": ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
    "latin-1": ('{"a": "é"}'.encode("latin-1"), "not UTF-8"),
    "overlong utf-8": (b'{"a": "\xc0\x80"}', "not UTF-8"),
    "raw surrogate": (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
    "escaped surrogate": (b'{"a": "\\ud800"}', "surrogate"),
    "surrogates the wrong way round": (b'{"a": "\\udc00\\ud800"}', "surrogate"),
    "surrogate in a key": (b'{"\\ud800": 1}', "surrogate"),
    "raw nul": (b'{"a": "\x00"}', "not JSON"),
    "escaped nul": (b'{"a": "\\u0000"}', "NUL"),
    "escaped nul after a backslash": (b'{"a": "\\\\\\u0000"}', "NUL"),
    "nul in a key": (b'{"\\u0000": 1}', "NUL"),
    "nan": (b'{"a": NaN}', "NaN"),
    "infinity": (b"[-Infinity]", "Infinity"),
    "a number beyond all floats": (b"[1e999]", "too large"),
    "a number of 5,000 digits": (b"[" + b"1" * 5000 + b"]", "not JSON"),
    "deep list": (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
    "deep object": (b'{"a":' * 65 + b"1" + b"}" * 65, "nested too deeply"),
    "deep with escapes": (b'["\\u0041",' + b"[" * 900 + b"]" * 900 + b"]", "nested too deeply"),
    "a megabyte": (b'"' + b"x" * MAX_BYTES + b'"', "larger than 1 MB"),
}


# spec: W7
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bodies_are_refused_with_a_reason(name):
    raw, reason = HOSTILE[name]
    with pytest.raises(UnreadableBody, match=reason):
        strict_json(raw)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a": "\\\\u0000"}', {"a": "\\u0000"}),  # a backslash and five letters, no NUL
        (b'{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
        ('{"नाम": "आशा"}'.encode(), {"नाम": "आशा"}),
        (b" [1e308, -0.0, 12345678901234567890] ", [1e308, -0.0, 12345678901234567890]),
        (b"null", None),
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)),
        (b"[" + b"[]," * 500 + b"[]]", [[] for _ in range(501)]),
    ],
)
def test_what_is_json_is_read(raw, value):
    assert strict_json(raw) == value


# spec: W7
@pytest.mark.django_db
@given(st.binary(max_size=40) | st.text(max_size=40).map(lambda text: json.dumps(text).encode()))
def test_whatever_is_read_postgresql_can_keep(raw):
    try:
        value = strict_json(raw)
    except UnreadableBody:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::jsonb", [json.dumps(value)])
        assert json.loads(json.dumps(cursor.fetchone()[0])) is not ...


class Echo(APIView):
    authentication_classes = ()
    permission_classes = ()

    def post(self, request):
        return Response({"read": request.data})


def post(raw: bytes, content_type: str = "application/json") -> Response:
    request = RequestFactory().post("/echo", raw, content_type=content_type)
    answer = Echo.as_view()(request)
    answer.render()
    return answer


# spec: W7
@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in ("nothing", "blank")])
def test_an_api_answers_hostile_bodies_with_a_clear_4xx(name):
    answer = post(HOSTILE[name][0])
    assert answer.status_code == (413 if name == "a megabyte" else 400)
    assert set(answer.data) == {"detail", "code", "timestamp", "path"}


# spec: W7
def test_an_api_reads_json_and_nothing_else():
    assert post(b'{"a": 1}').data == {"read": {"a": 1}}
    assert post(b"").data == {"read": {}}
    assert post(b"a=1", "application/x-www-form-urlencoded").status_code == 415
    assert post(b'{"a": 1}', "text/plain").status_code == 415
