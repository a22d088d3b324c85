"""SendGrid: POST /v3/mail/send, and its Event Webhook (events.py).

Documented at docs.sendgrid.com/api-reference/mail-send. Authentication: Bearer API key. Accepted mail answers 202 with
an empty body and X-Message-Id; refusals are `{"errors": [{message, field, help}]}`, all problems at once.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.http import json_answer, json_object
from sandbox.engine.inbox import LOST
from sandbox.engine.provider import Route
from sandbox.engine.store import Transaction
from sandbox.providers.sendgrid import events
from sandbox.receipts import Teller

ADDRESS = re.compile(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+")
MOST_RECIPIENTS = 1000

Problems = list[dict[str, str | None]]


class SendGrid(Teller):
    name = "sendgrid"
    title = "SendGrid"
    channel = "email"
    telling = events.TELLING
    buttons = {
        "delivered": "Delivered",
        "open": "Read",
        "bounced": "Bounce",
        "blocked": "Blocked for now",
        "unsubscribe": "Unsubscribe",
        "group_resubscribe": "Subscribe again",
        "spamreport": "Mark as spam",
    }

    def reaches(self, address: str) -> bool:
        return "@" in address

    def routes(self) -> Iterable[Route]:
        return (Route("POST", "v3/mail/send", send),)

    def authenticate(self, request: HttpRequest) -> HttpResponse | None:
        if request.headers.get("Authorization") == f"Bearer {runtime.current().keys['sendgrid_api_key']}":
            return None
        return refused(401, [_problem(None, "The provided authorization grant is invalid, expired, or revoked")])

    def failure(self, request: HttpRequest, status: int, message: str) -> HttpResponse:
        return refused(status, [_problem(None, message)])

    def sign(self, signer: str, body: str, now: float, *, wrong: bool) -> dict[str, str]:
        return events.sign(signer, body, wrong=wrong)


def refused(status: int, problems: Problems) -> HttpResponse:
    return json_answer({"errors": problems}, status=status)


def send(request: HttpRequest) -> HttpResponse:
    """One message in the inbox for each recipient; `mail_settings.sandbox_mode` validates only and answers 200."""
    mail = json_object(request)
    if mail is None:
        return refused(400, [_problem(None, "Bad Request")])
    problems = _check(mail)
    if problems:
        return refused(400, problems)
    message_id = secrets.token_urlsafe(16)
    settings = mail.get("mail_settings") or {}
    if (settings.get("sandbox_mode") or {}).get("enable"):
        return HttpResponse(status=200, headers={"X-Message-Id": message_id})
    now = runtime.current()
    people = [
        (person, recipient["email"])
        for person in mail["personalizations"]
        for kind in ("to", "cc", "bcc")
        for recipient in person.get(kind) or []
    ]
    with now.store.transaction() as tx:
        is_refused = any(events.TELLING.refusal(tx, address) for _, address in people)
        for person, address in people:
            _accept(tx, mail, person, address, message_id, is_refused=is_refused)
    if is_refused:
        return refused(429, [_problem(None, "too many requests")])
    return HttpResponse(status=202, headers={"X-Message-Id": message_id})


def _accept(
    tx: Transaction,
    mail: dict[str, Any],
    person: dict[str, Any],
    address: str,
    message_id: str,
    *,
    is_refused: bool,
) -> None:
    details, inbox = _details(mail, person, message_id), runtime.current().inbox
    number = inbox.deliver(
        tx,
        "email",
        address,
        title=_subject(mail, person),
        body=_filled(_content(mail, "text/plain") or _content(mail, "text/html"), person),
        data=details,
        kind=LOST if is_refused else events.TELLING.arrival(tx, address),
    )
    if is_refused:
        inbox.note(tx, number, "refused", "429: too many requests")
        return
    told = {"id": message_id, "to": address, "custom_args": details["custom_args"]}
    events.TELLING.follow(tx, address, told, inbox=number)


def _check(mail: dict[str, Any]) -> Problems:
    problems: Problems = []
    sender = mail.get("from")
    if not isinstance(sender, dict) or not _is_address(sender.get("email")):
        problems.append(_problem("from.email", "The from email does not contain a valid address."))
    people = mail.get("personalizations")
    if not isinstance(people, list) or not people:
        problems.append(_problem("personalizations", "The personalizations field is required and must have entries."))
        people = []
    templated = bool(mail.get("template_id"))
    for number, entry in enumerate(people):
        where = f"personalizations.{number}"
        person = entry if isinstance(entry, dict) else {}
        problems += _check_recipients(where, person)
        if not templated and not _subject(mail, person):
            problems.append(_problem("subject", "The subject is required."))
    content = mail.get("content")
    if not templated and (not isinstance(content, list) or not content):
        problems.append(_problem("content", "The content field is required unless a template is used."))
    for number, part in enumerate(content if isinstance(content, list) else []):
        if not isinstance(part, dict) or not part.get("type") or not part.get("value"):
            problems.append(_problem(f"content.{number}.value", "The content value must be a non-empty string."))
    return problems


def _check_recipients(where: str, person: dict[str, Any]) -> Problems:
    if not isinstance(person.get("to"), list) or not person["to"]:
        return [_problem(f"{where}.to", "The to array is required for all personalization objects.")]
    problems: Problems = []
    recipients = [(kind, entry) for kind in ("to", "cc", "bcc") for entry in person.get(kind) or []]
    for kind, entry in recipients:
        if not isinstance(entry, dict) or not _is_address(entry.get("email")):
            problems.append(_problem(f"{where}.{kind}.email", "Does not contain a valid address."))
    if len(recipients) > MOST_RECIPIENTS:
        problems.append(_problem(where, f"More than {MOST_RECIPIENTS} recipients."))
    return problems


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and ADDRESS.fullmatch(value) is not None


def _subject(mail: dict[str, Any], person: dict[str, Any]) -> str:
    return _filled(str(person.get("subject") or mail.get("subject") or ""), person)


def _content(mail: dict[str, Any], mime_type: str) -> str:
    return next((str(part["value"]) for part in mail.get("content") or [] if part["type"] == mime_type), "")


def _filled(text: str, person: dict[str, Any]) -> str:
    for name, value in (person.get("substitutions") or {}).items():
        text = text.replace(name, str(value))
    return text


def _details(mail: dict[str, Any], person: dict[str, Any], message_id: str) -> dict[str, Any]:
    return {
        "message_id": message_id,
        "from": mail["from"]["email"],
        "html": _filled(_content(mail, "text/html"), person),
        "template_id": mail.get("template_id") or "",
        "custom_args": {**(mail.get("custom_args") or {}), **(person.get("custom_args") or {})},
        "dynamic_template_data": person.get("dynamic_template_data") or {},
    }


def _problem(field: str | None, message: str) -> dict[str, str | None]:
    return {"message": message, "field": field, "help": None}
