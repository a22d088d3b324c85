"""Stripe: the only importer of its SDK.

Documented at docs.stripe.com/api. Authentication: secret key. Event id: `event.id`. Webhook retries: up to 3 days.
Units: minor units, lower-case currency. Quirks: the SDK invents an idempotency key where none is given, which protects
nothing across restarts, so ours are mandatory; a key is forgotten after a day; a 500 is replayed under its key.

Every call has time-outs, is kept as an OutboundCall, and fails as Permanent, Transient or Unknown.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from django.conf import settings

from foundation.errors import NotEnabled, Permanent, Transient, Unknown
from foundation.http import CallRecord, record_call

if TYPE_CHECKING:
    import stripe

TIMEOUT_S = 20
LOOKUP_PAGE = 100


def is_enabled() -> bool:
    return bool(settings.STRIPE_SECRET_KEY)


@cache
def _build_client(key: str, base: str) -> "stripe.StripeClient":
    import stripe

    return stripe.StripeClient(
        key,
        base_addresses={"api": base},
        http_client=stripe.RequestsClient(timeout=TIMEOUT_S),
        max_network_retries=0,  # retries are rows of ours, with a schedule, not sleeps inside a call
    )


def get_client() -> "stripe.StripeClient":
    """Raises NotEnabled when no key is configured."""
    if not is_enabled():
        raise NotEnabled("Stripe is not configured (STRIPE_SECRET_KEY)")
    return _build_client(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE)


def _call(purpose: str, reference: str, request: Any, send: Callable[["stripe.StripeClient"], Any]) -> dict[str, Any]:
    """Make one SDK call; answers come back as plain dicts, errors as what may be concluded."""
    import stripe

    with record_call(CallRecord("stripe", purpose, reference, url=settings.STRIPE_API_BASE, request=request)) as call:
        try:
            answer = send(get_client())
        except stripe.APIConnectionError as error:
            unreached = "NewConnectionError" in repr(error.__cause__) or "Failed to establish" in str(error)
            raise (Transient if unreached else Unknown)(f"no answer: {error.user_message}") from error
        except stripe.StripeError as error:
            call.status_code, call.answer = error.http_status, error.json_body
            raise _conclude_error(error) from error
        call.status_code = 200
        call.answer = answer.to_dict()
        return call.answer


def _conclude_error(error: "stripe.StripeError") -> Permanent | Transient | Unknown:
    import stripe

    code = error.code or ""
    status = error.http_status or 0
    message = f"{status} {code}: {error.user_message}"
    if status == 401:  # our key is wrong or was revoked: nothing was done, and somebody will mend it
        return Transient(message, code=code)
    if isinstance(error, stripe.IdempotencyError) and status == 400:  # the key was used before, with other parameters
        return Unknown(message, code=code)
    if status in (409, 429) or code == "lock_timeout":  # a request with this key is under way, or too many: not done
        return Transient(message, code=code)
    if status >= 500 or status == 0:
        return Unknown(message, code=code, answer=(error.json_body or {}) if status else None)
    return Permanent(message, code=code, answer=error.json_body)


# ── payments ─────────────────────────────────────────────────────────────────────────────────────────────────────
def create_payment_intent(
    *, amount_minor: int, currency: str, metadata: dict[str, str], reference: str, idempotency_key: str
) -> dict[str, Any]:
    params: Any = {
        "amount": amount_minor,
        "currency": currency.lower(),
        "metadata": metadata,
        "transfer_group": metadata["order"],
        "automatic_payment_methods": {"enabled": True},
    }
    return _call(
        "payment_intent.create",
        reference,
        params,
        lambda c: c.v1.payment_intents.create(params=params, options={"idempotency_key": idempotency_key}),
    )


def retrieve_payment_intent(intent_id: str, *, reference: str = "") -> dict[str, Any]:
    return _call("payment_intent.retrieve", reference, None, lambda c: c.v1.payment_intents.retrieve(intent_id))


def cancel_payment_intent(intent_id: str, *, reference: str, idempotency_key: str) -> dict[str, Any]:
    return _call(
        "payment_intent.cancel",
        reference,
        None,
        lambda c: c.v1.payment_intents.cancel(intent_id, options={"idempotency_key": idempotency_key}),
    )


def create_refund(
    *, intent_id: str, amount_minor: int, metadata: dict[str, str], reference: str, idempotency_key: str
) -> dict[str, Any]:
    params: Any = {"payment_intent": intent_id, "amount": amount_minor, "metadata": metadata}
    return _call(
        "refund.create",
        reference,
        params,
        lambda c: c.v1.refunds.create(params=params, options={"idempotency_key": idempotency_key}),
    )


def list_refunds(intent_id: str, *, reference: str) -> list[dict[str, Any]]:
    params: Any = {"payment_intent": intent_id, "limit": LOOKUP_PAGE}
    return list(_call("refund.list", reference, params, lambda c: c.v1.refunds.list(params=params))["data"])


# ── connected accounts and transfers ─────────────────────────────────────────────────────────────────────────────
def create_account(*, email: str, country: str, metadata: dict[str, str], idempotency_key: str) -> dict[str, Any]:
    params: Any = {
        "type": "express",
        "country": country,
        "email": email or None,
        "capabilities": {"transfers": {"requested": True}, "card_payments": {"requested": True}},
        "metadata": metadata,
    }
    params = {key: value for key, value in params.items() if value is not None}
    return _call(
        "account.create",
        metadata.get("payee", ""),
        params,
        lambda c: c.v1.accounts.create(params=params, options={"idempotency_key": idempotency_key}),
    )


def create_transfer(
    *,
    amount_minor: int,
    currency: str,
    destination: str,
    transfer_group: str,
    metadata: dict[str, str],
    reference: str,
    idempotency_key: str,
) -> dict[str, Any]:
    params: Any = {
        "amount": amount_minor,
        "currency": currency.lower(),
        "destination": destination,
        "transfer_group": transfer_group,
        "metadata": metadata,
    }
    return _call(
        "transfer.create",
        reference,
        params,
        lambda c: c.v1.transfers.create(params=params, options={"idempotency_key": idempotency_key}),
    )


def list_transfers(transfer_group: str, *, reference: str) -> list[dict[str, Any]]:
    params: Any = {"transfer_group": transfer_group, "limit": LOOKUP_PAGE}
    return list(_call("transfer.list", reference, params, lambda c: c.v1.transfers.list(params=params))["data"])


# ── the door ─────────────────────────────────────────────────────────────────────────────────────────────────────
@cache
def _get_verifier() -> tuple[Callable[..., bool], type[Exception]]:
    """Looked up once: the SDK finds its names anew at every access, which took longer than the check itself."""
    from stripe import SignatureVerificationError, WebhookSignature

    return WebhookSignature.verify_header, SignatureVerificationError


def verify_signature(raw: bytes, header: str, secrets: Sequence[str], *, tolerance_s: int | None = 300) -> bool:
    """Whether one of the live secrets signed these bytes, not more than `tolerance_s` ago (SPEC W1; None: whenever)."""
    verify_header, wrong = _get_verifier()
    if not header.isascii():  # the SDK compares text, which Python refuses to do beyond ASCII
        return False
    for secret in secrets:
        try:
            if verify_header(raw, header, secret, tolerance_s):
                return True
        except (wrong, UnicodeDecodeError):
            continue
    return False
