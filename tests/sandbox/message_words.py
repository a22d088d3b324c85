"""What the tests of messages share: one of each kind sent, and its fate."""

from __future__ import annotations

import json
from typing import Any

import requests
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import CustomArg, Mail

from tests.sandbox.process import Received, Receiver, Sandbox, until

PHONE, MAIL = "+14155550100", "ada@example.com"
CALLBACK = "https://handoff.example/webhooks/twilio?message=m-1"
FAST = {"delay_s": 0.02}
TEXT = {"type": "text", "text": {"body": "hello"}}
TEMPLATE = {
    "type": "template",
    "template": {
        "name": "delivery_on_the_way",
        "language": {"code": "en"},
        "components": [{"type": "body", "parameters": [{"type": "text", "text": "12"}]}],
    },
}


def post_sms(sandbox: Sandbox, to: str = PHONE, body: str = "hello") -> requests.Response:
    env = sandbox.env
    url = f"{env['TWILIO_API_BASE']}/2010-04-01/Accounts/{env['TWILIO_ACCOUNT_SID']}/Messages.json"
    form = {"To": to, "From": env["TWILIO_FROM_NUMBER"], "Body": body, "StatusCallback": CALLBACK}
    return requests.post(url, data=form, auth=(env["TWILIO_ACCOUNT_SID"], env["TWILIO_AUTH_TOKEN"]), timeout=5)


def post_mail(sandbox: Sandbox, to: str = MAIL, body: str = "Bon appétit") -> Any:
    mail = Mail("shop@example.com", to, "Delivered", plain_text_content=body)
    mail.add_custom_arg(CustomArg("message", "m-1"))
    return SendGridAPIClient(sandbox.env["SENDGRID_API_KEY"], host=sandbox.env["SENDGRID_API_BASE"]).send(mail)


def post_whatsapp(sandbox: Sandbox, body: dict[str, Any], *, token: str = "") -> requests.Response:
    env = sandbox.env
    url = f"{env['WHATSAPP_API_BASE']}/v23.0/{env['WHATSAPP_PHONE_NUMBER_ID']}/messages"
    headers = {"Authorization": f"Bearer {token or env['WHATSAPP_ACCESS_TOKEN']}"}
    known = {"messaging_product": "whatsapp", "to": PHONE, "biz_opaque_callback_data": "m-1"}
    return requests.post(url, json={**known, **body}, headers=headers, timeout=5)


def fate(sandbox: Sandbox, provider: str, **how: Any) -> None:
    sandbox.control("PUT", f"{provider}/fates", {**FAST, **how})


def topics(sandbox: Sandbox, provider: str, count: int) -> list[str]:
    """What a provider told, in the order in which it told it: on the way one may overtake another."""

    def told() -> list[str]:
        rows = sandbox.control("GET", f"webhooks?provider={provider}")["webhooks"]
        return [row["topic"] for row in rows] if len(rows) >= count else []

    return list(until(told, f"{count} webhooks of {provider}"))


def statuses(handoff: Receiver, count: int) -> list[dict[str, Any]]:
    found = [json.loads(one.body) for one in handoff.at("/webhooks/whatsapp", count)]
    return [one["entry"][0]["changes"][0]["value"]["statuses"][0] for one in found]


def events(handoff: Receiver, count: int) -> list[dict[str, Any]]:
    return [json.loads(one.body)[0] for one in handoff.at("/webhooks/sendgrid", count)]


def callbacks(handoff: Receiver, count: int) -> list[Received]:
    return handoff.at("/webhooks/twilio?message=m-1", count)
