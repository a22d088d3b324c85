"""Error bodies of the API families: one handler, told apart by the view's `error_family`.

rider: `{success: false, message, errorCode}` · tracking (and everything else): `{detail, code, timestamp, path}`.
"""

from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from foundation import clock
from foundation.errors import APIError, CallFailed, NotFound

log = structlog.get_logger(__name__)
MAX_MESSAGE = 500
CODES = {
    400: "BAD_REQUEST",
    401: "NOT_AUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_ERROR",
    502: "PROVIDER_FAILED",
    503: "UNAVAILABLE",
}


def handle_exception(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler (settings.EXCEPTION_HANDLER). None: not ours, Django answers 500 and logs it."""
    request = context["request"]
    status, code, message, headers = _read_error(error)
    if status is None:
        return None
    set_rollback()
    message = message[:MAX_MESSAGE]  # a complaint may quote what was sent
    family = getattr(context.get("view"), "error_family", "tracking")
    log.info("request_refused", path=request.path, status=status, code=code, reason=message)
    return Response(error_body(family, code, message, request.path), status=status, headers=headers)


def _read_error(error: Exception) -> tuple[int | None, str, str, dict[str, str]]:
    if isinstance(error, APIError):
        prefix = f"{error.field}: " if error.field and not error.message.startswith(error.field) else ""
        return error.status, error.code, prefix + error.message, error.headers
    if isinstance(error, exceptions.ValidationError):
        return 400, "VALIDATION_ERROR", first_message(error.detail), {}
    if isinstance(error, exceptions.APIException):
        headers = {"WWW-Authenticate": "Bearer"} if error.status_code == 401 else {}
        detail = error.detail.get("detail", error.detail) if isinstance(error.detail, dict) else error.detail
        return error.status_code, CODES.get(error.status_code, "BAD_REQUEST"), first_message(detail), headers
    if isinstance(error, Http404):
        return 404, "NOT_FOUND", "Not found", {}
    if isinstance(error, PermissionDenied):
        return 403, "FORBIDDEN", "You may not do this", {}
    if isinstance(error, RequestDataTooBig):
        return 413, "PAYLOAD_TOO_LARGE", "body is larger than 1 MB", {}
    if isinstance(error, CallFailed):
        return 502, "PROVIDER_FAILED", "A provider did not answer as needed; please try again", {}
    if isinstance(error, OperationalError):
        log.error("database_unavailable", error=repr(error))
        return 503, "UNAVAILABLE", "Please try again in a moment", {"Retry-After": "1"}
    return None, "", "", {}


def first_message(detail: Any, field: str = "") -> str:
    """The first complaint of a DRF error, with the field it is about: `lat: A valid number is required.`"""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        return first_message(inner, _join_path(field, name))
    if isinstance(detail, list) and detail:
        plain = next((item for item in detail if item), detail[0])
        position = detail.index(plain)
        nested = isinstance(plain, dict)
        return first_message(plain, f"{field}[{position}]" if nested and field else field)
    return f"{field}: {detail}" if field else str(detail)


def _join_path(field: str, name: Any) -> str:
    if name == "non_field_errors":
        return field
    if isinstance(name, int):
        return f"{field}[{name}]"
    return f"{field}.{name}" if field else str(name)


def error_body(family: str, code: str, message: str, path: str) -> dict[str, Any]:
    if family == "rider":
        return {"success": False, "message": message, "errorCode": code}
    return {"detail": message, "code": code, "timestamp": clock.format_wire(clock.now()), "path": path}


def error_family_of_path(path: str) -> str:
    return "rider" if path.startswith("/api/v1/rider") else "tracking"


def not_found(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """handler404: an unknown path is answered in the family of its neighbours, never with a redirect."""
    raise_as = NotFound("There is nothing at this address")
    return JsonResponse(
        error_body(error_family_of_path(request.path), raise_as.code, raise_as.message, request.path), status=404
    )


def server_error(request: HttpRequest) -> JsonResponse:
    """handler500: the log has the traceback, the caller a body that can be parsed."""
    return JsonResponse(
        error_body(error_family_of_path(request.path), CODES[500], "Something went wrong here", request.path),
        status=500,
    )


def bad_request(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    return JsonResponse(
        error_body(error_family_of_path(request.path), CODES[400], "The request cannot be read", request.path),
        status=400,
    )
