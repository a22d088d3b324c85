"""Calling the position work queue, with Django behind it, as a web server does."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections

from deliveries.api.location_fast_lane import PATH, LocationFastLane
from foundation.models import User
from tests.phone_calls import Reply, token_of


class Web:
    """The work queue, and Django behind it; `passed_on` counts what reached Django."""

    def __init__(self) -> None:
        self.passed_on = 0
        self.django = get_wsgi_application()
        self.lane = LocationFastLane(self._count)

    def _count(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.passed_on += 1
        return self.django(environ, start_response)

    def post(self, somebody: User | None, body: Any = None, *, raw: bytes | None = None, **environ: str) -> Reply:
        return through(self.lane, somebody, json.dumps(body).encode() if raw is None else raw, **environ)


def through(wsgi: Any, somebody: User | None, raw: bytes, **environ: str) -> Reply:
    said: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        said.update(status=int(status[:3]), headers=dict(headers))

    request: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": PATH,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(raw)),
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(raw),
    }
    if somebody is not None:
        request["HTTP_AUTHORIZATION"] = f"Bearer {token_of(somebody)}"
    content = b"".join(wsgi({**request, **environ}, start_response))
    return Reply(said["status"], json.loads(content), said["headers"])


@contextmanager
def serving() -> Iterator[Web]:
    """Django's own closing of connections would end a test's transaction, as django.test.Client knows."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    try:
        yield Web()
    finally:
        request_started.connect(close_old_connections)
        request_finished.connect(close_old_connections)
