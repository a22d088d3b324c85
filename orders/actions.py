"""The verbs of this room as people use them: who may, with which fields, what was done (foundation/actions.py)."""

from decimal import Decimal

from django import forms
from django.db import transaction

from foundation import money
from foundation.actions import ActionRequest, action
from foundation.errors import IllegalMove, Invalid
from foundation.work import WorkItem, WorkState
from orders import (
    cancellation,
    locks,
    refunds,
    substitution_decisions,
    substitutions,
    transitions,
)
from orders.lifecycle import OrderStatus, SubstitutionPreference
from orders.models import (
    Order,
    Store,
    Substitution,
)
from orders.stores import stores
from orders.substitutions import SubstitutionDecision as Answer

BY_HAND = (
    OrderStatus.STORE_NOTIFIED,
    OrderStatus.CONFIRMED,
    OrderStatus.PICKING_IN_PROGRESS,
    OrderStatus.READY_FOR_PICKUP,
    OrderStatus.CANCELLED,
    OrderStatus.FAILED,
)


def _amount_minor_of(amount: Decimal, currency: str) -> int:
    minor = amount.scaleb(money.currency_exponent(currency))
    if minor != minor.to_integral_value():
        raise Invalid(f"{currency} has no such small unit", field="amount")
    return int(minor)


def _set_available(store: Store, available: bool, decision: ActionRequest) -> str:
    if not stores.set_available(store, available, decision.by, why=decision.reason):
        raise IllegalMove("nothing to change")
    return "takes orders" if available else "takes no orders"


@action(
    "Cancel and refund",
    permission="orders.cancel_order",
    fields={"waive_fee": lambda: forms.BooleanField(required=False, label="Without the cancellation fee")},
)
def cancel_order(order: Order, request: ActionRequest) -> str:
    waive = request.fields["waive_fee"]
    cancellation.cancel_by_person(order.pk, by=request.by, reason=request.reason, waive_fee=waive)
    return "cancelled"


@action(
    "Refund",
    permission="orders.refund_order",
    fields={
        "amount": lambda: forms.DecimalField(
            required=False, min_value=Decimal("0.001"), help_text="In major units; empty: all that is left."
        )
    },
)
def refund_order(order: Order, request: ActionRequest) -> str:
    amount = request.fields["amount"]
    amount_minor = None if amount is None else _amount_minor_of(amount, order.currency)
    refund = refunds.refund_by_person(
        order.pk, amount_minor, by=request.by, reason=request.reason, reference=f"ops:{request.nonce}"
    )
    return f"refund of {money.format_money(refund.amount_minor, refund.currency)} requested"


@action(
    "Set status",
    permission="orders.force_order",
    fields={"to": lambda: forms.ChoiceField(choices=[(s.value, s.label) for s in BY_HAND], label="Status")},
)
def force_status(order: Order, request: ActionRequest) -> str:
    to = OrderStatus(request.fields["to"])
    if to in (OrderStatus.CANCELLED, OrderStatus.FAILED):
        refuse = to == OrderStatus.FAILED
        cancellation.cancel_by_person(order.pk, by=request.by, reason=request.reason, refuse_store=refuse)
    else:
        with transaction.atomic():
            transitions.take_strict_step(locks.lock_order(order.pk), to, by=request.by, why=request.reason)
    return f"set to {to}"


@action(
    "Answer the store's suggestions for the customer",
    permission="orders.cancel_order",
    fields={"answer": lambda: forms.ChoiceField(choices=SubstitutionPreference.choices)},
)
def answer_for_customer(order: Order, request: ActionRequest) -> str:
    waiting, accepted = (
        substitution_decisions.list_undecided(order),
        request.fields["answer"] == SubstitutionPreference.ACCEPT,
    )
    if not waiting:
        raise IllegalMove("nothing waits for an answer")
    answers = [Answer(substitution_id=one.public_id, accepted=accepted) for one in waiting]
    substitutions.decide_substitutions(order.pk, answers, how=Substitution.How.OPS, by=request.by)
    return f"{len(answers)} answered"


@action("Take orders again", permission="orders.change_store")
def open_store(store: Store, request: ActionRequest) -> str:
    return _set_available(store, True, request)


@action("Take no more orders", permission="orders.change_store")
def close_store(store: Store, request: ActionRequest) -> str:
    return _set_available(store, False, request)


@action(
    "Say how positions at pickup and drop-off are judged",
    permission="orders.change_store",
    fields={"policy": lambda: forms.ChoiceField(choices=Store.Positions.choices, widget=forms.RadioSelect)},
)
def judge_positions(store: Store, request: ActionRequest) -> str:
    policy = Store.Positions(request.fields["policy"])
    if not stores.set_position_policy(store, policy, request.by, why=request.reason):
        raise IllegalMove("nothing to change")
    return f"judges positions: {policy}"


@action("Send again", permission="orders.cancel_order")
def send_again(item: WorkItem, request: ActionRequest) -> str:
    if not (item.state == WorkState.DEAD and type(item).replay_rows([item.pk])):
        raise IllegalMove("only a dead row is sent again")
    return "is due again"


@action("Put aside", permission="orders.cancel_order")
def put_aside(item: WorkItem, request: ActionRequest) -> str:
    if not type(item).discard_rows([item.pk], reason=request.reason):
        raise IllegalMove("only a dead row is put aside")
    return "put aside"
