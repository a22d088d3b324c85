"""Push by Firebase Cloud Messaging, through firebase-admin.

Documented at firebase.google.com/docs/cloud-messaging and docs/reference/fcm/rest/v1/projects.messages; errors as in
`firebase_admin.messaging`. Authentication: a service account's JSON (setting FIREBASE_CREDENTIALS), whose `token_uri`
hands out access tokens. One HTTP call per device, answers in the order of the devices. Payload values are strings.

The SDK knows no base URL and repeats a call up to four times by itself on 500 and 503. Of its messaging service, which
it makes once per app, two things are therefore set (`_make_app`): the URL it posts to, and an adapter without retries
(retries are rows of ours). Both belong to our own instance, nothing of the library is patched, and the tests prove
them against a real server: an SDK that renames them fails there, not in production.

At least once: a push whose fate is unknown is sent again. It carries the message's id as tag (Android) and collapse id
(iOS), so that a phone that got both shows one.
"""

import threading
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

import requests
from django.conf import settings

from foundation import clock
from foundation.errors import CallFailed, Permanent, Transient, Unknown
from foundation.http import CallRecord, classify_exception, raise_for_status, record_call
from notifications.channels.base import TIMEOUT_S, Channel, RenderedMessage
from notifications.contacts import recipients
from notifications.models import PushToken, Recipient

if TYPE_CHECKING:
    import firebase_admin
    import google.auth.exceptions
    from firebase_admin import exceptions, messaging

CHUNK = 50  # the SDK starts a thread per device of a call
SCOPES = ["https://www.googleapis.com/auth/firebase.messaging"]
INVALID_TOKEN = "registration token"  # noqa: S105 - words of FCM's refusal, not a secret
MESSAGE_ID = "messageId"  # what an app acknowledges: POST /api/v1/notifications/{messageId}/ack
_lock = threading.Lock()
_apps: dict[tuple[str, str], "firebase_admin.App"] = {}


class Push(Channel):
    name = "push"
    needs = ("FIREBASE_CREDENTIALS",)
    resend_unknown = True
    longest = 700  # a payload may have 4,096 bytes, four of which an emoji takes

    def addresses_of(self, recipient: Recipient) -> list[str]:
        live = PushToken.objects.filter(recipient=recipient, retired_at=None)
        return list(live.order_by("-last_seen_at").values_list("token", flat=True))

    def send_message(self, rendered: RenderedMessage, to: Sequence[str]) -> str:
        """Push to every device; one that took it is enough. Devices that are gone are retired, each for itself."""
        ids, failures = list[str](), list[CallFailed]()
        for start in range(0, len(to), CHUNK):
            try:
                ids.append(_send_each(rendered, to[start : start + CHUNK]))
            except CallFailed as failure:
                failures.append(failure)
        if not ids:
            raise _most_hopeful(failures)
        return ids[0]


def _send_each(rendered: RenderedMessage, tokens: Sequence[str]) -> str:
    """One call of the SDK: the provider's id at the first device that took it. Raises when none did."""
    from firebase_admin import exceptions, messaging

    began = clock.now()
    push = {"title": rendered.title, "body": rendered.body, "data": _build_data(rendered), "devices": len(tokens)}
    record = CallRecord(
        "fcm", "push.send", rendered.reference, url=settings.FCM_API_BASE, attempt=rendered.attempt, request=push
    )
    with record_call(record) as call:
        try:
            answers = messaging.send_each([_build_push(rendered, token) for token in tokens], app=_get_app()).responses
        except exceptions.FirebaseError as error:
            raise _conclude_error(error) from error
        call.answer = [answer.message_id or repr(answer.exception) for answer in answers]
        failures = [answer.exception for answer in answers if not answer.success]
        for token, answer in zip(tokens, answers, strict=True):
            if not answer.success and (reason := _dead_token_reason(answer.exception)):
                recipients.retire_token(token, reason, not_seen_since=began)
        if len(failures) == len(answers):
            call.status_code = _status_of(failures[0])
            raise _most_hopeful([_conclude_error(failure) for failure in failures])
        call.status_code = 200
        return next(str(answer.message_id) for answer in answers if answer.success)


