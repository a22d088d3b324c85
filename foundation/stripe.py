"""Stripe: the only importer of its SDK.

Documented at docs.stripe.com/api. Authentication: secret key. Event id: `event.id`. Webhook retries: up to 3 days.
Units: minor units, lower-case currency. Quirks: the SDK invents an idempotency key where none is given, which protects
nothing across restarts, so ours are mandatory; a key is forgotten after a day; a 500 is replayed under its key.

Every call has time-outs, is kept as an OutboundCall, and fails as Permanent, Transient or Unknown. Answers are types of
our own: no room sees the SDK's objects or Stripe's field names.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from django.conf import settings

from foundation.errors import NotEnabled, Permanent, Transient, Unknown
from foundation.http import CallRecord, record_call

if TYPE_CHECKING:
    import stripe

TIMEOUT_S = 20
LOOKUP_PAGE = 100


@dataclass(frozen=True)
class PaymentIntent:
    """`amount_minor` is what shall be paid, `received_minor` what was; `charge_id` is "" until something was."""

    id: str
    status: str
    amount_minor: int
    received_minor: int
    currency: str
    client_secret: str = field(repr=False)
    charge_id: str
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class StripeRefund:
    id: str
    amount_minor: int
    status: str
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class StripeTransfer:
    """`destination` is the id of the connected account; `reversed_minor` of `amount_minor` came back."""

    id: str
    amount_minor: int
    reversed_minor: int
    currency: str
    destination: str
    transfer_group: str
    made_at: datetime
    metadata: Mapping[str, str]


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
            raise _classify_error(error) from error
        call.status_code = 200
        call.answer = answer.to_dict()
        return call.answer


def _classify_error(error: "stripe.StripeError") -> Permanent | Transient | Unknown:
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


# ── reading (pure; raises KeyError, TypeError or ValueError for what is not shaped as documented) ────────────────────
def read_intent(intent: Mapping[str, Any]) -> PaymentIntent:
    return PaymentIntent(
        id=intent["id"],
        status=intent["status"],
        amount_minor=int(intent["amount"]),
        received_minor=int(intent.get("amount_received") or 0),
        currency=intent["currency"].upper(),
        client_secret=intent.get("client_secret") or "",
        charge_id=object_id(intent.get("latest_charge")),
        metadata=intent.get("metadata") or {},
    )


def read_refund(refund: Mapping[str, Any]) -> StripeRefund:
    return StripeRefund(refund["id"], int(refund["amount"]), refund.get("status") or "", refund.get("metadata") or {})


def read_transfer(transfer: Mapping[str, Any]) -> StripeTransfer:
    return StripeTransfer(
        id=transfer["id"],
        amount_minor=int(transfer["amount"]),
        reversed_minor=int(transfer["amount_reversed"]),
        currency=transfer["currency"].upper(),
        destination=object_id(transfer["destination"]),
        transfer_group=transfer.get("transfer_group") or "",
        made_at=parse_time(transfer["created"]),
        metadata=transfer.get("metadata") or {},
    )


def object_id(reference: Any) -> str:
    """The id of another object, which Stripe may have expanded; "" for none."""
    return str((reference["id"] if isinstance(reference, Mapping) else reference) or "")


def parse_time(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


# ── payments ─────────────────────────────────────────────────────────────────────────────────────────────────────
def create_payment_intent(
    *, amount_minor: int, currency: str, metadata: dict[str, str], reference: str, idempotency_key: str
) -> PaymentIntent:
    params: Any = {
        "amount": amount_minor,
        "currency": currency.lower(),
        "metadata": metadata,
        "transfer_group": metadata["order"],
        "automatic_payment_methods": {"enabled": True},
    }
    return read_intent(
        _call(
            "payment_intent.create",
            reference,
            params,
            lambda c: c.v1.payment_intents.create(params=params, options={"idempotency_key": idempotency_key}),
        )
    )


def retrieve_payment_intent(intent_id: str, *, reference: str = "") -> PaymentIntent:
    return read_intent(
        _call("payment_intent.retrieve", reference, None, lambda c: c.v1.payment_intents.retrieve(intent_id))
    )


def cancel_payment_intent(intent_id: str, *, reference: str, idempotency_key: str) -> PaymentIntent:
    return read_intent(
        _call(
            "payment_intent.cancel",
            reference,
            None,
            lambda c: c.v1.payment_intents.cancel(intent_id, options={"idempotency_key": idempotency_key}),
        )
    )


def create_refund(
    *, intent_id: str, amount_minor: int, metadata: dict[str, str], reference: str, idempotency_key: str
) -> StripeRefund:
    params: Any = {"payment_intent": intent_id, "amount": amount_minor, "metadata": metadata}
    return read_refund(
        _call(
            "refund.create",
            reference,
            params,
            lambda c: c.v1.refunds.create(params=params, options={"idempotency_key": idempotency_key}),
        )
    )


def list_refunds(intent_id: str, *, reference: str) -> list[StripeRefund]:
    params: Any = {"payment_intent": intent_id, "limit": LOOKUP_PAGE}
    return [
        read_refund(one)
        for one in _call("refund.list", reference, params, lambda c: c.v1.refunds.list(params=params))["data"]
    ]


# ── connected accounts and transfers ─────────────────────────────────────────────────────────────────────────────
def create_account(*, email: str, country: str, metadata: dict[str, str], idempotency_key: str) -> str:
    """Returns the id of the new account."""
    params: Any = {
        "type": "express",
        "country": country,
        "email": email or None,
        "capabilities": {"transfers": {"requested": True}, "card_payments": {"requested": True}},
        "metadata": metadata,
    }
    params = {key: value for key, value in params.items() if value is not None}
    return str(
        _call(
            "account.create",
            metadata.get("payee", ""),
            params,
            lambda c: c.v1.accounts.create(params=params, options={"idempotency_key": idempotency_key}),
        )["id"]
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
) -> StripeTransfer:
    params: Any = {
        "amount": amount_minor,
        "currency": currency.lower(),
        "destination": destination,
        "transfer_group": transfer_group,
        "metadata": metadata,
    }
    return read_transfer(
        _call(
            "transfer.create",
            reference,
            params,
            lambda c: c.v1.transfers.create(params=params, options={"idempotency_key": idempotency_key}),
        )
    )


def list_transfers(transfer_group: str, *, reference: str) -> list[StripeTransfer]:
    params: Any = {"transfer_group": transfer_group, "limit": LOOKUP_PAGE}
    return [
        read_transfer(one)
        for one in _call("transfer.list", reference, params, lambda c: c.v1.transfers.list(params=params))["data"]
    ]


# ── webhook signatures ───────────────────────────────────────────────────────────────────────────────────────────
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
