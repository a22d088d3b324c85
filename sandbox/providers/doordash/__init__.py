"""DoorDash Drive, API v2.

Documented at developer.doordash.com/en-US/docs/drive and in DoorDash's OpenAPI file of the product. Authentication: a
JWT that the customer signs (`tokens`). Every call names the customer's own external_delivery_id, which exists once.
Errors are {"code", "message", "reason"?, "field_errors"?}. Webhooks carry the Authorization that was agreed on and no
signature, a body like the delivery's with event_name and created_at and without empty fields; they are sent up to three
times. Amounts are cents, times ISO in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.provider import Route
from sandbox.engine.store import Index, Transaction
from sandbox.fleet import jobs
from sandbox.fleet.company import CourierCompany
from sandbox.fleet.jobs import Job
from sandbox.fleet.stages import Stage
from sandbox.providers.doordash import deliveries, request_fields, tokens, webhooks
from sandbox.providers.doordash.errors import error_response

CODES = {404: "not_found", 405: "method_not_allowed", 429: "too_many_requests", 503: "service_unavailable"}


class DoorDash(CourierCompany):
    name = "doordash"
    title = "DoorDash Drive"
    indexes = (Index(jobs.document_kind("doordash"), "external_id"),)
    words = {
        Stage.WAITING: "created",
        Stage.ASSIGNED: "confirmed",
        Stage.TO_PICKUP: "enroute_to_pickup",
        Stage.AT_PICKUP: "arrived_at_pickup",
        Stage.PICKED_UP: "picked_up",
        Stage.TO_DROPOFF: "enroute_to_dropoff",
        Stage.AT_DROPOFF: "arrived_at_dropoff",
        Stage.DELIVERED: "delivered",
        Stage.CANCELLED: "cancelled",
        Stage.FAILED: "cancelled",
        Stage.RETURNING: "enroute_to_return",
        Stage.AT_RETURN: "arrived_at_return",
        Stage.RETURNED: "returned",
    }
    nobody = "failed_to_assign_and_refunded"
    gave_up = "failed_to_pickup"
    absent = "failed_to_deliver"
    retry_after_s = (1.0, 5.0)

    def list_routes(self) -> Iterable[Route]:
        one = "drive/v2/deliveries/<str:external_id>"
        return (
            Route("POST", "drive/v2/quotes", request_fields.create_quote),
            Route("POST", "drive/v2/quotes/<str:external_id>/accept", request_fields.accept_quote),
            Route("POST", "drive/v2/deliveries", request_fields.create_delivery),
            Route("GET", one, request_fields.retrieve_delivery),
            Route("PATCH", one, deliveries.update_delivery),
            Route("PUT", f"{one}/cancel", deliveries.cancel_delivery),
        )

    def check_credentials(self, request: HttpRequest) -> HttpResponse | None:
        problem = tokens.find_problem(request.headers.get("Authorization", ""))
        return error_response(401, "authentication_error", problem) if problem else None

    def failure_response(self, request: HttpRequest, status: int, message: str) -> HttpResponse:
        return error_response(status, CODES.get(status, "service_fault"), message)

    def tell_change(self, tx: Transaction, job: Job, before: Stage) -> None:
        webhooks.send_webhook(self, tx, job)

    def stage_undelivered(self, job: Job) -> Stage:
        """Brought back if that was asked for, else thrown away."""
        back = job["asked"].get("action_if_undeliverable") == "return_to_pickup"
        return Stage.RETURNING if back else Stage.CANCELLED

    def sign_webhook(self, signer: str, body: str, now: float, *, wrong: bool) -> dict[str, str]:
        agreed = runtime.current_runtime().keys["doordash_webhook_authorization"]
        return {"Authorization": agreed[:6] + agreed[:5:-1] if wrong else agreed}
