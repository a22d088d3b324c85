"""A small threaded HTTP/1.1 server for one WSGI application, with keep-alive.

Why not one of the fast servers: a lost answer must be a closed socket without a single byte, which no WSGI server
offers; the store wants one process; and a thread for each connection means that answers held back by a fault, or long
polls, never use up a pool. It spends about half a millisecond a request, far less than the traffic of a demo needs.
"""

from __future__ import annotations

import io
import logging
import socket
import socketserver
import sys
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote_to_bytes

from sandbox.engine.gateway import DROP_CONNECTION

log = logging.getLogger("sandbox.server")

Application = Callable[..., Iterable[bytes]]
LONGEST_BODY = 10_000_000
IDLE_S = 300


class Server(socketserver.ThreadingTCPServer):
    """Bound on construction; `serve_forever()` runs it. Port 0 takes a free one, see `server_address`."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    application: Application  # to be set before serve_forever()

    def __init__(self, host: str, port: int) -> None:
        super().__init__((host, port), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):  # else the other side went away
            log.error("connection from %s failed", client_address, exc_info=error)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    disable_nagle_algorithm = True
    server: Server

    def handle_one_request(self) -> None:
        try:
            self.raw_requestline = self.rfile.readline(65537)
        except TimeoutError:
            self.close_connection = True
            return
        if not self.raw_requestline:
            self.close_connection = True
            return
        if not self.parse_request():
            self.close_connection = True
            return
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            self.close_connection = True
            self.send_error(411)
            return
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > LONGEST_BODY:
            self.close_connection = True
            self.send_error(413 if length.isdigit() else 400)
            return
        self._send_answer(self.rfile.read(int(length)))

    def _send_answer(self, body: bytes) -> None:
        environ = self._build_environ(body)
        head: list[str] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            head.extend((f"{self.protocol_version} {status}", *(f"{name}: {value}" for name, value in headers)))

        result = self.server.application(environ, start_response)
        try:
            content = b"".join(result)
        finally:
            if close := getattr(result, "close", None):
                close()
        if environ.get(DROP_CONNECTION):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if not any(line.lower().startswith("content-length:") for line in head):
            head.append(f"Content-Length: {len(content)}")
        head.append("Connection: close" if self.close_connection else "Connection: keep-alive")
        head_bytes = ("\r\n".join(head) + "\r\n\r\n").encode("latin-1")
        self.wfile.write(head_bytes if self.command == "HEAD" else head_bytes + content)

    def _build_environ(self, body: bytes) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": self.server.server_address[0],
            "SERVER_PORT": str(self.server.server_address[1]),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            key = "HTTP_" + name.upper().replace("-", "_")
            if key not in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"):
                environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name in the base class
        """The call log in the store is the log."""