def _build_push(rendered: RenderedMessage, token: str) -> "messaging.Message":
    from firebase_admin import messaging

    one = str(rendered.public_id)
    return messaging.Message(
        token=token,
        notification=messaging.Notification(title=rendered.title, body=rendered.body),
        data=_build_data(rendered),
        android=messaging.AndroidConfig(priority="high", notification=messaging.AndroidNotification(tag=one)),
        apns=messaging.APNSConfig(headers={"apns-collapse-id": one, "apns-priority": "10"}),
    )


def _build_data(rendered: RenderedMessage) -> dict[str, str]:
    return {**rendered.data, MESSAGE_ID: str(rendered.public_id)}


def _dead_token_reason(error: "exceptions.FirebaseError") -> str:
    """Why this one device cannot be reached any more; "" when the error says nothing about the device.

    INVALID_ARGUMENT is said of tokens and of payloads alike: only the words tell. A sender mismatch may be our own
    wrong service account, which must not retire every device of the house.
    """
    from firebase_admin import exceptions, messaging

    if isinstance(error, messaging.UnregisteredError):
        return "unregistered"
    if isinstance(error, exceptions.InvalidArgumentError) and INVALID_TOKEN in str(error).lower():
        return "invalid"
    return ""


def _conclude_error(error: "exceptions.FirebaseError") -> CallFailed:
    """What may be concluded from an error of the SDK, told by the HTTP answer or exception it came from."""
    import google.auth.exceptions

    message = f"{type(error).__name__}: {error}"
    if isinstance(error.cause, google.auth.exceptions.GoogleAuthError):  # no access token, so nothing was sent
        return Transient(message) if _is_transient(error.cause) else Permanent(message, code="401")
    if status := _status_of(error):
        try:
            raise_for_status(status, message)
        except CallFailed as failure:
            return failure
    if isinstance(error.cause, requests.RequestException):
        return classify_exception(error.cause)
    return Unknown(message)


def _is_transient(error: "google.auth.exceptions.GoogleAuthError") -> bool:
    from google.auth.exceptions import TransportError

    return isinstance(error, TransportError) or error.retryable


def _status_of(error: "exceptions.FirebaseError") -> int | None:
    return None if error.http_response is None else int(error.http_response.status_code)


def _most_hopeful(failures: Sequence[CallFailed]) -> CallFailed:
    """Of several failures the one that leaves most to be done: it is tried again if any device may yet be reached."""
    return max(failures, key=lambda failure: (isinstance(failure, Transient), isinstance(failure, Unknown)))


def _get_app() -> "firebase_admin.App":
    """The SDK's app for the account and base that are configured now, made once per process."""
    key = (settings.FIREBASE_CREDENTIALS, settings.FCM_API_BASE)
    with _lock:
        if key not in _apps:
            _apps[key] = _make_app(*key)
        return _apps[key]


def _make_app(path: str, base: str) -> "firebase_admin.App":
    import firebase_admin
    from firebase_admin import messaging
    from google.oauth2 import service_account

    class Account(service_account.Credentials):
        def _is_regional_access_boundary_lookup_required(self) -> bool:
            return False  # its look-up would call Google in the background, even where a sandbox stands in for it

    account = Account.from_service_account_file(path, scopes=SCOPES)  # type: ignore[no-untyped-call]
    options = {"projectId": account.project_id, "httpTimeout": TIMEOUT_S}
    app = firebase_admin.initialize_app(account, options, name=str(uuid.uuid4()))
    service = messaging._get_messaging_service(app)
    service._fcm_url = f"{base.rstrip('/')}/v1/projects/{account.project_id}/messages:send"
    service._client.session.mount(base, requests.adapters.HTTPAdapter(pool_maxsize=CHUNK, max_retries=0))
    return app
