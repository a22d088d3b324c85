"""SMS by Twilio.

Documented at twilio.com/docs/messaging/api/message-resource, errors at twilio.com/docs/api/errors. Authentication: HTTP
Basic, account SID and auth token. Form bodies; 201 with `sid`, status `queued`. No idempotency key, bodies up to 1,600
characters. The SDK knows no base URL, so its HTTP client swaps scheme and host (`TWILIO_API_BASE`).

At most once: an SMS whose fate is unknown is not sent again. Each one costs money and buzzes in a pocket, Twilio cannot
be asked to recognise a repetition, and the next channel of the ladder still tells the person. A worker that dies while
an SMS is under way counts as unknown too (notifications/sending.py notes the channel before it sends).
"""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from django.conf import settings

from foundation.errors import Unknown
from foundation.http import CallRecord, classify_exception, raise_for_status, recorded
from notifications import addresses
from notifications.channels.base import TIMEOUT_S, Channel, Letter
from notifications.models import Recipient

if TYPE_CHECKING:
    from twilio.rest import Client

LONGEST = 1600
CALLBACK = "/webhooks/twilio?message="  # names the message, for a callback may come before we know Twilio's id
RETIRING = {  # what an error says of the number, and will say again (twilio.com/docs/api/errors)
    "21211": "not a phone number",
    "21610": "unsubscribed",
    "21614": "not a mobile number",
    "30005": "unknown number",
    "30006": "landline or unreachable carrier",
}
_local = threading.local()


class Sms(Channel):
    name = "sms"
    needs = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM_NUMBER")
    resend_unknown = False

    def addresses(self, recipient: Recipient) -> list[str]:
        return [recipient.phone] if recipient.phone.startswith("+") else []

    def send(self, letter: Letter, to: Sequence[str]) -> str:
        from twilio.base.exceptions import TwilioException, TwilioRestException

        form = {
            "to": to[0],
            "from_": settings.TWILIO_FROM_NUMBER,
            "body": letter.body[:LONGEST],
            "status_callback": f"{settings.PUBLIC_URL}{CALLBACK}{letter.public_id}",
        }
        record = CallRecord(
            "twilio",
            "sms.send",
            letter.reference,
            url=f"{settings.TWILIO_API_BASE}/2010-04-01/Accounts/{settings.TWILIO_ACCOUNT_SID}/Messages.json",
            attempt=letter.attempt,
            request={"to": form["to"], "from": form["from_"], "body": form["body"]},
        )
        with recorded(record) as call:
            try:
                message = _client().messages.create(**form)
            except TwilioRestException as error:
                call.status_code, call.answer = error.status, {"code": error.code, "message": error.msg}
                if reason := RETIRING.get(str(error.code)):
                    addresses.retire(self.name, to[0], reason, detail=f"{error.code}")
                raise_for_status(error.status, call.answer)
                raise Unknown(f"answered {error.status}") from error
            except requests.RequestException as error:
                raise classify_exception(error) from error
            except (TwilioException, ValueError, KeyError) as error:
                raise Unknown(f"an answer that cannot be read: {error!r}") from error
            call.status_code, call.answer = 201, {"sid": message.sid, "status": message.status}
            return str(message.sid)


def _client() -> "Client":
    """This thread's client (its session is not thread-safe), for the account that is configured now."""
    from twilio.rest import Client

    key = (settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN, settings.TWILIO_API_BASE)
    if getattr(_local, "key", None) != key:
        sid, token, base = key
        _local.client, _local.key = Client(sid, token, http_client=_rebased(base)), key
    return _local.client


def _rebased(base: str) -> Any:
    """Twilio's own HTTP client, with a time-out, speaking to `base` instead of https://api.twilio.com."""
    from twilio.http.http_client import TwilioHttpClient

    class RebasedHttpClient(TwilioHttpClient):
        def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            rest = urlsplit(url)._replace(scheme="", netloc="").geturl()
            return super().request(method, f"{base.rstrip('/')}{rest}", *args, **kwargs)

    return RebasedHttpClient(timeout=TIMEOUT_S)
