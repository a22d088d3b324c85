"""GET /_control/cooco/invoice?from=&to=&time_zone= : what COOCO bills for a period, as CSV. See `tariff`."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.control import control_view
from sandbox.engine.http import BadRequest
from sandbox.fleet import jobs
from sandbox.providers.cooco import tariff


@control_view
def download_invoice(request: HttpRequest) -> HttpResponse:
    start, end = _parse_time(request, "from"), _parse_time(request, "to")
    try:
        zone = ZoneInfo(request.GET.get("time_zone") or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise BadRequest("time_zone", "an IANA name such as Europe/Berlin") from None
    with runtime.current_runtime().store.transaction() as tx:
        text = tariff.build_invoice(tx, start, end, zone)
    return HttpResponse(text, content_type="text/csv; charset=utf-8")


def _parse_time(request: HttpRequest, name: str) -> float:
    # A + that was not escaped arrives as a space.
    at = jobs.read_time(request.GET.get(name, "").replace(" ", "+"))
    if at is None:
        raise BadRequest(name, "an ISO 8601 time with its zone")
    return at
