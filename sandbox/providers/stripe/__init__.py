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
    control,
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

    def list_routes(self) -> Iterable[Route]:
        return (
            Route("POST", "v1/payment_intents", payment_intents.create_intent),
            Route("GET", "v1/payment_intents", payment_intents.list_all),
            Route("GET", "v1/payment_intents/search", payment_intents.search_intents),
            Route("GET", "v1/payment_intents/<str:object_id>", payment_intents.retrieve_intent),
            Route("POST", "v1/payment_intents/<str:object_id>", payment_intents.update_intent),
            Route("POST", "v1/payment_intents/<str:object_id>/confirm", payment_intents.confirm_intent),
            Route("POST", "v1/payment_intents/<str:object_id>/capture", payment_intents.capture_intent),
            Route("POST", "v1/payment_intents/<str:object_id>/cancel", payment_intents.cancel_intent),
            Route("GET", "v1/charges", charges.list_all),
            Route("GET", "v1/charges/<str:object_id>", charges.retrieve_charge),
            Route("POST", "v1/refunds", refunds.create_refund),
            Route("GET", "v1/refunds", refunds.list_all),
            Route("GET", "v1/refunds/<str:object_id>", refunds.retrieve_refund),
            Route("POST", "v1/accounts", accounts.create_account),
            Route("GET", "v1/accounts", accounts.list_all),
            Route("GET", "v1/accounts/<str:object_id>", accounts.retrieve_account),
            Route("POST", "v1/accounts/<str:object_id>", accounts.update_account),
            Route("POST", "v1/transfers", transfers.create_transfer),
            Route("GET", "v1/transfers", transfers.list_all),
            Route("GET", "v1/transfers/<str:object_id>", transfers.retrieve_transfer),
            Route("POST", "v1/transfers/<str:object_id>", transfers.update_transfer),
            Route("POST", "v1/transfers/<str:object_id>/reversals", transfers.reverse_transfer),
            Route("GET", "v1/transfers/<str:object_id>/reversals", transfers.list_reversals),
            Route("POST", "v1/payouts", payouts.create_payout),
            Route("GET", "v1/payouts", payouts.list_all),
            Route("GET", "v1/payouts/<str:object_id>", payouts.retrieve_payout),
            Route("GET", "v1/balance", balance.retrieve_balance),
            Route("GET", "v1/events", events.list_all),
            Route("GET", "v1/events/<str:object_id>", events.retrieve_event),
        )

    def control_routes(self) -> Iterable[Route]:
        return control.ROUTES

    def list_actions(self) -> Mapping[str, Action]:
        return {"onboard": accounts.finish_onboarding, "arrive": payouts.finish_due_payout}

    def check_credentials(self, request: HttpRequest) -> HttpResponse | None:
        keys, secret = runtime.current_runtime().keys, secret_of(request)
        if secret in (keys["stripe_secret_key"], keys["stripe_publishable_key"]):
            return None
        if not secret:
            return error_answer(errors.unauthorized_key("You did not provide an API key."))
        return error_answer(errors.unauthorized_key(f"Invalid API Key provided: {secret[:8]}****{secret[-4:]}"))

    def wrap_call(self, request: HttpRequest, execute: Callable[[], HttpResponse], fault: Fault | None) -> HttpResponse:
        try:
            return idempotency.replay_or_run(request, execute, fault)
        except errors.StripeError as error:
            return error_answer(error)

    def failure_response(self, request: HttpRequest, status: int, message: str) -> HttpResponse:
        error_type = "api_error" if status >= 500 else "invalid_request_error"
        error = {"type": error_type, "message": message} | ({"code": "rate_limit"} if status == 429 else {})
        return json_answer({"error": error}, status=status)

    def sign_webhook(self, signer: str, body: str, now: float, *, wrong: bool) -> dict[str, str]:
        return events.sign_body(signer, body, now, wrong=wrong)

    def retry_delay_s(self, tries: int) -> float | None:
        return events.retry_delay_s(tries)

    def list_panels(self, tx: Transaction) -> Iterable[Panel]:
        columns = {
            "payment_intent": ("id", "amount", "currency", "status", "metadata"),
            "refund": ("id", "amount", "currency", "payment_intent", "status"),
            "transfer": ("id", "amount", "currency", "destination", "transfer_group", "reversed"),
            "account": ("id", "email", "charges_enabled", "payouts_enabled", "metadata"),
            "payout": ("id", "amount", "currency", "stripe_account", "status"),
        }
        for name, fields in columns.items():
            found = tx.find_documents(resources.kind_of(name), limit=PANEL_ROWS)
            rows = [[obj[field] for field in fields] for obj in found]
            yield Panel(f"Stripe {name.replace('_', ' ')}s", fields, rows)
        amounts = balance.available_amounts(tx, balance.PLATFORM)
        yield Panel("Stripe platform balance", ("currency", "available"), sorted(amounts.items()))
