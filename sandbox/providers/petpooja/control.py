"""PetPooja's part of the control API, at /_control/petpooja/: kitchen plans and what the POS holds."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from sandbox.engine import runtime
from sandbox.engine.control import body_of, control_view
from sandbox.engine.http import BadRequest, parse_number
from sandbox.engine.provider import Route
from sandbox.providers.petpooja import kitchen


@control_view
def plan_order(request: HttpRequest, order_id: str) -> dict[str, Any]:
    """Any part of a plan, for the order with this storefront id; it may come before save_order."""
    part = _required_part(request)
    with runtime.current_runtime().store.transaction() as tx:
        tx.put(kitchen.PLAN, order_id, {**(tx.get(kitchen.PLAN, order_id) or {}), **part})
        kitchen.change_plan(tx, order_id)
        return kitchen.plan_for(tx, order_id)


@control_view
def plan_default(request: HttpRequest) -> dict[str, Any]:
    """For the orders saved from now on that have no plan of their own."""
    part = _required_part(request)
    with runtime.current_runtime().store.transaction() as tx:
        tx.put(kitchen.PLAN, kitchen.DEFAULT, {**(tx.get(kitchen.PLAN, kitchen.DEFAULT) or {}), **part})
        return kitchen.plan_for(tx, kitchen.DEFAULT)


@control_view
def read_order(request: HttpRequest, order_id: str) -> dict[str, Any]:
    """The order as the POS holds it, with its plan; null before it was saved."""
    with runtime.current_runtime().store.transaction() as tx:
        return {"order": tx.get(kitchen.KIND, order_id), "plan": kitchen.plan_for(tx, order_id)}


def _required_part(request: HttpRequest) -> dict[str, Any]:
    body = body_of(request)
    part: dict[str, Any] = {}
    for name, value in body.items():
        if name not in kitchen.FIRST_PLAN:
            raise BadRequest(name, f"one of {', '.join(kitchen.FIRST_PLAN)}")
        if name in ("accept_after_s", "ready_after_s"):
            part[name] = parse_number(body, name, 0.0)
        elif name == "prep_minutes":
            part[name] = int(parse_number(body, name, 0.0))
        elif not isinstance(value, str):
            raise BadRequest(name, "must be a string")
        else:
            part[name] = value
    if part.get("outcome", "ready") not in kitchen.OUTCOMES:
        raise BadRequest("outcome", f"one of {', '.join(kitchen.OUTCOMES)}")
    return part


ROUTES = (
    Route("PUT", "default", plan_default),
    Route("PUT", "orders/<str:order_id>", plan_order),
    Route("GET", "orders/<str:order_id>", read_order),
)
