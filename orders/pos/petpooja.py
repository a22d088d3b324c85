"""PetPooja, a POS for restaurants, in both directions: we save and cancel orders, it calls back.

Documented at: onlineorderingapisv210.docs.apiary.io (host and versions are configuration: PETPOOJA_API_BASE).
Authentication: app_key, app_secret, access_token in the body of our calls. Callbacks carry no signature at all: they
prove themselves by our unguessable order id, the store's restID, and the store's token where it has one (SPEC W3).
Event id: none; the content is its own id, so a callback that says something new is a new event.
Retries: of its callbacks unpublished. Ours: `save_order` again with the same orderID. That this is the same order there
is not documented, but the orderID is ours and unique, so a second ticket can be told from a second order; losing an
order is worse. So an unknown outcome is simply tried again.
Units: amounts are decimal strings in major units, times are minutes and store-local.
Quirks: failure is HTTP 200 with success "0"; success is a string. 1, 2 and 3 all mean accepted; 4 (dispatched) and 10
(delivered) are not ours to believe and move nothing. Status comes as a number or a string. `clientorderID` when we
cancel, `clientOrderID` in the answers. errorCode GN_… is about our credentials or theirs being down, not this order.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote
from zoneinfo import ZoneInfo

from django.conf import settings

from foundation import http
from foundation.errors import APIError, Invalid, Permanent, Transient, Unknown
from foundation.money import currency_exponent
from orders import line_items
from orders.evidence import PosSignal, PosStatus
from orders.lifecycle import POS_WORDS
from orders.line_items import LineItem
from orders.models import EXTERNAL_ID, EXTERNAL_ID_SHAPE, Order
from orders.pos.base import PosProvider

TIMEOUT_S = 15.0
GENERAL_ERROR = "GN_"
SLUG = re.compile(r"[-a-zA-Z0-9_]{1,60}\Z")
SIGNALS = {
    "-1": PosSignal.CANCELLED,
    "1": PosSignal.ACCEPTED,
    "2": PosSignal.ACCEPTED,
    "3": PosSignal.ACCEPTED,
    "4": PosSignal.IGNORED,
    "5": PosSignal.READY,
    "10": PosSignal.IGNORED,
}
MAX_PREP_MINUTES = 24 * 60


class PetPooja(PosProvider):
    kind: ClassVar[str] = "petpooja"

    def is_enabled(self) -> bool:
        return bool(settings.PETPOOJA_API_BASE and settings.PETPOOJA_APP_KEY)

    def save_order(self, order: Order, *, attempt: int) -> str:
        answer = self._call("V1/save_order", "save_order", order, attempt, save_body(order))
        return str(answer.get("orderID") or "")

    def cancel_order(self, order: Order, *, reason: str, attempt: int) -> None:
        body = {
            "restID": order.store.pos_rest_id,
            "orderID": "",
            "clientorderID": order.public_id,
            "cancelReason": reason,
            "status": "-1",
        }
        self._call("update_order_status", "cancel_order", order, attempt, body)

    def _call(self, path: str, purpose: str, order: Order, attempt: int, body: dict[str, Any]) -> dict[str, Any]:
        if not self.is_enabled():
            raise Transient("PetPooja is not configured (PETPOOJA_API_BASE, PETPOOJA_APP_KEY)")
        answer = http.request_json(
            "POST",
            f"{settings.PETPOOJA_API_BASE.rstrip('/')}/{path}",
            provider=self.kind,
            purpose=purpose,
            reference=f"order:{order.pk}",
            attempt=attempt,
            timeout_s=TIMEOUT_S,
            json={**_credentials_body(), **body},
        )
        return _require_success(answer)


def _credentials_body() -> dict[str, str]:
    return {
        "app_key": settings.PETPOOJA_APP_KEY,
        "app_secret": settings.PETPOOJA_APP_SECRET,
        "access_token": settings.PETPOOJA_ACCESS_TOKEN,
    }


def _require_success(answer: Any) -> dict[str, Any]:
    """The answer if it says success; HTTP 200 says nothing here."""
    success = str(answer.get("success", "")) if isinstance(answer, dict) else ""
    if success == "1":
        return dict(answer)
    if success != "0":
        raise Unknown("an answer that says neither success nor failure", answer=answer)
    code = str(answer.get("errorCode") or "")
    problems = answer.get("validation_errors") or ""
    message = f"{code} {answer.get('message') or ''} {json.dumps(problems) if problems else ''}".strip()
    raise (Transient if code.startswith(GENERAL_ERROR) else Permanent)(message, code=code, answer=answer)


# ── what we send ─────────────────────────────────────────────────────────────────────────────────────────────────
def save_body(order: Order) -> dict[str, Any]:
    """The documented body of save_order, without the credentials."""
    store, items = order.store, line_items.current_items(order)
    return {
        "orderinfo": {
            "OrderInfo": {
                "Restaurant": {
                    "details": {
                        "res_name": store.name,
                        "address": store.address,
                        "contact_information": store.recipient.phone,
                        "restID": store.pos_rest_id,
                    }
                },
                "Customer": {"details": _build_customer(order)},
                "Order": {"details": _build_order(order)},
                "OrderItem": {"details": [_build_item(item, order.currency) for item in items]},
                "Tax": {"details": []},
                "Discount": {"details": []},
            }
        },
        "udid": "",
        "device_type": "Web",
    }


def _build_customer(order: Order) -> dict[str, str]:
    address = order.address_snapshot
    return {
        "email": order.customer.recipient.email,
        "name": order.customer_name or "Customer",
        "address": str(address.get("address") or ""),
        "phone": order.customer_phone,
        "latitude": "" if order.latitude is None else str(order.latitude),
        "longitude": "" if order.longitude is None else str(order.longitude),
    }


def _build_order(order: Order) -> dict[str, Any]:
    local = (order.paid_at or order.created_at).astimezone(ZoneInfo(order.store.time_zone))
    return {
        "orderID": order.public_id,
        "preorder_date": local.strftime("%Y-%m-%d"),
        "preorder_time": local.strftime("%H:%M:%S"),
        "service_charge": "0",
        "sc_tax_amount": "0",
        "delivery_charges": format_major(order.delivery_fee_minor, order.currency),
        "dc_tax_amount": "0",
        "dc_gst_details": [],
        "packing_charges": "0",
        "pc_tax_amount": "0",
        "pc_gst_details": [],
        "order_type": "H",
        "ondc_bap": "",
        "advanced_order": "N",
        "urgent_order": False,
        "urgent_time": 0,
        "payment_type": "ONLINE",
        "table_no": "",
        "no_of_persons": "0",
        "discount_total": "0",
        "discount_type": "F",
        "tax_total": format_major(order.tax_minor, order.currency),
        "total": format_major(order.total_minor, order.currency),
        "description": order.instructions,
        "created_on": local.strftime("%Y-%m-%d %H:%M:%S"),
        "enable_delivery": 0,  # 0: we bring it, 1: the restaurant does
        "min_prep_time": order.store.preparation_minutes,
        "callback_url": callback_url(order),
        "collect_cash": "0",
        "otp": "",
    }


def _build_item(item: LineItem, currency: str) -> dict[str, Any]:
    return {
        "id": item.external_id,
        "name": item.name,
        "gst_liability": "vendor",
        "item_tax": [],
        "item_discount": "0",
        "price": format_major(item.price_minor, currency),
        "final_price": format_major(item.price_minor, currency),
        "quantity": str(item.quantity),
        "description": item.instructions,
        "variation_name": "",
        "variation_id": "",
        "AddonItem": {"details": []},
    }


def callback_url(order: Order) -> str:
    url = f"{settings.PUBLIC_URL}/pp_callback/{order.store.slug}/"
    token = order.store.pos_callback_token
    return f"{url}?token={quote(token, safe='')}" if token else url


def format_major(amount_minor: int, currency: str) -> str:
    """`format_major(1250, "INR") == "12.50"`: exact, by digits."""
    digits = currency_exponent(currency)
    whole, part = divmod(amount_minor, 10**digits)
    return f"{whole}.{part:0{digits}d}" if digits else str(whole)


# ── what it tells us ─────────────────────────────────────────────────────────────────────────────────────────────
def identify_callback(payload: Any) -> tuple[str, str]:
    """(event type, event id) of a callback: the same content is the same event. Raises Invalid as `read_callback`
    does."""
    fields = _require_fields(payload)
    canonical = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:32]
    return f"order.{_read_status(fields)}", f"{_order_ref(fields)}:{_read_status(fields)}:{digest}"


def read_callback(slug: str, payload: Any, *, token: str = "") -> PosStatus:
    """The callback as evidence; `slug` from its URL, `token` from its query or Authorization header.

    Pure. Raises Invalid (400) naming the field: not an object, no orderID, an unknown status.
    """
    if not SLUG.match(slug):
        raise Invalid("is not a restaurant's slug", field="restaurant_slug")
    fields = _require_fields(payload)
    status = _read_status(fields)
    if status not in SIGNALS:
        raise Invalid(f"unknown status {status[:20]!r}", field="status", code="UNKNOWN_STATUS")
    return PosStatus(
        provider=PetPooja.kind,
        store_slug=slug,
        rest_id=_read_text(fields, "restID", 60),
        order_ref=_order_ref(fields),
        event_id=identify_callback(payload)[1],
        news=SIGNALS[status],
        payload=dict(fields),
        token=token,
        reason=_read_text(fields, "cancel_reason", 300),
        prep_minutes=_read_minutes(fields, "minimum_prep_time"),
        rider_name=_read_text(fields, "rider_name", 120),
        rider_phone=_read_text(fields, "rider_phone_number", 20),
        is_modified=_read_text(fields, "is_modified", 10).lower() in ("yes", "1", "true"),
    )


def accepted_body(order: Order, *, message: str = "Order status updated successfully") -> dict[str, Any]:
    """The contract's reply to a callback that was taken."""
    return {
        "success": True,
        "message": message,
        "order_id": order.public_id,
        "new_status": POS_WORDS[order.status],
    }


