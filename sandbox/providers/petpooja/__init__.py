"""PetPooja, a point of sale: takes orders, runs a kitchen, calls back.

No readable official page; the facts are those on which several independent integrations agree (restated in
`orders.py`, `kitchen.py`). Authentication: app_key, app_secret, access_token in the body, wrong ones answer HTTP 200
with success "0" and errorCode GN_105. Callbacks carry no event id and no signature.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.http import json_answer, json_object
from sandbox.engine.provider import Action, Panel, Provider, Route
from sandbox.engine.store import Transaction
from sandbox.providers.petpooja import control, kitchen, orders

CREDENTIALS = ("app_key", "app_secret", "access_token")
LONGEST_RETRY_DELAY_S = 60.0
TRIES = 8


class PetPooja(Provider):
    name = "petpooja"
    title = "PetPooja POS"

    def list_routes(self) -> Iterable[Route]:
        for prefix in ("V1/", ""):  # save_order is known with the version, the others without: both work
            yield Route("POST", f"{prefix}save_order", orders.save_order)
            yield Route("POST", f"{prefix}update_order_status", orders.update_order_status)
            yield Route("POST", f"{prefix}rider_status_update", orders.rider_status_update)

    def control_routes(self) -> Iterable[Route]:
        return control.ROUTES

    def list_actions(self) -> Mapping[str, Action]:
        return {"move": kitchen.move_order}

    def check_credentials(self, request: HttpRequest) -> HttpResponse | None:
        keys, body = runtime.current_runtime().keys, json_object(request)
        if body is None:
            return orders.error_response("SO_105", "Invalid order relay payload", {"body": "must be a JSON object"})
        if all(body.get(name) == keys[f"petpooja_{name}"] for name in CREDENTIALS):
            return None
        return orders.error_response("GN_105", "Invalid client credentials.")

    def failure_response(self, request: HttpRequest, status: int, message: str) -> HttpResponse:
        return json_answer({"message": message}, status=status)

    def retry_delay_s(self, tries: int) -> float | None:
        """The real plan is not published; eight tries within three minutes."""
        return None if tries >= TRIES else min(2.0 ** (tries - 1), LONGEST_RETRY_DELAY_S)

    def list_panels(self, tx: Transaction) -> Iterable[Panel]:
        fields = ("orderID", "clientOrderID", "restID", "state", "total", "times_saved", "rider")
        found = tx.find_documents(kitchen.KIND, limit=20)
        yield Panel("PetPooja orders", fields, [[order.get(field) for field in fields] for order in found])
