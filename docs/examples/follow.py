"""Follow one order, or all orders of a store, live.

    pip install requests websockets
    python follow.py http://127.0.0.1:8000 orders/order-1 "$TOKEN"
    python follow.py http://127.0.0.1:8000 stores/corner "$TOKEN"

Whatever happens to the connection, `state` is level with the API again soon: a snapshot begins every connection, a hint
means "ask again", and while there is no connection it asks by itself.
"""

import json
import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import requests
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

NOT_YOURS = 4403  # closed for good: do not come back
GATHER_S = 0.2  # hints come in bunches: one question answers them all
LONGEST_WAIT_S = 30.0


class Follower:
    """`what` is "orders/<id>" or "stores/<id>", `token` gives an access token that is still good."""

    first_wait_s = 1.0

    def __init__(self, api: str, what: str, token: Callable[[], str]) -> None:
        kind, _, name = what.partition("/")
        self.ticket_address = f"{api}/api/v1/live/{what}/ticket"
        self.address = f"{api}/orders/tracking/{name}" if kind == "orders" else f"{api}/api/v1/live/{what}"
        self.token, self.http = token, requests.Session()
        self.state: Any = None
        self.etag, self.wait_s, self.over = "", self.first_wait_s, False

    def show(self, state: Any) -> None:
        """Override me."""
        self.state = state

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────────────
    def ask(self) -> None:
        """Unchanged is answered 304, and costs next to nothing."""
        headers = {"Authorization": f"Bearer {self.token()}", "If-None-Match": self.etag}
        answer = self.http.get(self.address, headers=headers, timeout=10)
        answer.raise_for_status()
        if answer.status_code == 200:
            self.etag = answer.headers["ETag"]
            self.show(answer.json())

    # ── listening ────────────────────────────────────────────────────────────────────────────────────────────
    def open(self) -> ClientConnection:
        """With a ticket: tokens do not belong into addresses."""
        answer = self.http.post(self.ticket_address, headers={"Authorization": f"Bearer {self.token()}"}, timeout=10)
        answer.raise_for_status()
        return connect(answer.json()["url"])

    def listen(self) -> None:
        """Until the connection ends."""
        with self.open() as socket:
            self.show(json.loads(socket.recv())["data"])  # the snapshot comes first
            self.wait_s = self.first_wait_s
            while not self.over:
                socket.recv()
                with suppress(TimeoutError):
                    while True:
                        socket.recv(timeout=GATHER_S)
                self.ask()

    def run(self) -> None:
        while not self.over:
            try:
                self.listen()
            except ConnectionClosed as closed:
                self.over |= closed.rcvd is not None and closed.rcvd.code == NOT_YOURS
            except (OSError, WebSocketException, requests.RequestException) as error:
                print(f"not connected: {error}", file=sys.stderr)
            if not self.over:
                self.wait()

    def wait(self) -> None:
        """Longer each time, and not all clients at once."""
        time.sleep(self.wait_s * random.uniform(0.5, 1.0))
        self.wait_s = min(2 * self.wait_s, LONGEST_WAIT_S)
        with suppress(requests.RequestException):
            self.ask()


class Printer(Follower):
    def show(self, state: Any) -> None:
        super().show(state)
        print(json.dumps(state, indent=1))


if __name__ == "__main__":
    api, what, token = sys.argv[1:]
    Printer(api, what, lambda: token).run()
