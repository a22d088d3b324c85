"""The control API at /_control: how a demo or a test conducts the outside world. JSON, no credentials, local only."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from sandbox.engine import faults, live, people, runtime
from sandbox.engine.http import BadRequest, json_answer, json_object, query_number
from sandbox.engine.inbox import format_iso
from sandbox.engine.provider import Provider, Route

CHANNELS = ("push", "whatsapp", "sms", "email", "call")
MOST_ROWS = 1000


def control_view(view: Callable[..., Any]) -> Callable[..., HttpResponse]:
    """Turns the returned value into JSON (an answer stays as it is) and a refused field into a 400 that names it."""

    @functools.wraps(view)
    def answer_control(request: HttpRequest, **values: Any) -> HttpResponse:
        try:
            told = view(request, **values)
        except (BadRequest, faults.FaultRefused) as error:
            return json_answer({"error": {"field": error.field, "message": str(error)}}, status=400)
        return told if isinstance(told, HttpResponse) else json_answer(told)

    return answer_control


def body_of(request: HttpRequest) -> dict[str, Any]:
    body = json_object(request) if request.body else {}
    if body is None:
        raise BadRequest("body", "must be a JSON object")
    return body


@control_view
def show_health(request: HttpRequest) -> dict[str, Any]:
    return {"ok": True}


@control_view
def list_messages(request: HttpRequest) -> dict[str, Any]:
    """?channel=&after=&wait_s=&limit= ; `last_id` is what to pass as the next `after`."""
    channel = request.GET.get("channel") or None
    after = int(query_number(request, "after", 0))
    limit = min(int(query_number(request, "limit", 500)), MOST_ROWS)
    found = runtime.current_runtime().inbox.read_messages(
        channel=channel, after=after, limit=limit, wait_s=query_number(request, "wait_s", 0)
    )
    return {"messages": found, "last_id": found[-1]["id"] if found else after}


@control_view
def know_people(request: HttpRequest) -> dict[str, Any]:
    """{"people": [{"key", "name", "role": "customer|rider|store|ops|somebody", "addresses"}]}: who is who."""
    told = body_of(request).get("people")
    if not isinstance(told, list):
        raise BadRequest("people", "must be a list")
    with runtime.current_runtime().store.transaction() as tx:
        for one in told:
            people.put(tx, *_parse_person(one))
    return {"known": len(told)}


def _parse_person(told: Any) -> tuple[str, str, str, list[str]]:
    person = told if isinstance(told, dict) else {}
    key, name, role, addresses = (person.get(part) for part in ("key", "name", "role", "addresses"))
    if not isinstance(key, str) or not key or not isinstance(name, str) or not name:
        raise BadRequest("people", "each has a key and a name")
    if role not in people.ROLES:
        raise BadRequest("role", f"one of {', '.join(people.ROLES)}")
    if not isinstance(addresses, list) or not all(isinstance(one, str) and one for one in addresses):
        raise BadRequest("addresses", "must be a list of strings")
    return key, name, str(role), addresses


@control_view
def list_calls(request: HttpRequest) -> dict[str, Any]:
    """?provider=&after=&limit= ; oldest first, status null where the connection was dropped unanswered."""
    provider = request.GET.get("provider") or None
    after = int(query_number(request, "after", 0))
    limit = min(int(query_number(request, "limit", 200)), MOST_ROWS)
    wanted, values = ("provider = ? AND", (provider,)) if provider else ("", ())
    with runtime.current_runtime().store.transaction() as tx:
        query = f"SELECT * FROM calls WHERE {wanted} id > ? ORDER BY id LIMIT ?"  # noqa: S608
        rows = tx.sql.execute(query, (*values, after, limit)).fetchall()
    found = [{**dict(row), "at": format_iso(row["at"])} for row in rows]
    return {"calls": found, "last_id": found[-1]["id"] if found else after}


@control_view
def list_webhooks(request: HttpRequest) -> dict[str, Any]:
    """?provider=&state=&after=&limit= ; what was sent, how often it was tried and what was answered."""
    conditions, values = ["id > ?"], [query_number(request, "after", 0)]
    for name in ("provider", "state"):
        if value := request.GET.get(name):
            conditions.append(f"{name} = ?")
            values.append(value)  # type: ignore[arg-type]
    limit = min(int(query_number(request, "limit", 200)), MOST_ROWS)
    with runtime.current_runtime().store.transaction() as tx:
        query = f"SELECT * FROM webhooks WHERE {' AND '.join(conditions)} ORDER BY id LIMIT ?"  # noqa: S608
        rows = tx.sql.execute(query, (*values, limit)).fetchall()
    return {"webhooks": [{**dict(row), "created": format_iso(row["created"])} for row in rows]}


@control_view
def add_fault(request: HttpRequest) -> dict[str, Any]:
    now = runtime.current_runtime()
    signs = {provider.name: provider.signs_webhooks for provider in now.providers.values()}
    return {"id": now.faults.add_fault(faults.read_fault(body_of(request), signs))}


@control_view
def list_faults(request: HttpRequest) -> dict[str, Any]:
    return {"faults": runtime.current_runtime().faults.list_faults()}


@control_view
def clear_faults(request: HttpRequest) -> dict[str, Any]:
    """?provider= ; without it, everybody's."""
    runtime.current_runtime().faults.clear_faults(request.GET.get("provider", ""))
    return {"ok": True}


@control_view
def reset_store(request: HttpRequest) -> dict[str, Any]:
    """Forget everything but the keys."""
    now = runtime.current_runtime()
    now.faults.clear_faults()
    now.store.forget_everything()
    now.dispatcher.forget_due()
    return {"ok": True}


ROUTES = (
    Route("GET", "health", show_health),
    Route("GET", "messages", list_messages),
    Route("PUT", "people", know_people),
    Route("PUT", "live", control_view(live.follow_order)),
    Route("GET", "calls", list_calls),
    Route("GET", "webhooks", list_webhooks),
    Route("POST", "faults", add_fault),
    Route("GET", "faults", list_faults),
    Route("DELETE", "faults", clear_faults),
    Route("POST", "reset", reset_store),
)


def build_urlpatterns(providers: list[Provider]) -> list[URLPattern]:
    routes = [*ROUTES]
    for provider in providers:
        routes += [Route(r.method, f"{provider.name}/{r.path}", r.view) for r in provider.control_routes()]
    by_path: dict[str, dict[str, Callable[..., HttpResponse]]] = {}
    for route in routes:
        by_path.setdefault(route.path, {})[route.method] = route.view
    return [path(route_path, _by_method(views)) for route_path, views in by_path.items()]


def _by_method(views: dict[str, Callable[..., HttpResponse]]) -> Callable[..., HttpResponse]:
    def dispatch_by_method(request: HttpRequest, **values: Any) -> HttpResponse:
        view = views.get(request.method or "")
        if view is None:
            return json_answer({"error": {"field": "method", "message": f"one of {', '.join(views)}"}}, status=405)
        return view(request, **values)

    return dispatch_by_method
