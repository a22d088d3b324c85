"""Stripe: payments, refunds, Connect accounts, transfers, payouts, events; test mode, without fees.

Documented at docs.stripe.com/api. Authentication: the secret key as Bearer token or Basic user name; a browser has the
publishable key and a client_secret. Event ids `evt_...`, amounts in minor units, times in Unix seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.faults import Fault
from sandbox.engine.http import json_answer
from sandbox.engine.provider import Action, Panel, Provider, Route
from sandbox.engine.store import Index, Transaction
from sandbox.providers.stripe import (
    accounts,
    balance,
    charges,
    conductor,
    errors,
    events,
    idempotency,
    payment_intents,
    payouts,
    refunds,
    resources,
    transfers,
)
from sandbox.providers.stripe.operation import error_answer, secret_of

PANEL_ROWS = 15


class Stripe(Provider):
    name = "stripe"
    title = "Stripe"
    signs_webhooks = True
    indexes = (
        Index("stripe.charge", "payment_intent"),
        Index("stripe.refund", "payment_intent"),
        Index("stripe.refund", "charge"),
        Index("stripe.transfer", "transfer_group"),
        Index("stripe.transfer", "destination"),
        Index("stripe.transfer_reversal", "transfer"),
        Index("stripe.payout", "stripe_account"),
    )

    def routes(self) -> Iterable[Route]:
        return (
            Route("POST", "v1/payment_intents", payment_intents.create),
            Route("GET", "v1/payment_intents", payment_intents.list_all),
            Route("GET", "v1/payment_intents/search", payment_intents.search),
            Route("GET", "v1/payment_intents/<str:object_id>", payment_intents.retrieve),
            Route("POST", "v1/payment_intents/<str:object_id>", payment_intents.update),
            Route("POST", "v1/payment_intents/<str:object_id>/confirm", payment_intents.confirm),
            Route("POST", "v1/payment_intents/<str:object_id>/capture", payment_intents.capture),
            Route("POST", "v1/payment_intents/<str:object_id>/cancel", payment_intents.cancel),
            Route("GET", "v1/charges", charges.list_all),
            Route("GET", "v1/charges/<str:object_id>", charges.retrieve),
            Route("POST", "v1/refunds", refunds.create),
            Route("GET", "v1/refunds", refunds.list_all),
            Route("GET", "v1/refunds/<str:object_id>", refunds.retrieve),
            Route("POST", "v1/accounts", accounts.create),
            Route("GET", "v1/accounts", accounts.list_all),
            Route("GET", "v1/accounts/<str:object_id>", accounts.retrieve),
            Route("POST", "v1/accounts/<str:object_id>", accounts.update),
            Route("POST", "v1/transfers", transfers.create),
            Route("GET", "v1/transfers", transfers.list_all),
            Route("GET", "v1/transfers/<str:object_id>", transfers.retrieve),
            Route("POST", "v1/transfers/<str:object_id>", transfers.update),
            Route("POST", "v1/transfers/<str:object_id>/reversals", transfers.reverse),
            Route("GET", "v1/transfers/<str:object_id>/reversals", transfers.list_reversals),
            Route("POST", "v1/payouts", payouts.create),
            Route("GET", "v1/payouts", payouts.list_all),
            Route("GET", "v1/payouts/<str:object_id>", payouts.retrieve),
            Route("GET", "v1/balance", balance.retrieve),
            Route("GET", "v1/events", events.list_all),
            Route("GET", "v1/events/<str:object_id>", events.retrieve),
        )

    def control_routes(self) -> Iterable[Route]:
        return conductor.ROUTES

    def actions(self) -> Mapping[str, Action]:
        return {"onboard": accounts.onboard, "arrive": payouts.arrive}

    def authenticate(self, request: HttpRequest) -> HttpResponse | None:
        keys, secret = runtime.current().keys, secret_of(request)
        if secret in (keys["stripe_secret_key"], keys["stripe_publishable_key"]):
            return None
        if not secret:
            return error_answer(errors.unauthorized("You did not provide an API key."))
        return error_answer(errors.unauthorized(f"Invalid API Key provided: {secret[:8]}****{secret[-4:]}"))

    def around(self, request: HttpRequest, execute: Callable[[], HttpResponse], fault: Fault | None) -> HttpResponse:
        try:
            return idempotency.around(request, execute, fault)
        except errors.StripeError as error:
            return error_answer(error)

    def failure(self, request: HttpRequest, status: int, message: str) -> HttpResponse:
        error_type = "api_error" if status >= 500 else "invalid_request_error"
        error = {"type": error_type, "message": message} | ({"code": "rate_limit"} if status == 429 else {})
        return json_answer({"error": error}, status=status)

    def sign(self, signer: str, body: str, now: float, *, wrong: bool) -> dict[str, str]:
        return events.sign(signer, body, now, wrong=wrong)

    def retry_delay_s(self, tries: int) -> float | None:
        return events.retry_delay_s(tries)

    def panels(self, tx: Transaction) -> Iterable[Panel]:
        columns = {
            "payment_intent": ("id", "amount", "currency", "status", "metadata"),
            "refund": ("id", "amount", "currency", "payment_intent", "status"),
            "transfer": ("id", "amount", "currency", "destination", "transfer_group", "reversed"),
            "account": ("id", "email", "charges_enabled", "payouts_enabled", "metadata"),
            "payout": ("id", "amount", "currency", "stripe_account", "status"),
        }
        for name, fields in columns.items():
            found = tx.find(resources.kind_of(name), limit=PANEL_ROWS)
            rows = [[obj[field] for field in fields] for obj in found]
            yield Panel(f"Stripe {name.replace('_', ' ')}s", fields, rows)
        amounts = balance.available(tx, balance.PLATFORM)
        yield Panel("Stripe platform balance", ("currency", "available"), sorted(amounts.items()))
