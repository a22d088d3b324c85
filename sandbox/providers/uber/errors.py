"""Uber's errors: raised where they are found, answered in one place."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from sandbox.engine.http import json_answer

Metadata = dict[str, Any]


class UberError(Exception):
    def __init__(self, status: int, code: str, message: str, metadata: Metadata | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.metadata = status, code, metadata


def error_response(status: int, code: str, message: str, metadata: Metadata | None = None) -> HttpResponse:
    error = {"code": code, "message": message, "kind": "error", "metadata": metadata or {}}
    return json_answer(error, status=status)


def invalid_params(**fields: str) -> UberError:
    """invalid_params: metadata says what is wrong with which field."""
    return UberError(400, "invalid_params", "The parameters of your request were invalid.", fields)


def not_found() -> UberError:
    return UberError(404, "delivery_not_found", "The requested delivery does not exist.")


def answer_errors(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Turns an error into Uber's answer."""

    @functools.wraps(view)
    def run_view(request: HttpRequest, **values: Any) -> HttpResponse:
        try:
            return view(request, **values)
        except UberError as error:
            return error_response(error.status, error.code, str(error), error.metadata)

    return run_view
