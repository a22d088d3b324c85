"""The door as it runs in production: granian, real sockets, bodies in chunks (SPEC W1, W3, W7)."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from foundation.api.parsers import MAX_BYTES
from tests import processes
from tests.processes import Web
from tests.webhooks.stripe_events import CONNECT_SECRET, PLATFORM_SECRET, event, raw, sign
from webhooks.models import WebhookEvent

PATH = "/webhooks/stripe"


@pytest.fixture
def web(process_environment: dict[str, str], tmp_path: Path) -> Iterator[Web]:
    secrets = {"STRIPE_WEBHOOK_SECRET": PLATFORM_SECRET, "STRIPE_CONNECT_WEBHOOK_SECRET": CONNECT_SECRET}
    with processes.web({**process_environment, **secrets}, tmp_path) as running:
        yield running


# spec: W1, W3, W7
def test_the_web_process_takes_and_refuses_as_it_should(web: Web):
    """One process for the whole story: starting one takes longer than all it is asked."""
    good = raw(event("payment_intent.succeeded"))
    assert web.post(PATH, good, {"Stripe-Signature": sign(good)}) == (200, b'{"received": true}')

    in_chunks = raw(event("payment_intent.succeeded"))
    pieces = [in_chunks[:100], in_chunks[100:101], in_chunks[101:]]
    assert web.post(PATH, iter(pieces), {"Stripe-Signature": sign(in_chunks)})[0] == 200
    assert WebhookEvent.objects.count() == 2

    assert web.post(PATH, good[:-1], {"Stripe-Signature": sign(good)})[0] == 400
    assert web.post(PATH, good, {})[0] == 400
    assert web.post(PATH, b"", {})[0] == 400
    assert web.post(PATH, good, {"Content-Type": "text/plain"})[0] == 415
    assert web.post("/webhooks/nobody", good, {})[0] == 404
    assert web.post("/pp_callback/nobody/", b"{}", {})[0] == 400
    assert web.get(PATH)[0] == 405
    assert web.get("/health")[0] == 200

    # The cap to the byte: a server that answers early leaves nothing unread, so its answer is not lost in a reset.
    endless = (b" " * (MAX_BYTES // 16) for _ in range(16))
    assert web.post(PATH, endless, {"Stripe-Signature": "t=1,v1=0"})[0] == 413
    assert announced(web, 5_000_000) == 413
    assert WebhookEvent.objects.count() == 2
    assert fifty_at_once(web) == {(200, b'{"received": true}')}
    assert WebhookEvent.objects.count() == 3


def announced(web: Web, size: int) -> int:
    """The status for a body that is announced and never sent: nobody waits for it."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as link:
        head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
        link.sendall(head.encode())
        return int(link.recv(1_000).split(b" ", 2)[1])


def fifty_at_once(web: Web) -> set[tuple[int, bytes]]:
    body, together = raw(event("payment_intent.succeeded")), threading.Barrier(25)

    def knock(_: int) -> tuple[int, bytes]:
        together.wait()
        return web.post(PATH, body, {"Stripe-Signature": sign(body)})

    with ThreadPoolExecutor(25) as threads:
        return set(threads.map(knock, range(50)))
