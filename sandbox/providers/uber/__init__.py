"""Uber Direct: quotes, deliveries and couriers, as API v1 of customers/{customer_id}.

Documented at developer.uber.com/docs/deliveries and in the OpenAPI files of uber/uber-direct-sdk. Authentication: a
Bearer token by client credentials (`oauth`). Addresses are JSON inside a string. Errors are {"code", "message",
"kind": "error", "metadata"}. Webhooks are event.delivery_status, on a change of status or courier_imminent, and
event.courier_update every 20 seconds; signed with the HMAC-SHA256 hex of the body in x-uber-signature (an older page
says X-Postmates-Signature), without an event id or a time. How often they are repeated is not documented. Amounts are
cents, times ISO in UTC with milliseconds.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.provider import Route
from sandbox.engine.store import Index, Transaction
from sandbox.fleet import behaviour, jobs
from sandbox.fleet.company import CourierCompany
from sandbox.fleet.jobs import Job
from sandbox.fleet.stages import Stage
from sandbox.providers.uber import deliveries, oauth, quotes, returns, webhooks
from sandbox.providers.uber.errors import error_response

CODES = {404: "not_found", 405: "method_not_allowed", 429: "customer_limited", 503: "service_unavailable"}


class Uber(CourierCompany):
    name = "uber"
    title = "Uber Direct"
    indexes = (Index(jobs.document_kind("uber"), "external_id"), Index(jobs.document_kind("uber"), "idempotency_key"))
    words = {
        Stage.WAITING: "pending",
        Stage.ASSIGNED: "pickup",
        Stage.TO_PICKUP: "pickup",
        Stage.AT_PICKUP: "pickup",
        Stage.PICKED_UP: "pickup_complete",
        Stage.TO_DROPOFF: "dropoff",
        Stage.AT_DROPOFF: "dropoff",
        Stage.DELIVERED: "delivered",
        Stage.CANCELLED: "canceled",
        Stage.FAILED: "canceled",
        Stage.RETURNED: "returned",
        Stage.RETURNING: "returned",
        Stage.AT_RETURN: "returned",
    }
    more_words = {"pickup_imminent": Stage.AT_PICKUP, "dropoff_imminent": Stage.AT_DROPOFF}
    nobody = "no_courier_found"
    gave_up = "courier_unavailable"
    absent = "customer_unavailable"
    report_every_s = 20.0
    retry_after_s = (10.0, 30.0, 60.0, 120.0)

    def list_routes(self) -> Iterable[Route]:
        customer = "v1/customers/<str:customer_id>"
        return (
            Route("POST", "oauth/v2/token", oauth.grant_token),
            Route("POST", f"{customer}/delivery_quotes", quotes.create_quote),
            Route("POST", f"{customer}/deliveries", deliveries.create_delivery),
            Route("GET", f"{customer}/deliveries", deliveries.list_all),
            Route("GET", f"{customer}/deliveries/<str:delivery_id>", deliveries.retrieve_delivery),
            Route("POST", f"{customer}/deliveries/<str:delivery_id>/cancel", deliveries.cancel_delivery),
        )

    def company_routes(self) -> Iterable[Route]:
        return (Route("GET", "tokens", oauth.count_tokens), Route("POST", "tokens/expire", oauth.expire_all))

    def check_credentials(self, request: HttpRequest) -> HttpResponse | None:
        if request.path.endswith("/oauth/v2/token"):
            return None  # the grant is the credential
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not oauth.is_valid(token):
            return error_response(401, "unauthorized", "Invalid OAuth 2.0 credentials provided.")
        customer = request.path.removeprefix("/uber/v1/customers/").partition("/")[0]
        if (
            request.path.startswith("/uber/v1/customers/")
            and customer != runtime.current_runtime().keys["uber_customer_id"]
        ):
            return error_response(404, "customer_not_found", "Customer does not exist.")
        return None

    def failure_response(self, request: HttpRequest, status: int, message: str) -> HttpResponse:
        return error_response(status, CODES.get(status, "unknown_error"), message)

    def tell_change(self, tx: Transaction, job: Job, before: Stage) -> None:
        if job["stage"] == Stage.RETURNED:
            returns.begin_return(self, tx, job)
        webhooks.status_changed(self, tx, job, before)

    def report_position(self, tx: Transaction, job: Job) -> None:
        webhooks.courier_update(self, tx, job)

    def is_reporting(self, job: Job, *, by_itself: bool) -> bool:
        return job["driver"] is not None

    def stage_undelivered(self, job: Job) -> Stage:
        return returns.stage_undelivered(job)

    def sign_webhook(self, signer: str, body: str, now: float, *, wrong: bool) -> dict[str, str]:
        key = runtime.current_runtime().keys["uber_webhook_signing_key"]
        digest = hmac.new((key[::-1] if wrong else key).encode(), body.encode(), hashlib.sha256).hexdigest()
        with runtime.current_runtime().store.transaction() as tx:
            older_name = behaviour.load_behaviour(tx, "uber")["postmates_header"]
        return {"X-Postmates-Signature" if older_name else "x-uber-signature": digest}