def refused_body(error: APIError | str, payload: Any) -> dict[str, Any]:
    """The contract's error body; the HTTP status is `problem.status` (400, 401, 404), or 500."""
    order_ref = payload.get("orderID") if isinstance(payload, dict) else None
    if isinstance(error, APIError):
        prefix = f"{error.field}: " if error.field else ""
        message = prefix + error.message
    else:
        message = error
    return {"success": False, "message": message, "order_id": order_ref if isinstance(order_ref, str) else None}


def _require_fields(payload: Any) -> Mapping[str, Any]:
    if not isinstance(payload, dict):
        raise Invalid("must be a JSON object", field="body")
    return payload


def _read_text(fields: Mapping[str, Any], name: str, length: int) -> str:
    """A string or a number as text, cut to what we keep (the whole stands in the payload). "" for anything else."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip()[:length]


def _order_ref(fields: Mapping[str, Any]) -> str:
    ref = _read_text(fields, "orderID", 100)
    if not EXTERNAL_ID_SHAPE.match(ref):
        raise Invalid(str(EXTERNAL_ID.message), field="orderID", code="MALFORMED_ID")
    return ref


def _read_status(fields: Mapping[str, Any]) -> str:
    status = _read_text(fields, "status", 60)
    if not status:
        raise Invalid("is missing", field="status")
    return status


def _read_minutes(fields: Mapping[str, Any], name: str) -> int | None:
    text = _read_text(fields, name, 10)
    minutes = int(text) if text.isascii() and text.isdigit() else 0
    return minutes if 0 < minutes <= MAX_PREP_MINUTES else None
