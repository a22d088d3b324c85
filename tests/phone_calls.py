"""Calling Handoff's HTTP APIs as somebody, through the whole Django stack."""

import json
from dataclasses import dataclass
from typing import Any

from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken

from foundation.models import User


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any
    headers: Any

    @property
    def code(self) -> str:
        """The machine-readable code of either family of errors."""
        return str(self.body.get("errorCode") or self.body.get("code") or "") if isinstance(self.body, dict) else ""

    @property
    def message(self) -> str:
        return str(self.body.get("message") or self.body.get("detail") or "") if isinstance(self.body, dict) else ""


def token_of(user: User) -> str:
    """An access token, without the rows that signing in leaves behind."""
    return str(AccessToken.for_user(user))


def call(
    user: User | None,
    method: str,
    path: str,
    body: Any = None,
    *,
    raw: bytes | None = None,
    content_type: str = "application/json",
    **headers: str,
) -> Reply:
    """One request; `raw` goes out as it is, `body` as JSON. Header names with underscores: `if_none_match="…"`."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if user is not None:
        sent["authorization"] = f"Bearer {token_of(user)}"
    data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
    client = Client(headers=sent, raise_request_exception=False)
    reply = client.generic(method.upper(), path, data, content_type=content_type)
    parsed = reply.json() if reply.headers.get("Content-Type") == "application/json" else reply.content
    return Reply(reply.status_code, parsed, reply.headers)
