"""/inbox: somebody's phone and mailbox, as they would see it, with buttons that play what may become of each message.

Plain HTML forms; nothing here needs JavaScript. What a button does is the messenger's business (engine/provider.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from sandbox.engine import inbox, people, runtime
from sandbox.engine.http import BadRequest
from sandbox.engine.people import Person
from sandbox.engine.provider import Messenger
from sandbox.engine.store import Transaction

STYLE = (Path(__file__).parent / "templates" / "inbox.css").read_text()
MOST_PEOPLE, MOST_MESSAGES = 100, 60
TICKS = {"sent": "✓", "delivered": "✓✓", "read": "✓✓"}  # WhatsApp's, in their order


def show_style(request: HttpRequest) -> HttpResponse:
    return HttpResponse(STYLE, content_type="text/css", headers={"Cache-Control": "max-age=60"})


def show_everybody(request: HttpRequest) -> HttpResponse:
    """Who got something, the most recent first; `q` is part of a name, a number or an address."""
    role, text = request.GET.get("role", ""), request.GET.get("q", "").strip()
    with runtime.current_runtime().store.transaction() as tx:
        found = people.all_with_messages(tx, role=role, text=text)
    context = {
        "people": [(person, address_of(person.key)) for person in found[:MOST_PEOPLE]],
        "left_out": len(found[MOST_PEOPLE:]),
        "roles": people.ROLES,
        "role": role,
        "text": text,
    }
    return render(request, "inbox.html", context)


def of_person(request: HttpRequest, key: str) -> HttpResponse:
    if request.method == "POST":
        return _take_button(request, key)
    with runtime.current_runtime().store.transaction() as tx:
        person = people.find_person(tx, key)
        messages = [_message_shown(tx, message) for message in inbox.messages_of(tx, person.addresses, MOST_MESSAGES)]
        ways = [_channel_shown(tx, messenger, to) for to in person.addresses for messenger in messengers_for(to)]
    context = {
        "person": person,
        "messages": messages,
        "ways": ways,
        "opened": request.GET.get("open", ""),
        "paused": "paused" in request.GET,
    }
    return render(request, "person.html", context)


def address_of(key: str) -> str:
    return f"/inbox/{quote(key)}"


def messengers_for(address: str) -> list[Messenger]:
    """Who can bring something to this address."""
    playing = runtime.current_runtime().providers.values()
    return [one for one in playing if isinstance(one, Messenger) and one.can_reach(address)]


def find_messenger(channel: str) -> Messenger:
    """Who brings things on this channel. Raises BadRequest."""
    if (by := _messenger_of_channel(channel)) is None:
        raise BadRequest("channel", "there is no such channel")
    return by


def _messenger_of_channel(channel: str) -> Messenger | None:
    """None for phone calls: nothing can be played with them."""
    playing = runtime.current_runtime().providers.values()
    return next((one for one in playing if isinstance(one, Messenger) and one.channel == channel), None)


# ── what is shown ────────────────────────────────────────────────────────────────────────────────────────────────
def _message_shown(tx: Transaction, message: dict[str, Any]) -> dict[str, Any]:
    by = _messenger_of_channel(message["channel"])
    plays = by.playable_outcomes(tx, message) if by and message["kind"] != inbox.SAID else {}
    told = {step["word"] for step in message["steps"]}
    return {
        **message,
        "sender": message["data"].get("from", ""),
        "plays": plays.items(),
        "tick": next((tick for word, tick in reversed(TICKS.items()) if word in told), ""),
        "is_read": "read" in told,
    }


def _channel_shown(tx: Transaction, by: Messenger, to: str) -> dict[str, Any]:
    outcomes = by.outcome_names
    return {"messenger": by, "to": to, "outcomes": outcomes, "outcome": by.fate_of(tx, to)}


# ── what is played ───────────────────────────────────────────────────────────────────────────────────────────────
def _take_button(request: HttpRequest, key: str) -> HttpResponse:
    """One button: a word about a message, an answer, or what becomes of the messages from now on."""
    try:
        with runtime.current_runtime().store.transaction() as tx:
            _run_button(tx, people.find_person(tx, key), request)
    except BadRequest as error:
        return HttpResponse(f"{error.field}: {error}", status=400, content_type="text/plain")
    return HttpResponseRedirect(address_of(key) + (f"?{query}" if (query := request.META["QUERY_STRING"]) else ""))


def _run_button(tx: Transaction, person: Person, request: HttpRequest) -> None:
    form = request.POST
    if number := form.get("message"):
        message = inbox.find_message(tx, int(number)) if number.isascii() and number.isdigit() else None
        if message is None or message["to"] not in person.addresses:
            raise BadRequest("message", "there is no such message here")
        by, word = find_messenger(message["channel"]), form.get("word", "")
        if word not in by.playable_outcomes(tx, message):
            raise BadRequest("word", "this cannot be played with this message")
        by.play_outcome(tx, message, word)
        return
    by, to = find_messenger(form.get("channel", "")), form.get("to", "")
    if to not in person.addresses or not by.can_reach(to):
        raise BadRequest("to", "is no address of this person on that channel")
    if "text" in form:
        if not by.hears or not form["text"].strip():
            raise BadRequest("text", "nobody hears this")
        by.take_answer(tx, to, form["text"])
    else:
        by.decide_outcome(tx, to, wish_of(request))


def wish_of(request: HttpRequest) -> dict[str, Any]:
    """A fate as a form says it. Raises BadRequest."""
    form, wish = request.POST, dict[str, Any]()
    wish["outcome"] = form.get("outcome", "")
    for name in ("delay_s", "repeats"):
        try:
            wish |= {name: float(form[name])} if form.get(name) else {}
        except ValueError:
            raise BadRequest(name, "must be a number") from None
    return wish | {name: name in form for name in ("out_of_order", "silent")}
