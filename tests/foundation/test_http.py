"""Outgoing HTTP against a real server that misbehaves: every failure says what may be concluded from it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from foundation import http
from foundation.errors import CallFailed, Permanent, Transient, Unknown
from foundation.http import CallRecord, record_call
from foundation.models import OutboundCall

pytestmark = pytest.mark.django_db


def answer(status: str, body: bytes = b"{}", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Server:
    """Speaks HTTP by hand: what it does with the next connection is up to the test."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.behave: Callable[[socket.socket], None] = lambda _: None
        self.requests: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=[connection], daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            self.requests.append(connection.recv(65536))
            self.behave(connection)

    def says(self, raw: bytes) -> None:
        self.behave = lambda connection: connection.sendall(raw)


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.listener.close()


def call(server: Server, **more):
    facts = {"provider": "test", "purpose": "try", "timeout_s": 2, "reference": "thing:7", "json": {"a": 1}}
    return http.request_json("POST", f"{server.url}/v1/things", **{**facts, **more})


def kept() -> OutboundCall:
    return OutboundCall.objects.get()


# spec: C8
def test_a_good_answer_is_returned_and_the_call_kept(server):
    server.says(answer("201 Created", b'{"id": "x", "email": "a@b.example"}'))
    assert call(server, attempt=3, headers={"X-Key": "k"}) == {"id": "x", "email": "a@b.example"}
    assert b"X-Key: k" in server.requests[0]
    row = kept()
    assert (row.provider, row.purpose, row.reference, row.method, row.attempt) == ("test", "try", "thing:7", "POST", 3)
    assert (row.url, row.status_code, row.outcome) == (f"{server.url}/v1/things", 201, "ok")
    assert (row.request, row.answer) == ({"a": 1}, {"id": "x", "email": "•••"})


def test_an_empty_answer_is_none(server):
    server.says(answer("204 No Content", b""))
    assert call(server) is None


@pytest.mark.parametrize(
    ("raw", "conclusion"),
    [
        (answer("400 Bad Request", b'{"why": "amount"}'), Permanent),
        (answer("401 Unauthorized"), Permanent),
        (answer("404 Not Found", b"<html>"), Permanent),
        (answer("409 Conflict"), Permanent),
        (answer("302 Found", b"", "Location: http://127.0.0.1:9/elsewhere"), Permanent),  # never followed
        (answer("408 Request Timeout"), Transient),
        (answer("425 Too Early"), Transient),
        (answer("429 Too Many Requests"), Transient),
        (answer("503 Service Unavailable", b"{}", "Retry-After: 3"), Transient),
        (answer("503 Service Unavailable"), Unknown),
        (answer("500 Internal Server Error"), Unknown),
        (answer("502 Bad Gateway", b"<html>"), Unknown),
        (answer("200 OK", b"<html>thanks"), Unknown),  # done or not? not in words that we understand
        (b"", Unknown),  # closed without a word
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", Unknown),  # closed in the middle
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Unknown),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", Unknown),
        (b"no HTTP at all\r\n\r\n", Unknown),
    ],
)
def test_what_may_be_concluded_from_an_answer(server, raw, conclusion):
    server.says(raw)
    with pytest.raises(CallFailed) as failure:
        call(server)
    assert type(failure.value) is conclusion
    assert len(server.requests) == 1
    assert kept().outcome == conclusion.__name__.lower()
    assert kept().error


def test_the_refusal_carries_code_and_answer(server):
    server.says(answer("422 Unprocessable Entity", b'{"code": "no_such_card", "phone": "+918012345678"}'))
    with pytest.raises(Permanent) as refusal:
        call(server)
    assert refusal.value.code == "422"
    assert refusal.value.answer["code"] == "no_such_card"
    assert "+918012345678" not in str(refusal.value)
    assert "+918012345678" not in str(kept().answer)


def test_silence_is_unknown_after_the_time_out(server):
    server.behave = lambda _: time.sleep(3)
    started = time.monotonic()
    with pytest.raises(Unknown, match="no answer"):
        call(server, timeout_s=0.3)
    assert time.monotonic() - started < 2


def test_a_reset_connection_is_unknown(server):
    def reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    server.behave = reset
    with pytest.raises(Unknown):
        call(server)


@pytest.mark.parametrize(
    ("url", "conclusion"),
    [
        ("http://127.0.0.1:9/", Transient),  # nobody listens
        ("http://nowhere.invalid/", Transient),  # no such host
        ("", Permanent),  # a base URL that was never set
        ("ftp://127.0.0.1/", Permanent),
        ("http://", Permanent),
    ],
)
def test_what_was_never_sent_did_not_happen(url, conclusion):
    with pytest.raises(conclusion):
        http.request_json("GET", url, provider="test", purpose="try", timeout_s=1)
    assert kept().outcome == conclusion.__name__.lower()
    assert kept().status_code is None


# spec: C8
@pytest.mark.parametrize("body", [b'{"a": "\\u0000"}', b'{"a": "\\ud800"}', b'{"a": NaN}', b"[" * 300 + b"]" * 300])
def test_an_answer_that_postgresql_cannot_keep_is_an_answer_all_the_same(server, body):
    server.says(answer("200 OK", body))
    assert call(server) is not None
    assert kept().outcome == "ok"


def test_a_mistake_of_ours_during_a_call_is_kept_as_unknown():
    with pytest.raises(ZeroDivisionError), record_call(CallRecord("test", "try")):
        raise ZeroDivisionError
    assert (kept().outcome, kept().error) == ("unknown", "ZeroDivisionError()")
