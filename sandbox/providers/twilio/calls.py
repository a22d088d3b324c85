"""Twilio, the voice part: Calls that are made from TwiML given with the request.

Documented at twilio.com/docs/voice/api/call-resource and docs/voice/twiml. Whoever is rung answers at once: they hear
what `<Say>` says, then the number of `<Dial>` rings. Numbers that Twilio's test credentials refuse are refused.
"""

from __future__ import annotations

import html
import re
import secrets
import time
from email.utils import formatdate
from typing import Any

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.http import json_answer
from sandbox.providers.twilio.responses import MAGIC_FROM, MAGIC_TO, NUMBER, error_response

KIND = "twilio.call"
SAID = re.compile(r"<Say[^>]*>(.*?)</Say>", re.DOTALL)
DIALLED = re.compile(r"<Dial([^>]*)>\s*<Number>([^<]+)</Number>\s*</Dial>")
CALLER_ID = re.compile(r'callerId="([^"]+)"')
LONGEST_TWIML = 4000


def create_call(request: HttpRequest, account: str) -> HttpResponse:
    now = runtime.current_runtime()
    if account != now.keys["twilio_account_sid"]:
        return error_response(20404, f"The requested resource {request.path} was not found", status=404)
    form = request.POST
    to, sender, twiml = form.get("To", ""), form.get("From", ""), form.get("Twiml", "")
    if problem := _find_problem(to, sender, twiml, has_url=bool(form.get("Url") or form.get("ApplicationSid"))):
        return error_response(*problem)
    made = _call_body(account, to, sender)
    with now.store.transaction() as tx:
        tx.put(KIND, made["sid"], made)
        said = SAID.search(twiml)
        heard = html.unescape(said[1]) if said else ""
        now.inbox.deliver_message(tx, "call", to, title=f"Call from {sender}", body=heard, data={"sid": made["sid"]})
        if dialled := DIALLED.search(twiml):
            shown = CALLER_ID.search(dialled[1])
            title = f"Call from {shown[1] if shown else to}"
            now.inbox.deliver_message(tx, "call", dialled[2].strip(), title=title, data={"sid": made["sid"]})
    return json_answer(made, status=201)


def _find_problem(to: str, sender: str, twiml: str, *, has_url: bool) -> tuple[int, str] | None:
    if not to:
        return 21201, "No 'To' number is specified"
    if not sender:
        return 21213, "Caller phone number is required"
    if not twiml and not has_url:
        return 21205, "Url parameter is required."
    if len(twiml) > LONGEST_TWIML:
        return 21627, "Twiml must not be longer than 4000 characters"
    if not NUMBER.fullmatch(to):
        return 21211, f"Invalid 'To' Phone Number: {to}"
    return MAGIC_TO.get(to) or MAGIC_FROM.get(sender)


def _call_body(account: str, to: str, sender: str) -> dict[str, Any]:
    sid = "CA" + secrets.token_hex(16)
    created = formatdate(time.time(), usegmt=True).replace("GMT", "+0000")
    return {
        "account_sid": account,
        "api_version": "2010-04-01",
        "date_created": created,
        "date_updated": created,
        "direction": "outbound-api",
        "duration": None,
        "from": sender,
        "price": None,
        "price_unit": "USD",
        "sid": sid,
        "start_time": None,
        "status": "queued",
        "subresource_uris": {},
        "to": to,
        "uri": f"/2010-04-01/Accounts/{account}/Calls/{sid}.json",
    }
