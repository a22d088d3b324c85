"""The console's pages of this room (SPEC A3): orders, stores, customers, payments, refunds, and what the POS was told.

The list of orders is filtered and ordered by indexed columns only, and its search box takes exact ids.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from foundation import clock, money
from foundation.console import ActionRequest, ReadOnlyAdmin, has_permission, reasoned_action
from foundation.errors import IllegalMove, Invalid
from foundation.work import WorkItem, WorkState
from orders import (
    cancellation,
    line_items,
    locks,
    promised_times,
    refunds,
    selectors,
    substitution_decisions,
    substitutions,
    transitions,
)
from orders.lifecycle import LIVE, OrderStatus, SubstitutionPreference
from orders.models import (
    Customer,
    IntentCancellation,
    Order,
    Payment,
    PosRelay,
    PreparationTime,
    Refund,
    Store,
    StoreStaff,
    Substitution,
)
from orders.stores import stores
from orders.substitutions import SubstitutionDecision as Answer

PROGRESS = "progress"
AGES = {"1h": ("Last hour", 1), "24h": ("Last 24 hours", 24), "7d": ("Last 7 days", 24 * 7)}
BY_HAND = (
    OrderStatus.STORE_NOTIFIED,
    OrderStatus.CONFIRMED,
    OrderStatus.PICKING_IN_PROGRESS,
    OrderStatus.READY_FOR_PICKUP,
    OrderStatus.CANCELLED,
    OrderStatus.FAILED,
)


NOTES = {line_items.LineState.REPLACED: " (replaced)", line_items.LineState.LEFT_OUT: " (left out)"}


class AgeFilter(SimpleListFilter):
    """By the index on created_at. Nobody asks: the last 24 hours, or all that is under way (few, however old); a search
    looks everywhere."""

    title = "age"
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((key, label) for key, (label, _) in AGES.items()), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        chosen = self.value() or _usual_age(changelist.params)
        for key, label in self.lookup_choices:
            query = changelist.get_query_string({self.parameter_name: key})
            yield {"selected": key == chosen, "query_string": query, "display": label}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        key = self.value() or _usual_age(request.GET)
        if key not in AGES or request.GET.get("q"):
            return queryset
        return queryset.filter(created_at__gte=clock.now() - timedelta(hours=AGES[key][1]))


def _usual_age(asked: Mapping[str, Any]) -> str:
    return "all" if asked.get(PROGRESS) else "24h"


class ProgressFilter(SimpleListFilter):
    """What is under way, and what of it is later than promised or will be; by partial indexes over what is live, and
    shown by what was promised first (OrderAdmin.get_ordering)."""

    title = "progress"
    parameter_name = PROGRESS

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Under way"), ("at_risk", "At risk or late"), ("late", "Late")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "at_risk":
            return queryset & promised_times.at_risk_orders(clock.now())
        if self.value() == "late":
            return queryset & promised_times.late_orders(clock.now())
        return queryset.filter(status__in=LIVE) if self.value() == "open" else queryset


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = (
        "order_id",
        "status",
        "store",
        "promised_shown",
        "expected_shown",
        "minutes_behind",
        "shown_total",
        "shown_refunded",
        "created_at",
        "public_id",
    )
    list_filter = (AgeFilter, ProgressFilter, "status")
    list_select_related = ("store",)
    ordering = ("-created_at",)
    search_fields = ("public_id",)  # shows the box; get_search_results says what it finds
    search_help_text = "An exact id: ours, the storefront's, or the PaymentIntent's"
    actions = ("cancel_order", "refund_order", "force_status", "answer_for_customer")
    readonly_fields = ("items_shown", "substitutions_shown", "timeline_shown")
    has_cancel_permission = has_permission("orders.cancel_order")
    has_refund_permission = has_permission("orders.refund_order")
    has_force_permission = has_permission("orders.force_order")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        text = search_term.strip()
        return (queryset.filter(selectors.matching_orders(text)) if text else queryset), False

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Of what is under way the longest due stands first."""
        return ("promised_at",) if request.GET.get(PROGRESS) else ("-created_at",)

    @admin.display(description="promised")
    def promised_shown(self, order: Order) -> str:
        return f"{order.promised_at:%H:%M}" if order.promised_at else "–"

    @admin.display(description="expected")
    def expected_shown(self, order: Order) -> str:
        return f"{order.eta_at:%H:%M}" if order.eta_at and order.status in LIVE else "–"

    @admin.display(description="behind")
    def minutes_behind(self, order: Order) -> str:
        """How many minutes later than promised it is, or is expected to be."""
        minutes = promised_times.minutes_behind(order, clock.now())
        return f"{minutes} min" if minutes > 0 else ""

    @admin.display(description="total")
    def shown_total(self, order: Order) -> str:
        return money.format_money(order.total_minor, order.currency)

    @admin.display(description="refunded")
    def shown_refunded(self, order: Order) -> str:
        return money.format_money(order.refunded_minor, order.currency) if order.refunded_minor else ""

    @admin.display(description="items")
    def items_shown(self, order: Order) -> SafeString:
        found = (
            (line, money.format_money(line.price_minor, order.currency), NOTES.get(line.state, ""))
            for line in line_items.all_items(order)
        )
        return format_html_join("", "{}, {}{}<br>", found)

    @admin.display(description="substitutions")
    def substitutions_shown(self, order: Order) -> SafeString:
        found = Substitution.objects.filter(order=order).select_related("item")
        return format_html_join(
            "",
            "{}: {}, {}, {} {} {}<br>",
            (
                (
                    one.item,
                    one,
                    money.format_money(one.price_minor, order.currency),
                    one.status,
                    one.how,
                    one.decided_by,
                )
                for one in found
            ),
        )

    @admin.display(description="timeline")
    def timeline_shown(self, order: Order) -> SafeString:
        found = selectors.order_timeline(order)
        told = format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            (
                (clock.format_wire(e.occurred_at), e.name, _describe_facts(e.data), f"{e.actor} {e.cause}")
                for e in found
            ),
        )
        return format_html("<table>{}</table>", told)

    @reasoned_action(
        "Cancel and refund",
        permission="cancel",
        fields={"waive_fee": lambda: forms.BooleanField(required=False, label="Without the cancellation fee")},
    )
    def cancel_order(self, order: Order, decision: ActionRequest) -> str:
        waive = decision.fields["waive_fee"]
        cancellation.by_person(order.pk, by=decision.by, reason=decision.reason, waive_fee=waive)
        return "cancelled"

    @reasoned_action(
        "Refund",
        permission="refund",
        fields={
            "amount": lambda: forms.DecimalField(
                required=False, min_value=Decimal("0.001"), help_text="In major units; empty: all that is left."
            )
        },
    )
    def refund_order(self, order: Order, decision: ActionRequest) -> str:
        amount = decision.fields["amount"]
        amount_minor = None if amount is None else _amount_minor_of(amount, order.currency)
        refund = refunds.by_person(
            order.pk, amount_minor, by=decision.by, reason=decision.reason, reference=f"ops:{decision.nonce}"
        )
        return f"refund of {money.format_money(refund.amount_minor, refund.currency)} requested"

    @reasoned_action(
        "Set status",
        permission="force",
        fields={"to": lambda: forms.ChoiceField(choices=[(s.value, s.label) for s in BY_HAND], label="Status")},
    )
    def force_status(self, order: Order, decision: ActionRequest) -> str:
        to = OrderStatus(decision.fields["to"])
        if to in (OrderStatus.CANCELLED, OrderStatus.FAILED):
            refuse = to == OrderStatus.FAILED
            cancellation.by_person(order.pk, by=decision.by, reason=decision.reason, refuse_store=refuse)
        else:
            with transaction.atomic():
                transitions.take_strict_step(locks.lock_order(order.pk), to, by=decision.by, why=decision.reason)
        return f"set to {to}"

    @reasoned_action(
        "Answer the store's suggestions for the customer",
        permission="cancel",
        fields={"answer": lambda: forms.ChoiceField(choices=SubstitutionPreference.choices)},
    )
    def answer_for_customer(self, order: Order, decision: ActionRequest) -> str:
        waiting, accepted = (
            substitution_decisions.list_undecided(order),
            decision.fields["answer"] == SubstitutionPreference.ACCEPT,
        )
        if not waiting:
            raise IllegalMove("nothing waits for an answer")
        answers = [Answer(substitution_id=one.public_id, accepted=accepted) for one in waiting]
        substitutions.decide_substitutions(order.pk, answers, how=Substitution.How.OPS, by=decision.by)
        return f"{len(answers)} answered"


