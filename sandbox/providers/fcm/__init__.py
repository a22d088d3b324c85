"""Firebase Cloud Messaging, HTTP v1, with Google's token endpoint beside it.

Documented at firebase.google.com/docs/reference/fcm/rest/v1/projects.messages. Authentication: a Bearer token got by a
JWT grant (RS256, signed with the service account's key). Errors are google.rpc.Status with an FcmError detail, which is
what firebase-admin tells them apart by: UNREGISTERED (404), INVALID_ARGUMENT (400), SENDER_ID_MISMATCH (403),
QUOTA_EXCEEDED (429). A device token is good until the control API, or the prefix `unregistered-`, says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse

from sandbox.engine.http import BadRequest
from sandbox.engine.provider import Messenger, Panel, Route
from sandbox.engine.store import Transaction
from sandbox.providers.fcm import control, messages, oauth


class Fcm(Messenger):
    name = "fcm"
    title = "Firebase Cloud Messaging"
    channel = "push"

    def list_routes(self) -> Iterable[Route]:
        return (
            Route("POST", "token", oauth.grant_token),
            Route("POST", "v1/projects/<str:project>/messages:send", messages.send_message),
        )

    def control_routes(self) -> Iterable[Route]:
        return control.ROUTES

    def check_credentials(self, request: HttpRequest) -> HttpResponse | None:
        if request.path.endswith("/token"):
            return None  # the grant is the credential
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer" and oauth.is_valid(token):
            return None
        return messages.status_answer(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")

    def failure_response(self, request: HttpRequest, status: int, message: str) -> HttpResponse:
        names = {404: "NOT_FOUND", 405: "UNIMPLEMENTED", 429: "RESOURCE_EXHAUSTED"}
        code = "QUOTA_EXCEEDED" if status == 429 else None
        return messages.status_answer(status, names.get(status, "INTERNAL"), message, code)

    def can_reach(self, address: str) -> bool:
        return not address.startswith("+") and "@" not in address

    def playable_outcomes(self, tx: Transaction, message: dict[str, Any]) -> Mapping[str, str]:
        if control.fate_of(tx, message["to"]) == "ok":
            return {"unregistered": "Uninstall the app"}
        return {"ok": "Install the app again"}

    def play_outcome(self, tx: Transaction, message: dict[str, Any], word: str) -> None:
        control.decide_state(tx, message["to"], word)

    @property
    def outcome_names(self) -> Sequence[str]:
        return control.STATES

    def fate_of(self, tx: Transaction, address: str) -> str:
        return control.fate_of(tx, address)

    def decide_outcome(self, tx: Transaction, address: str, wish: dict[str, Any]) -> None:
        if not address:
            raise BadRequest("to", "must be a device: FCM has no fate for all of them")
        control.decide_state(tx, address, wish.get("outcome"))

    def list_panels(self, tx: Transaction) -> Iterable[Panel]:
        found = tx.find_documents(control.KIND, limit=20)
        yield Panel("FCM device tokens with a fate", ("token", "state"), [[t["token"], t["state"]] for t in found])
