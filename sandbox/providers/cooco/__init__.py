"""COOCO, a courier company, API v2.

There is no public document; the partner contract is its only source. Authentication: Bearer key, and an
X-RideNDine-Request-ID on every create, which makes the same create again the same delivery. Webhooks go to the
delivery's own callback_url, signed `sha256=` HMAC of "{timestamp}.{body}" with the time in X-COOCO-Timestamp; they
carry no event id and are sent again at once, after 1, 5, 15 minutes and an hour. Amounts are cents, times ISO in UTC.
The contract shows no error bodies; here they are {"error": {"code", "message", "field"?}}.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.provider import Route
from sandbox.engine.store import Index, Transaction
from sandbox.fleet import jobs
from sandbox.fleet.company import CourierCompany
from sandbox.fleet.jobs import Job
from sandbox.fleet.stages import Stage
from sandbox.providers.cooco import billing, deliveries, webhooks
from sandbox.providers.cooco.errors import error_response


class Cooco(CourierCompany):
    name = "cooco"
    title = "COOCO"
    indexes = (Index(jobs.document_kind("cooco"), "external_id"),)
    words = {
        Stage.WAITING: "pending",
        Stage.ASSIGNED: "driver_assigned",
        Stage.TO_PICKUP: "driver_assigned",
        Stage.AT_PICKUP: "driver_assigned",
        Stage.PICKED_UP: "picked_up",
        Stage.TO_DROPOFF: "in_transit",
        Stage.AT_DROPOFF: "in_transit",
        Stage.DELIVERED: "completed",
        Stage.FAILED: "failed",
        Stage.CANCELLED: "cancelled",
        Stage.RETURNING: "failed",
        Stage.AT_RETURN: "failed",
        Stage.RETURNED: "failed",
    }
    more_words = {"delivered": Stage.DELIVERED}
    nobody = "no_driver_available"
    gave_up = "cancelled_by_courier"
    absent = "customer_not_available"
    report_every_s = 60.0
    retry_after_s = (0.0, 60.0, 300.0, 900.0, 3600.0)

    def list_routes(self) -> Iterable[Route]:
        return (
            Route("POST", "v2/deliveries", deliveries.create_delivery),
            Route("GET", "v2/deliveries/<str:delivery_id>", deliveries.retrieve_delivery),
            Route("PATCH", "v2/deliveries/<str:delivery_id>/cancel", deliveries.cancel_delivery),
        )

    def company_routes(self) -> Iterable[Route]:
        return (Route("GET", "invoice", billing.download_invoice),)

    def check_credentials(self, request: HttpRequest) -> HttpResponse | None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer" and hmac.compare_digest(key, runtime.current_runtime().keys["cooco_api_key"]):
            return None
        return error_response(401, "unauthorized", "Invalid API key")

    def failure_response(self, request: HttpRequest, status: int, message: str) -> HttpResponse:
        codes = {404: "not_found", 405: "method_not_allowed", 429: "rate_limited", 503: "service_unavailable"}
        return error_response(status, codes.get(status, "internal_error"), message)

    def tell_change(self, tx: Transaction, job: Job, before: Stage) -> None:
        webhooks.send_event(self, tx, job)

    def report_position(self, tx: Transaction, job: Job) -> None:
        webhooks.send_event(self, tx, job)

    def is_reporting(self, job: Job, *, by_itself: bool) -> bool:
        """On the way it says in_transit again and again, with the driver's new position."""
        return by_itself and job["stage"] == Stage.TO_DROPOFF

    def sign_webhook(self, signer: str, body: str, now: float, *, wrong: bool) -> dict[str, str]:
        secret = runtime.current_runtime().keys["cooco_webhook_secret"]
        timestamp = str(int(now))
        key = (secret[::-1] if wrong else secret).encode()
        digest = hmac.new(key, f"{timestamp}.{body}".encode(), hashlib.sha256).hexdigest()
        return {"X-COOCO-Signature": f"sha256={digest}", "X-COOCO-Timestamp": timestamp}
