"""WhatsApp Cloud API: messages out, statuses and the person's own messages in.

Documented at developers.facebook.com/docs/whatsapp/cloud-api. Authentication: Bearer token. Webhooks are signed
`X-Hub-Signature-256: sha256=` HMAC of the raw body with the app secret. Free text reaches a person only within a day of
their own last message: outside it the call is accepted and fails afterwards with 131047, as at Meta.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.provider import Route
from sandbox.engine.store import Transaction
from sandbox.message_outcomes import ReportingMessenger
from sandbox.providers.whatsapp import control, messages, webhooks


class WhatsApp(ReportingMessenger):
    name = "whatsapp"
    title = "WhatsApp"
    channel = "whatsapp"
    hears = True
    telling = webhooks.TELLING
    buttons = {"delivered": "Delivered", "read": "Read", "undelivered": "Undelivered"}

    def list_routes(self) -> Iterable[Route]:
        return (Route("POST", "<str:version>/<str:sender>/messages", messages.send_message),)

    def control_routes(self) -> Iterable[Route]:
        return (*super().control_routes(), *control.ROUTES)

    def take_answer(self, tx: Transaction, address: str, text: str) -> None:
        webhooks.send_incoming_text(tx, address, text)

    def check_credentials(self, request: HttpRequest) -> HttpResponse | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer" and hmac.compare_digest(token, runtime.current_runtime().keys["whatsapp_access_token"]):
            return None
        return messages.error_response(190, "Invalid OAuth access token.", status=401)

    def failure_response(self, request: HttpRequest, status: int, message: str) -> HttpResponse:
        return messages.error_response({404: 100, 405: 100, 429: 130429}.get(status, 131000), message, status=status)

    def sign_webhook(self, signer: str, body: str, now: float, *, wrong: bool) -> dict[str, str]:
        secret = runtime.current_runtime().keys["whatsapp_app_secret"]
        digest = hmac.new((secret[::-1] if wrong else secret).encode(), body.encode(), hashlib.sha256).hexdigest()
        return {"X-Hub-Signature-256": f"sha256={digest}"}
