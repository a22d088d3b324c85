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
from sandbox.message_outcomes import ReportingMessenger
from sandbox.providers.sendgrid import events

ADDRESS = re.compile(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+")
MOST_RECIPIENTS = 1000

Problems = list[dict[str, str | None]]


class SendGrid(ReportingMessenger):
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

    def can_reach(self, address: str) -> bool:
        return "@" in address

    def list_routes(self) -> Iterable[Route]:
        return (Route("POST", "v3/mail/send", send_mail),)

    def check_credentials(self, request: HttpRequest) -> HttpResponse | None:
        if request.headers.get("Authorization") == f"Bearer {runtime.current_runtime().keys['sendgrid_api_key']}":
            return None
        return error_response(
            401, [_problem_body(None, "The provided authorization grant is invalid, expired, or revoked")]
        )

    def failure_response(self, request: HttpRequest, status: int, message: str) -> HttpResponse:
        return error_response(status, [_problem_body(None, message)])

    def sign_webhook(self, signer: str, body: str, now: float, *, wrong: bool) -> dict[str, str]:
        return events.sign_body(signer, body, wrong=wrong)


def error_response(status: int, problems: Problems) -> HttpResponse:
    return json_answer({"errors": problems}, status=status)


def send_mail(request: HttpRequest) -> HttpResponse:
    """One message in the inbox for each recipient; `mail_settings.sandbox_mode` validates only and answers 200."""
    mail = json_object(request)
    if mail is None:
        return error_response(400, [_problem_body(None, "Bad Request")])
    problems = _check_mail(mail)
    if problems:
        return error_response(400, problems)
    message_id = secrets.token_urlsafe(16)
    settings = mail.get("mail_settings") or {}
    if (settings.get("sandbox_mode") or {}).get("enable"):
        return HttpResponse(status=200, headers={"X-Message-Id": message_id})
    now = runtime.current_runtime()
    people = [
        (person, recipient["email"])
        for person in mail["personalizations"]
        for kind in ("to", "cc", "bcc")
        for recipient in person.get(kind) or []
    ]
    with now.store.transaction() as tx:
        is_refused = any(events.TELLING.refusal_for(tx, address) for _, address in people)
        for person, address in people:
            _accept_mail(tx, mail, person, address, message_id, is_refused=is_refused)
    if is_refused:
        return error_response(429, [_problem_body(None, "too many requests")])
    return HttpResponse(status=202, headers={"X-Message-Id": message_id})


def _accept_mail(
    tx: Transaction,
    mail: dict[str, Any],
    person: dict[str, Any],
    address: str,
    message_id: str,
    *,
    is_refused: bool,
) -> None:
    details, inbox = _event_details(mail, person, message_id), runtime.current_runtime().inbox
    number = inbox.deliver_message(
        tx,
        "email",
        address,
        title=_subject_of(mail, person),
        body=_fill_text(_content_of(mail, "text/plain") or _content_of(mail, "text/html"), person),
        data=details,
        kind=LOST if is_refused else events.TELLING.arrival_kind(tx, address),
    )
    if is_refused:
        inbox.note_outcome(tx, number, "refused", "429: too many requests")
        return
    told = {"id": message_id, "to": address, "custom_args": details["custom_args"]}
    events.TELLING.schedule_reports(tx, address, told, inbox=number)


def _check_mail(mail: dict[str, Any]) -> Problems:
    problems: Problems = []
    sender = mail.get("from")
    if not isinstance(sender, dict) or not _is_address(sender.get("email")):
        problems.append(_problem_body("from.email", "The from email does not contain a valid address."))
    people = mail.get("personalizations")
    if not isinstance(people, list) or not people:
        problems.append(
            _problem_body("personalizations", "The personalizations field is required and must have entries.")
        )
        people = []
    templated = bool(mail.get("template_id"))
    for number, entry in enumerate(people):
        where = f"personalizations.{number}"
        person = entry if isinstance(entry, dict) else {}
        problems += _check_recipients(where, person)
        if not templated and not _subject_of(mail, person):
            problems.append(_problem_body("subject", "The subject is required."))
    content = mail.get("content")
    if not templated and (not isinstance(content, list) or not content):
        problems.append(_problem_body("content", "The content field is required unless a template is used."))
    for number, part in enumerate(content if isinstance(content, list) else []):
        if not isinstance(part, dict) or not part.get("type") or not part.get("value"):
            problems.append(_problem_body(f"content.{number}.value", "The content value must be a non-empty string."))
    return problems


def _check_recipients(where: str, person: dict[str, Any]) -> Problems:
    if not isinstance(person.get("to"), list) or not person["to"]:
        return [_problem_body(f"{where}.to", "The to array is required for all personalization objects.")]
    problems: Problems = []
    recipients = [(kind, entry) for kind in ("to", "cc", "bcc") for entry in person.get(kind) or []]
    for kind, entry in recipients:
        if not isinstance(entry, dict) or not _is_address(entry.get("email")):
            problems.append(_problem_body(f"{where}.{kind}.email", "Does not contain a valid address."))
    if len(recipients) > MOST_RECIPIENTS:
        problems.append(_problem_body(where, f"More than {MOST_RECIPIENTS} recipients."))
    return problems


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and ADDRESS.fullmatch(value) is not None


def _subject_of(mail: dict[str, Any], person: dict[str, Any]) -> str:
    return _fill_text(str(person.get("subject") or mail.get("subject") or ""), person)


def _content_of(mail: dict[str, Any], mime_type: str) -> str:
    return next((str(part["value"]) for part in mail.get("content") or [] if part["type"] == mime_type), "")


def _fill_text(text: str, person: dict[str, Any]) -> str:
    for name, value in (person.get("substitutions") or {}).items():
        text = text.replace(name, str(value))
    return text


def _event_details(mail: dict[str, Any], person: dict[str, Any], message_id: str) -> dict[str, Any]:
    return {
        "message_id": message_id,
        "from": mail["from"]["email"],
        "html": _fill_text(_content_of(mail, "text/html"), person),
        "template_id": mail.get("template_id") or "",
        "custom_args": {**(mail.get("custom_args") or {}), **(person.get("custom_args") or {})},
        "dynamic_template_data": person.get("dynamic_template_data") or {},
    }


def _problem_body(field: str | None, message: str) -> dict[str, str | None]:
    return {"message": message, "field": field, "help": None}
