"""/live: the way to an order that is on its way right now, as whoever plays the city says (PUT /_control/live)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from sandbox.engine import runtime
from sandbox.engine.http import BadRequest, json_object

KIND = "live"
SCHEMES = ("http://", "https://")


def follow_order(request: HttpRequest) -> dict[str, Any]:
    """{"url"}: the page of the order to look at, "" when none is on its way."""
    url = (json_object(request) or {}).get("url")
    if not isinstance(url, str) or (url and not url.startswith(SCHEMES)):
        raise BadRequest("url", "must be an http address, or empty")
    with runtime.current_runtime().store.transaction() as tx:
        before = tx.get(KIND, KIND) or {"last": ""}
        tx.put(KIND, KIND, {"url": url, "last": url or before["last"]})
    return {"url": url}


def show_live_page(request: HttpRequest) -> HttpResponse:
    with runtime.current_runtime().store.transaction() as tx:
        known = tx.get(KIND, KIND) or {"url": "", "last": ""}
    if known["url"]:
        return HttpResponseRedirect(known["url"])
    return render(request, "nobody_on_the_way.html", {"last": known["last"]})
