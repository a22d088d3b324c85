"""Stripe's webhook provider and reader. Stripe speaks to two rooms (orders, payouts), so its reader lives above both.

Documented at docs.stripe.com/webhooks and docs.stripe.com/connect/webhooks.
Authentication: `Stripe-Signature: t=…,v1=…`, HMAC-SHA256 of "{t}.{raw body}", at most 300 s old.
Event id: `event.id`. Retries: for three days, signed anew. Units: minor units.
Quirks: order is not kept; events of connected accounts come to an endpoint with a secret of its own, and in production
that endpoint is sent test events as well, hence the look at `livemode`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings

from foundation import stripe
from foundation.errors import Permanent
from foundation.evidence import EventOutcome
from foundation.webhook import IncomingEvent, VerifiedSignature, WebhookProvider, WebhookRejected, WebhookRequest
from orders import payments
from orders.evidence import ChargeRefunded, PaymentCanceled, PaymentEvidence, PaymentFailed, PaymentSucceeded
from payouts.models import BankPayout
from payouts.runs import connected_accounts, runs
from payouts.runs.stripe_events import (
    PAYEE,
    AccountDeauthorized,
    AccountUpdated,
    BankPayoutEvidence,
    FundsAvailable,
    PayoutEvidence,
    transfer_evidence,
)

log = structlog.get_logger(__name__)
StripeObject = Mapping[str, Any]
PLATFORM, CONNECT = "platform", "connect"
ORDER_METADATA_KEY = "order"  # metadata of the PaymentIntents we create: the order's public_id


class StripeWebhooks(WebhookProvider):
    provider = "stripe"

    def verify_signature(self, request: WebhookRequest) -> VerifiedSignature:
        secrets = live_secrets()
        if not any(secrets.values()):
            raise WebhookRejected(503, "not_enabled", "Stripe is not configured here")
        header = request.headers.get("stripe-signature", "")
        if not header:
            raise WebhookRejected(400, "missing_signature", "Stripe-Signature is missing")
        for signer, of_signer in secrets.items():
            if stripe.verify_signature(request.raw, header, of_signer):
                return VerifiedSignature(header, signer)
        if any(stripe.verify_signature(request.raw, header, old, tolerance_s=None) for old in secrets.values()):
            raise WebhookRejected(400, "old_signature", "Stripe-Signature is more than 300 s old")
        raise WebhookRejected(400, "wrong_signature", "Stripe-Signature does not match")

    def list_events(self, payload: Any, verified: VerifiedSignature) -> Sequence[IncomingEvent]:
        if not _is_event(payload):
            raise WebhookRejected(400, "bad_body", "body is not a Stripe event")
        expected = CONNECT if payload.get("account") else PLATFORM
        if verified.signer != expected:  # whoever holds one endpoint's secret cannot speak for the other
            raise WebhookRejected(
                400, "wrong_secret", f"events of this kind are signed with the {expected} endpoint's secret"
            )
        return [IncomingEvent(payload["type"], payload["id"], payload)]

    def handle(self, event_type: str, event_id: str, payload: Any) -> EventOutcome:
        if payload.get("livemode") is not settings.STRIPE_LIVEMODE:
            log.warning("stripe_event_of_other_mode", event_id=event_id, livemode=payload.get("livemode"))
            return EventOutcome.IGNORED
        try:
            evidence = read_event(payload)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise Permanent(f"{event_type} is not shaped as documented: {error!r}") from error
        return EventOutcome.IGNORED if evidence is None else _apply_evidence(evidence)

    def warm_up(self) -> None:
        stripe.verify_signature(b"", "", ["none"])


def live_secrets() -> dict[str, list[str]]:
    """The secrets by the endpoint they belong to; any of a list may sign, so that one can be rotated."""
    return {PLATFORM: settings.STRIPE_WEBHOOK_SECRETS, CONNECT: settings.STRIPE_CONNECT_WEBHOOK_SECRETS}


def _is_event(payload: Any) -> bool:
    return (
        isinstance(payload, dict)
        and payload.get("object") == "event"
        and all(isinstance(payload.get(name), str) and 0 < len(payload[name]) <= 100 for name in ("id", "type"))
        and isinstance(payload.get("data"), dict)
        and isinstance(payload["data"].get("object"), dict)
        and isinstance(payload.get("created"), int)
        and isinstance(payload.get("account", ""), str | None)
    )


# ── reading (pure) ───────────────────────────────────────────────────────────────────────────────────────────────
def read_event(event: StripeObject) -> PaymentEvidence | PayoutEvidence | None:
    """The evidence in an event; None for a type that is nobody's business here.

    Raises KeyError, TypeError, ValueError, AttributeError or OverflowError when it is not shaped as documented.
    """
    if reader := _PAYMENTS.get(event["type"]):
        return None if event.get("account") else reader(event, event["data"]["object"])
    return _read_payout_event(event)


def _read_succeeded(event: StripeObject, intent: StripeObject) -> PaymentSucceeded:
    return PaymentSucceeded(
        intent_id=intent["id"],
        amount_minor=int(intent["amount_received"]),
        currency=intent["currency"].upper(),
        charge_id=stripe.object_id(intent.get("latest_charge")),
        **_common_fields(event, intent),
    )


def _read_failed(event: StripeObject, intent: StripeObject) -> PaymentFailed:
    error = intent.get("last_payment_error") or {}
    reason = error.get("message") or error.get("decline_code") or error.get("code") or "The payment failed"
    return PaymentFailed(intent_id=intent["id"], reason=str(reason), **_common_fields(event, intent))


def _read_canceled(event: StripeObject, intent: StripeObject) -> PaymentCanceled:
    return PaymentCanceled(
        intent_id=intent["id"], reason=intent.get("cancellation_reason") or "", **_common_fields(event, intent)
    )


def _read_refunded(event: StripeObject, charge: StripeObject) -> ChargeRefunded | None:
    if not charge.get("payment_intent"):  # a charge made by hand, not by an order
        return None
    return ChargeRefunded(
        intent_id=stripe.object_id(charge["payment_intent"]),
        charge_id=charge["id"],
        amount_minor=int(charge.get("amount_captured", charge["amount"])),
        refunded_minor=int(charge["amount_refunded"]),
        currency=charge["currency"].upper(),
        paid_at=stripe.parse_time(charge["created"]),
        **_common_fields(event, charge),
    )


def _common_fields(event: StripeObject, carrier: StripeObject) -> dict[str, Any]:
    return {
        "order_ref": str((carrier.get("metadata") or {}).get(ORDER_METADATA_KEY) or ""),
        "occurred_at": stripe.parse_time(event["created"]),
        "event_id": event["id"],
    }


_BANK = {"paid": BankPayout.Status.PAID, "failed": BankPayout.Status.FAILED, "canceled": BankPayout.Status.FAILED}


def _read_payout_event(event: StripeObject) -> PayoutEvidence | None:
    kind, obj = event["type"], event["data"]["object"]
    if kind == "account.updated":
        return _read_account(obj, occurred_at=stripe.parse_time(event["created"]), event_id=event["id"])
    if kind == "account.application.deauthorized":
        return AccountDeauthorized(event["account"], stripe.parse_time(event["created"]), event["id"])
    if kind in ("transfer.created", "transfer.updated", "transfer.reversed"):
        return transfer_evidence(stripe.read_transfer(obj), event["id"])
    if kind.startswith("payout.") and event.get("account"):
        return _read_bank_payout(obj, account_id=event["account"], event_id=event["id"])
    if kind == "balance.available" and not event.get("account"):
        funds = {fund["currency"].upper(): int(fund["amount"]) for fund in obj["available"]}
        return FundsAvailable(event["id"], funds)
    return None


def _read_account(account: StripeObject, *, occurred_at: datetime, event_id: str) -> AccountUpdated:
    return AccountUpdated(
        account_id=account["id"],
        charges_enabled=bool(account["charges_enabled"]),
        payouts_enabled=bool(account["payouts_enabled"]),
        requirements=account.get("requirements") or {},
        payee=(account.get("metadata") or {}).get(PAYEE, ""),
        occurred_at=occurred_at,
        event_id=event_id,
    )


def _read_bank_payout(payout: StripeObject, *, account_id: str, event_id: str = "") -> BankPayoutEvidence:
    return BankPayoutEvidence(
        account_id=account_id,
        payout_id=payout["id"],
        amount_minor=int(payout["amount"]),
        currency=payout["currency"].upper(),
        status=_BANK.get(payout["status"], BankPayout.Status.UNDER_WAY),
        made_at=stripe.parse_time(payout["created"]),
        failure=payout.get("failure_message") or payout.get("failure_code") or "",
        event_id=event_id,
    )


_PAYMENTS: dict[str, Callable[[StripeObject, StripeObject], PaymentEvidence | None]] = {
    "payment_intent.succeeded": _read_succeeded,
    "payment_intent.payment_failed": _read_failed,
    "payment_intent.canceled": _read_canceled,
    "charge.refunded": _read_refunded,
}


# ── handing on ───────────────────────────────────────────────────────────────────────────────────────────────────
def _apply_evidence(evidence: PaymentEvidence | PayoutEvidence) -> EventOutcome:
    if isinstance(evidence, PaymentEvidence):
        return payments.apply_payment_event(evidence)
    if isinstance(evidence, AccountUpdated | AccountDeauthorized):
        return connected_accounts.apply_account_event(evidence)
    return runs.apply_stripe_event(evidence)
