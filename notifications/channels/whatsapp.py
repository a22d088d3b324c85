"""WhatsApp by Meta's Cloud API.

Documented at developers.facebook.com/docs/whatsapp/cloud-api (reference/messages, support/error-codes). Authentication:
Bearer token. `POST /{version}/{phone number id}/messages` answers `{contacts, messages: [{id: "wamid…"}]}`; errors are
`{"error": {code, message, error_data}}`. No idempotency key; `biz_opaque_callback_data` comes back in status reports.

Free text is taken only within 24 hours of the person's own last message; at all other times it must be a template that
Meta has approved: its name (the event's with underscores; `_v3` behind it for a text of ops' own), the language, and
the values of the blanks in their order (`manage.py whatsapp_templates` lists what to register). Within the window too
nothing goes out that is not approved: a person reads the same words at any hour. Only people who opted in are written
to.

At most once, as SMS is (notifications/channels/sms.py): each one costs money and buzzes in a pocket.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import requests
from django.conf import settings

from foundation import clock, http
from foundation.errors import Permanent, Transient, Unknown
from foundation.http import CallRecord, classify_exception, raise_for_status, record_call
from notifications.channels.base import NO_ADDRESS, TIMEOUT_S, Channel, RenderedMessage
from notifications.models import Recipient

NOT_OPTED_IN = "not opted in to WhatsApp"
WINDOW = timedelta(hours=24)
NEARLY = timedelta(minutes=5)  # a text that arrives just after the window closed would be lost
LATER = {4, 80007, 130429, 131048, 131056, 131057, 133004}  # too many, or down for maintenance: tried again
NOBODY_KNOWS = {131000, 131016}  # "something went wrong", "service unavailable"
OUTSIDE_WINDOW = 131047
CREDENTIALS = {0, 3, 10, 190, 131005}  # the token is expired, revoked, or may not do this


class WhatsApp(Channel):
    name = "whatsapp"
    needs = ("WHATSAPP_ACCESS_TOKEN", "WHATSAPP_PHONE_NUMBER_ID")
    resend_unknown = False
    longest = 1024  # of a template's body; free text may be longer
    titled = False
    approved_only = True

    def addresses_of(self, recipient: Recipient) -> list[str]:
        return [recipient.phone] if recipient.whatsapp_opted_in_at and recipient.phone.startswith("+") else []

    def why_not(self, recipient: Recipient) -> str:
        return NO_ADDRESS if recipient.whatsapp_opted_in_at else NOT_OPTED_IN

    def send_message(self, rendered: RenderedMessage, to: Sequence[str]) -> str:
        """In free text while the person's window is open, else by template."""
        if not window_is_open(to[0]):
            return _post(rendered, _build_template(rendered, to[0]))
        try:
            return _post(rendered, _build_text(rendered, to[0]))
        except Permanent as refusal:
            if refusal.code != str(OUTSIDE_WINDOW):
                raise
            close_window(to[0])
            return _post(rendered, _build_template(rendered, to[0]))


# ── the person's window ──────────────────────────────────────────────────────────────────────────────────────────
def window_is_open(phone: str) -> bool:
    since = clock.now() - WINDOW + NEARLY
    return Recipient.objects.filter(phone=phone, whatsapp_last_inbound_at__gt=since).exists()


def close_window(phone: str) -> bool:
    """Meta says that it is closed. Returns whether we thought it open."""
    return bool(
        Recipient.objects.filter(phone=phone, whatsapp_last_inbound_at__isnull=False).update(
            whatsapp_last_inbound_at=None
        )
    )


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────
def template_name(event: str, *version: str) -> str:
    """What a text is called at Meta, which takes lower-case letters, digits and underscores."""
    return "_".join((event, *version)).lower().replace(".", "_").replace("-", "_")


def _build_envelope(rendered: RenderedMessage, phone: str, kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": phone.removeprefix("+"),
        "type": kind,
        kind: content,
        "biz_opaque_callback_data": str(rendered.public_id),
    }


def _build_text(rendered: RenderedMessage, phone: str) -> dict[str, Any]:
    return _build_envelope(rendered, phone, "text", {"preview_url": False, "body": rendered.body})


def _build_template(rendered: RenderedMessage, phone: str) -> dict[str, Any]:
    """Values must not be empty, and hold no line breaks, tabs or runs of blanks: Meta refuses the whole message."""
    values = [{"type": "text", "text": " ".join(value.split()) or "–"} for value in rendered.blanks]
    parts = [{"type": "body", "parameters": values}] if values else []
    content = {"name": rendered.registered_as, "language": {"code": rendered.language}, "components": parts}
    return _build_envelope(rendered, phone, "template", content)


# ── the call ─────────────────────────────────────────────────────────────────────────────────────────────────────
def _post(rendered: RenderedMessage, body: dict[str, Any]) -> str:
    base = f"{settings.WHATSAPP_API_BASE.rstrip('/')}/{settings.WHATSAPP_API_VERSION}"
    url = f"{base}/{settings.WHATSAPP_PHONE_NUMBER_ID}/messages"
    record = CallRecord(
        "whatsapp", "whatsapp.send", rendered.reference, url=url, attempt=rendered.attempt, request=body
    )
    with record_call(record) as call:
        try:
            answer = http.thread_session().post(
                url,
                json=body,
                headers={"Authorization": f"Bearer {settings.WHATSAPP_ACCESS_TOKEN}"},
                timeout=(min(5.0, TIMEOUT_S), TIMEOUT_S),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise classify_exception(error) from error
        call.status_code = answer.status_code
        said = _read_json(answer)
        if not answer.ok:
            call.answer = said.get("error")
            _raise_refusal(answer, call.answer)
        try:
            (message,) = said["messages"]
            wamid = str(message["id"])
        except (KeyError, TypeError, ValueError) as error:
            raise Unknown(f"an answer that cannot be read: {error!r}") from error
        call.answer = {"id": wamid, "status": message.get("message_status", "accepted")}
        return wamid


def _read_json(answer: requests.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _raise_refusal(answer: requests.Response, error: Any) -> None:
    """What a refusal means: told by Meta's own code, whatever the HTTP status, else by that."""
    code = error.get("code") if isinstance(error, dict) else None
    message = f"{code}: {error.get('message', '')}"[:200] if isinstance(error, dict) else ""
    if code in CREDENTIALS:
        raise Permanent(message, code="401", answer=error)
    if code in LATER:
        raise Transient(message, code=str(code), answer=error)
    if code in NOBODY_KNOWS:
        raise Unknown(message, code=str(code), answer=error)
    if code is not None and 400 <= answer.status_code < 500 and answer.status_code != 429:
        raise Permanent(message, code=str(code), answer=error)
    raise_for_status(answer.status_code, error, retry_after="Retry-After" in answer.headers)
    raise Unknown(f"answered {answer.status_code}", answer=error)
