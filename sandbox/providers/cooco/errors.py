"""Refusals in COOCO's shape."""

from __future__ import annotations

from django.http import HttpResponse

from sandbox.engine.http import json_answer


def error_response(status: int, code: str, message: str, field: str = "") -> HttpResponse:
    error = {"code": code, "message": message} | ({"field": field} if field else {})
    return json_answer({"error": error}, status=status)
