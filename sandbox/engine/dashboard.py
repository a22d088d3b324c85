"""The desk: one page that shows what the outside world was told, what it said, and buttons that break things."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from sandbox.engine import faults, inbox_page, runtime
from sandbox.engine.control import CHANNELS
from sandbox.engine.http import BadRequest, json_answer
from sandbox.engine.inbox import format_iso
from sandbox.engine.provider import Messenger, Panel
from sandbox.engine.store import Transaction

INBOX_ROWS = 12
LOG_ROWS = 25


def show_dashboard(request: HttpRequest) -> HttpResponse:
    now = runtime.current_runtime()
    inbox = [(channel, now.inbox.newest_messages(channel, INBOX_ROWS)) for channel in CHANNELS]
    with now.store.transaction() as tx:
        webhooks, calls = _webhooks_panel(tx), _calls_panel(tx)
        panels = [panel for provider in now.providers.values() for panel in provider.list_panels(tx)]
        states = tx.sql.execute(
            "SELECT provider, state, count(*) AS n FROM webhooks GROUP BY provider, state ORDER BY 1, 2"
        ).fetchall()
    context = {
        "handoff_url": now.handoff_url,
        "inbox": inbox,
        "webhooks": webhooks,
        "webhook_states": [f"{row['provider']} {row['state']} {row['n']}" for row in states],
        "calls": calls,
        "panels": [panel for panel in panels if panel.rows],
        "faults": now.faults.list_faults()[:LOG_ROWS],
        "providers": list(now.providers.values()),
        "messengers": [one for one in now.providers.values() if isinstance(one, Messenger)],
        "kinds": faults.KINDS,
        "paused": "paused" in request.GET,
    }
    return render(request, "desk.html", context)


def change_faults(request: HttpRequest) -> HttpResponse:
    """The desk's buttons: a form that adds one rule, or clears all."""
    if request.method != "POST":
        return json_answer({"error": "POST only"}, status=405)
    now = runtime.current_runtime()
    if "clear" in request.POST:
        now.faults.clear_faults()
        return HttpResponseRedirect("/")
    rule: dict[str, object] = {name: request.POST.get(name, "") for name in ("provider", "path")}
    rule["direction"], _, rule["kind"] = request.POST.get("what", "").partition(" ")
    try:
        if request.POST.get("share"):
            rule["share"] = int(request.POST["share"]) / 100
        else:
            rule["times"] = int(request.POST.get("times") or 1)
        if request.POST.get("seconds"):
            rule["seconds"] = float(request.POST["seconds"])
        now.faults.add_fault(faults.read_fault(rule, {p.name: p.signs_webhooks for p in now.providers.values()}))
    except ValueError as error:
        return HttpResponse(f"That fault makes no sense: {error}", status=400, content_type="text/plain")
    return HttpResponseRedirect("/")


def change_fates(request: HttpRequest) -> HttpResponse:
    """The desk's form: what becomes of messages from now on, to one address or (left empty) to everybody's."""
    if request.method != "POST":
        return json_answer({"error": "POST only"}, status=405)
    channel, _, outcome = request.POST.get("what", "").partition(" ")
    try:
        by = inbox_page.find_messenger(channel)
        with runtime.current_runtime().store.transaction() as tx:
            by.decide_outcome(
                tx, request.POST.get("to", "").strip(), inbox_page.wish_of(request) | {"outcome": outcome}
            )
    except BadRequest as error:
        return HttpResponse(f"That makes no sense: {error.field}: {error}", status=400, content_type="text/plain")
    return HttpResponseRedirect("/")


def _webhooks_panel(tx: Transaction) -> Panel:
    rows = tx.sql.execute("SELECT * FROM webhooks ORDER BY id DESC LIMIT ?", (LOG_ROWS,)).fetchall()
    return Panel(
        "Webhooks sent",
        ("made", "provider", "topic", "state", "tries", "last answer", "faults"),
        [
            (
                format_iso(row["created"])[11:19],
                row["provider"],
                row["topic"],
                row["state"],
                row["tries"],
                f"{row['last_status'] or ''} {row['last_answer'][:80]}",
                row["faults"],
            )
            for row in rows
        ],
    )


def _calls_panel(tx: Transaction) -> Panel:
    rows = tx.sql.execute("SELECT * FROM calls ORDER BY id DESC LIMIT ?", (LOG_ROWS,)).fetchall()
    return Panel(
        "Calls received",
        ("at", "provider", "call", "status", "ms", "fault", "body", "answer"),
        [
            (
                format_iso(row["at"])[11:19],
                row["provider"],
                f"{row['method']} {row['path']}",
                row["status"] or "dropped",
                round(row["duration_ms"], 1),
                row["fault"] or "",
                row["body"][:200],
                row["answer"][:200],
            )
            for row in rows
        ],
    )
