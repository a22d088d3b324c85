"""Answers with an ETag: asked often, mostly answered 304."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, cast

from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

IF_NONE_MATCH = OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER)
NOT_MODIFIED = OpenApiResponse(description="Nothing has changed since the `If-None-Match` that you sent.")


def answer_with_etag(
    request: Request, shown: Mapping[str, Any], *, instead: Mapping[str, Any] | None = None
) -> HttpResponse:
    """What is shown, or 304. `instead`: what counts as news of fields that run on with the clock."""
    etag = _compute_etag({**shown, **(instead or {})})
    response = Response(shown, headers={"ETag": etag})
    return cast(HttpResponse, get_conditional_response(request._request, etag=etag, response=response))


def _compute_etag(content: Mapping[str, Any]) -> str:
    return f'W/"{hashlib.sha256(canonical_json(content)).hexdigest()[:32]}"'


def canonical_json(data: Any) -> bytes:
    """JSON by its content: re-serialised by somebody's HTTP library it is still the same."""
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