def _describe_facts(data: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in data.items())


def _amount_minor_of(amount: Decimal, currency: str) -> int:
    minor = amount.scaleb(money.currency_exponent(currency))
    if minor != minor.to_integral_value():
        raise Invalid(f"{currency} has no such small unit", field="amount")
    return int(minor)


@admin.register(Store)
class StoreAdmin(ReadOnlyAdmin):
    list_display = ("name", "slug", "is_available", "pos_kind", "currency", "position_policy", "preparation_minutes")
    list_filter = ("is_available", "pos_kind")
    ordering = ("-id",)
    search_fields = ("slug__exact", "name__startswith")
    exclude = ("pos_callback_token",)  # a credential
    actions = ("open_store", "close_store", "judge_positions")
    has_availability_permission = has_permission("orders.change_store")

    @reasoned_action("Take orders again", permission="availability")
    def open_store(self, store: Store, decision: ActionRequest) -> str:
        return _set_available(store, True, decision)

    @reasoned_action("Take no more orders", permission="availability")
    def close_store(self, store: Store, decision: ActionRequest) -> str:
        return _set_available(store, False, decision)

    @reasoned_action(
        "Say how positions at pickup and drop-off are judged",
        permission="availability",
        fields={"policy": lambda: forms.ChoiceField(choices=Store.Positions.choices, widget=forms.RadioSelect)},
    )
    def judge_positions(self, store: Store, decision: ActionRequest) -> str:
        policy = Store.Positions(decision.fields["policy"])
        if not stores.set_position_policy(store, policy, decision.by, why=decision.reason):
            raise IllegalMove("nothing to change")
        return f"judges positions: {policy}"


