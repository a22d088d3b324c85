"""DoorDash's errors: raised where they are found, answered in one place."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from sandbox.engine.http import json_answer


class DoorDashError(Exception):
    """`more` are the further fields of the body: reason, field_errors, external_delivery_id."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.code, self.more = status, code, more


def error_response(status: int, code: str, message: str, **more: Any) -> HttpResponse:
    return json_answer({"code": code, "message": message, **more}, status=status)


def invalid_body(problems: dict[str, str]) -> DoorDashError:
    errors = [{"field": field, "error": error} for field, error in problems.items()]
    return DoorDashError(400, "validation_error", "One or more validation errors occurred", field_errors=errors)


def duplicate_id(external_id: str) -> DoorDashError:
    message = f"Delivery ID {external_id} already exists"
    return DoorDashError(409, "duplicate_delivery_id", message, external_delivery_id=external_id)


def unknown_id(external_id: str) -> DoorDashError:
    return DoorDashError(404, "unknown_delivery_id", f"Delivery [{external_id}] not found")


def answer_errors(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Turns an error into DoorDash's answer."""

    @functools.wraps(view)
    def run_view(request: HttpRequest, **values: Any) -> HttpResponse:
        try:
            return view(request, **values)
        except DoorDashError as error:
            return error_response(error.status, error.code, str(error), **error.more)

    return run_view
