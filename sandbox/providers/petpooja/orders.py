"""What PetPooja answers: save_order, update_order_status (cancel only), rider_status_update.

A business failure is HTTP 200 with success "0", a message, an errorCode and validation_errors. success is a string;
rider_status_update alone says "success". A cancel asks with `clientorderID` and answers with `clientOrderID`.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.http import json_answer, json_object
from sandbox.providers.petpooja import kitchen
from sandbox.providers.petpooja.kitchen import KIND

ORDER_FIELDS = (
    "orderID",
    "preorder_date",
    "preorder_time",
    "order_type",
    "payment_type",
    "total",
    "created_on",
    "callback_url",
)
ITEM_FIELDS = ("name", "price", "final_price", "quantity")
ORDER_TYPES = ("H", "P", "D")  # home delivery, parcel, dine in
RIDER_STATUSES = ("rider-assigned", "rider-arrived", "pickedup", "delivered")
AMOUNTS = ("total", "tax_total", "delivery_charges", "packing_charges", "discount_total", "service_charge")


def error_response(code: str, message: str, errors: dict[str, str] | None = None) -> HttpResponse:
    return json_answer({"success": "0", "message": message, "errorCode": code, "validation_errors": errors or ""})


def save_order(request: HttpRequest) -> HttpResponse:
    """Takes the order and lets the kitchen begin. The same orderID again is the same order, whatever it holds."""
    body = json_object(request) or {}
    parts, problems = _read_order(body)
    if problems:
        return error_response("SO_105", "Invalid order relay payload", problems)
    details, rest_id = parts["Order"], str(parts["Restaurant"]["restID"])
    now = runtime.current_runtime()
    with now.store.transaction() as tx:
        order = tx.get(KIND, str(details["orderID"]))
        if order is not None:
            order["times_saved"] += 1
            tx.put(KIND, order["clientOrderID"], order)
            return _saved_response(order)
        plan = kitchen.plan_for(tx, str(details["orderID"]))
        if plan["outcome"] == "refuse":
            return error_response("SO_105", plan["cancel_reason"] or "Restaurant is not accepting orders")
        tx.count_up("petpooja/orders", 1)
        order = {
            "orderID": str(tx.list_counters("petpooja/")["orders"]),
            "clientOrderID": str(details["orderID"]),
            "restID": rest_id,
            "callback_url": details["callback_url"],
            "total": str(details["total"]),
            "items": parts["OrderItem"],
            "customer": parts["Customer"],
            "state": kitchen.SAVED,
            "saved_at": tx.now,
            "times_saved": 1,
            "rider": "",
        }
        tx.put(KIND, order["clientOrderID"], order)
        kitchen.begin_plan(tx, order, plan)
    return _saved_response(order)


def update_order_status(request: HttpRequest) -> HttpResponse:
    """The storefront cancels: the kitchen stops. Only status -1 exists; restID is echoed, not checked."""
    body = json_object(request) or {}
    client_id = str(body.get("clientorderID") or "")
    if str(body.get("status")) != "-1":
        return error_response("SO_105", "Invalid status", {"status": "only -1 is accepted"})
    now = runtime.current_runtime()
    with now.store.transaction() as tx:
        order = tx.get(KIND, client_id)
        if order is None:
            return error_response("SO_105", "Order not found", {"clientorderID": "unknown"})
        now.dispatcher.cancel_actions(tx, "petpooja", client_id)
        order |= {"state": kitchen.CANCELLED, "cancel_reason": str(body.get("cancelReason") or "")}
        tx.put(KIND, client_id, order)
    return json_answer(
        {
            "success": "1",
            "message": "Order status updated successfully.",
            "restID": body.get("restID", ""),
            "clientOrderID": client_id,
        }
    )


def rider_status_update(request: HttpRequest) -> HttpResponse:
    """Tells the counter how far our rider is."""
    body = json_object(request) or {}
    status, client_id = body.get("status"), str(body.get("order_id") or "")
    if status not in RIDER_STATUSES:
        return json_answer({"success": "failed", "message": "Invalid status", "code": 400})
    with runtime.current_runtime().store.transaction() as tx:
        order = tx.get(KIND, client_id)
        if order is None:
            return json_answer({"success": "failed", "message": "Order not found", "code": 400})
        tx.put(KIND, client_id, order | {"rider": status, "rider_data": body.get("rider_data") or {}})
    return json_answer({"success": "success", "message": "Your request was received successfully", "code": 200})


def _saved_response(order: dict[str, Any]) -> HttpResponse:
    return json_answer(
        {
            "success": "1",
            "message": "Your order is saved.",
            "restID": order["restID"],
            "clientOrderID": order["clientOrderID"],
            "orderID": order["orderID"],
        }
    )


def _read_order(body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The parts under orderinfo.OrderInfo.<part>.details, and what is wrong with them by field."""
    info = body.get("orderinfo")
    info = info.get("OrderInfo") if isinstance(info, dict) else None
    parts: dict[str, Any] = {}
    for name, shape in (("Restaurant", dict), ("Customer", dict), ("Order", dict), ("OrderItem", list)):
        part = info.get(name) if isinstance(info, dict) else None
        details = part.get("details") if isinstance(part, dict) else None
        if not isinstance(details, shape):
            return {}, {name: "missing"}
        parts[name] = details
    problems = _missing_fields("Restaurant", parts["Restaurant"], ("restID", "res_name"))
    problems |= _missing_fields("Customer", parts["Customer"], ("name",))
    problems |= _missing_fields("Order", parts["Order"], ORDER_FIELDS)
    if not body.get("device_type"):
        problems["device_type"] = "required"
    problems |= _wrong_in_order(parts["Order"])
    if not parts["OrderItem"]:
        problems["OrderItem"] = "at least one item"
    for number, item in enumerate(parts["OrderItem"]):
        where = f"OrderItem[{number}]"
        problems |= (
            _missing_fields(where, item, ITEM_FIELDS) if isinstance(item, dict) else {where: "must be an object"}
        )
    return parts, problems


def _wrong_in_order(order: dict[str, Any]) -> dict[str, str]:
    problems = {}
    if order.get("order_type") not in ORDER_TYPES:
        problems["Order.order_type"] = f"one of {', '.join(ORDER_TYPES)}"
    url = urlsplit(str(order.get("callback_url") or ""))
    if url.scheme not in ("http", "https") or not url.netloc:
        problems["Order.callback_url"] = "must be an http(s) URL"
    for name in AMOUNTS:
        try:
            Decimal(str(order.get(name) or "0"))
        except InvalidOperation:
            problems[f"Order.{name}"] = "must be a number"
    return problems


def _missing_fields(where: str, details: dict[str, Any], fields: tuple[str, ...]) -> dict[str, str]:
    return {f"{where}.{field}": "required" for field in fields if details.get(field) in (None, "")}
