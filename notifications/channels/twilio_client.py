"""The account at Twilio that text messages and phone calls share: one client per thread, and what its errors mean.

Authentication: HTTP Basic, account SID and auth token. The SDK knows no base URL, so its HTTP client swaps scheme and
host (`TWILIO_API_BASE`). Errors are listed at twilio.com/docs/api/errors; their code stands in the answer that is kept.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from django.conf import settings

from foundation.errors import CallFailed, Unknown
from foundation.http import CallRecord, classify_exception, raise_for_status, record_call
from notifications.channels.base import TIMEOUT_S

if TYPE_CHECKING:
    from twilio.rest import Client

CREDENTIALS = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM_NUMBER")
_local = threading.local()


def create_resource(resource: str, record: CallRecord, form: dict[str, Any]) -> str:
    """Make one of `resource` ("messages", "calls") from `form`; returns Twilio's id for it.

    Raises Permanent, Transient or Unknown; `code_of` tells Twilio's own code.
    """
    from twilio.base.exceptions import TwilioException, TwilioRestException

    with record_call(record) as call:
        make: Callable[..., Any] = getattr(_get_client(), resource).create
        try:
            made = make(**form)
        except TwilioRestException as error:
            call.status_code, call.answer = error.status, {"code": error.code, "message": error.msg}
            raise_for_status(error.status, call.answer)
            raise Unknown(f"answered {error.status}") from error
        except requests.RequestException as error:
            raise classify_exception(error) from error
        except (TwilioException, ValueError, KeyError) as error:
            raise Unknown(f"an answer that cannot be read: {error!r}") from error
        call.status_code, call.answer = 201, {"sid": made.sid, "status": made.status}
        return str(made.sid)


def code_of(failure: CallFailed) -> str:
    """Twilio's own code of an error ("21211"); "" where it did not answer with one."""
    return str(failure.answer.get("code", "")) if isinstance(failure.answer, dict) else ""


def address_of(resource: str) -> str:
    """Where `resource` ("Messages", "Calls") is made, for the record."""
    return f"{settings.TWILIO_API_BASE}/2010-04-01/Accounts/{settings.TWILIO_ACCOUNT_SID}/{resource}.json"


def _get_client() -> "Client":
    """This thread's client (its session is not thread-safe), for the account that is configured now."""
    from twilio.rest import Client

    key = (settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN, settings.TWILIO_API_BASE)
    if getattr(_local, "key", None) != key:
        sid, token, base = key
        _local.client, _local.key = Client(sid, token, http_client=_build_http_client(base)), key
    return _local.client


def _build_http_client(base: str) -> Any:
    """Twilio's own HTTP client, with a time-out, speaking to `base` instead of https://api.twilio.com."""
    from twilio.http.http_client import TwilioHttpClient

    class RebasedHttpClient(TwilioHttpClient):
        def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            rest = urlsplit(url)._replace(scheme="", netloc="").geturl()
            return super().request(method, f"{base.rstrip('/')}{rest}", *args, **kwargs)

    return RebasedHttpClient(timeout=TIMEOUT_S)
