"""Small words for requests and answers, used by the control API and the JSON providers."""

from __future__ import annotations

import json
import math
from typing import Any

from django.http import HttpRequest, HttpResponse


class BadRequest(ValueError):
    """A control call that makes no sense; `field` names the part."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def json_answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(json.dumps(body), status=status, content_type="application/json", headers=headers)


def json_object(request: HttpRequest) -> dict[str, Any] | None:
    """The body as a JSON object, or None if it is anything else."""
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def parse_number(body: dict[str, Any], name: str, default: float) -> float:
    """A number of 0 or more from a control body."""
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise BadRequest(name, "must be a number, 0 or more")
    return float(value)


def query_number(request: HttpRequest, name: str, default: float) -> float:
    try:
        return float(request.GET.get(name, default))
    except ValueError:
        raise BadRequest(name, "must be a number") from None
