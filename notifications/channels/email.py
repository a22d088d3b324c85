"""Email by SendGrid.

Documented at docs.sendgrid.com/api-reference/mail-send. Authentication: Bearer API key. `POST /v3/mail/send` answers
202 with an empty body and `X-Message-Id`; refusals are `{"errors": [{message, field, help}]}`. No idempotency key.

At least once: a mail whose fate is unknown is sent again. Two equal mails in a mailbox cost nothing and lie side by
side; a refund notice that never came costs a call to support.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.error import URLError

from django.conf import settings

from foundation.errors import CallFailed, Permanent, Transient, Unknown
from foundation.http import CallRecord, raise_for_status, record_call
from notifications.channels.base import TIMEOUT_S, Channel, RenderedMessage
from notifications.models import Recipient


class Email(Channel):
    name = "email"
    needs = ("SENDGRID_API_KEY", "SENDGRID_FROM_EMAIL")
    resend_unknown = True

    def addresses_of(self, recipient: Recipient) -> list[str]:
        return [recipient.email] if recipient.email else []

    def send_message(self, rendered: RenderedMessage, to: Sequence[str]) -> str:
        from python_http_client.exceptions import HTTPError
        from sendgrid import SendGridAPIClient

        mail, base = _build_mail(rendered, to), settings.SENDGRID_API_BASE.rstrip("/")
        record = CallRecord(
            "sendgrid",
            "email.send",
            rendered.reference,
            url=f"{base}/v3/mail/send",
            attempt=rendered.attempt,
            request=mail,
        )
        client = SendGridAPIClient(settings.SENDGRID_API_KEY, host=base).client
        with record_call(record) as call:
            try:
                answer = client.mail.send.post(request_body=mail, timeout=TIMEOUT_S)
            except HTTPError as error:
                call.status_code, call.answer = error.status_code, _read_error(error)
                raise_for_status(error.status_code, call.answer, retry_after="Retry-After" in (error.headers or {}))
                raise Unknown(f"answered {error.status_code}") from error
            except OSError as error:
                raise _conclude_unanswered(error) from error
            call.status_code = answer.status_code
            if answer.status_code not in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
                raise Unknown(f"answered {answer.status_code} instead of 202")
            return str(answer.headers.get("X-Message-Id") or "")


def _build_mail(rendered: RenderedMessage, to: Sequence[str]) -> dict[str, Any]:
    from sendgrid.helpers.mail import CustomArg, Mail

    try:
        mail = Mail(settings.SENDGRID_FROM_EMAIL, list(to), rendered.title, rendered.body)
        mail.add_custom_arg(CustomArg("message", str(rendered.public_id)))
        return dict(mail.get())
    except (KeyError, ValueError) as error:  # the SDK takes addresses apart, and stumbles over what is none
        raise Permanent(f"not a mail: {error!r}") from error


def _read_error(error: Any) -> Any:
    """The provider's own words, where they can be read."""
    try:
        return error.to_dict
    except ValueError:
        return None


def _conclude_unanswered(error: OSError) -> CallFailed:
    """The SDK speaks through urllib: a URLError around a failed connect was never sent, anything else may have been."""
    reason = error.reason if isinstance(error, URLError) else None
    if isinstance(reason, OSError) and not isinstance(reason, TimeoutError):
        return Transient(f"could not connect: {reason!r}")
    return Unknown(f"no answer: {error!r}")
