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
from sandbox.providers.whatsapp import conductor, messages, notices
from sandbox.receipts import Teller


class WhatsApp(Teller):
    name = "whatsapp"
    title = "WhatsApp"
    channel = "whatsapp"
    hears = True
    telling = notices.TELLING
    buttons = {"delivered": "Delivered", "read": "Read", "undelivered": "Undelivered"}

    def routes(self) -> Iterable[Route]:
        return (Route("POST", "<str:version>/<str:sender>/messages", messages.send),)

    def control_routes(self) -> Iterable[Route]:
        return (*super().control_routes(), *conductor.ROUTES)

    def hear(self, tx: Transaction, address: str, text: str) -> None:
        notices.said(tx, address, text)

    def authenticate(self, request: HttpRequest) -> HttpResponse | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer" and hmac.compare_digest(token, runtime.current().keys["whatsapp_access_token"]):
            return None
        return messages.refused(190, "Invalid OAuth access token.", status=401)

    def failure(self, request: HttpRequest, status: int, message: str) -> HttpResponse:
        return messages.refused({404: 100, 405: 100, 429: 130429}.get(status, 131000), message, status=status)

    def sign(self, signer: str, body: str, now: float, *, wrong: bool) -> dict[str, str]:
        secret = runtime.current().keys["whatsapp_app_secret"]
        digest = hmac.new((secret[::-1] if wrong else secret).encode(), body.encode(), hashlib.sha256).hexdigest()
        return {"X-Hub-Signature-256": f"sha256={digest}"}