def _set_available(store: Store, available: bool, decision: ActionRequest) -> str:
    if not stores.set_available(store, available, decision.by, why=decision.reason):
        raise IllegalMove("nothing to change")
    return "takes orders" if available else "takes no orders"


@admin.register(StoreStaff)
class StoreStaffAdmin(ReadOnlyAdmin):
    list_display = ("user", "store")
    list_select_related = ("user", "store")
    ordering = ("-id",)


@admin.register(Customer)
class CustomerAdmin(ReadOnlyAdmin):
    list_display = ("external_id", "storefront", "recipient")
    list_select_related = ("storefront", "recipient")
    ordering = ("-id",)
    search_fields = ("external_id__exact",)


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = ("stripe_payment_intent", "order", "amount_minor", "refunded_minor", "currency", "paid_at")
    list_select_related = ("order",)
    ordering = ("-id",)
    search_fields = ("stripe_payment_intent__exact",)


class WorkAdmin(ReadOnlyAdmin):
    """Rows that are sent to a provider. Dead ones can be sent again, or put aside."""

    list_filter = ("state",)
    list_select_related = ("order",)
    ordering = ("-id",)
    actions = ("send_again", "put_aside")
    has_resend_permission = has_permission("orders.cancel_order")

    @reasoned_action("Send again", permission="resend")
    def send_again(self, item: WorkItem, decision: ActionRequest) -> str:
        if not (item.state == WorkState.DEAD and type(item).replay_rows([item.pk])):
            raise IllegalMove("only a dead row is sent again")
        return "is due again"

    @reasoned_action("Put aside", permission="resend")
    def put_aside(self, item: WorkItem, decision: ActionRequest) -> str:
        if not type(item).discard_rows([item.pk], reason=decision.reason):
            raise IllegalMove("only a dead row is put aside")
        return "put aside"


@admin.register(Refund)
class RefundAdmin(WorkAdmin):
    has_resend_permission = has_permission("orders.refund_order")
    list_display = ("order", "amount_minor", "currency", "reference", "state", "due_at", "stripe_refund", "reason")


@admin.register(PosRelay)
class PosRelayAdmin(WorkAdmin):
    list_display = ("order", "kind", "state", "retry_count", "due_at", "error_message")


@admin.register(IntentCancellation)
class IntentCancellationAdmin(WorkAdmin):
    list_display = ("order", "state", "retry_count", "due_at", "error_message")


@admin.register(PreparationTime)
class PreparationTimeAdmin(ReadOnlyAdmin):
    """What was learned last night; `slot` is the hour of the store's day, from 24 on at the weekend."""

    list_display = ("store", "slot", "minutes", "orders", "configured_minutes", "learned_at")
    list_select_related = ("store",)
    ordering = ("-id",)
    search_fields = ("store__slug__exact",)
