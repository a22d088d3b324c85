"""The console's pages of this room (SPEC A3): orders, stores, customers, payments, refunds, and what the POS was told.

The list of orders is filtered and ordered by indexed columns only, and its search box takes exact ids.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from foundation import clock, money
from foundation.console import ReadOnlyAdmin
from orders import (
    actions,
    line_items,
    promised_times,
    selectors,
)
from orders.lifecycle import LIVE
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

PROGRESS = "progress"
AGES = {"1h": ("Last hour", 1), "24h": ("Last 24 hours", 24), "7d": ("Last 7 days", 24 * 7)}


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
    verbs = (
        actions.cancel_order,
        actions.refund_order,
        actions.force_status,
        actions.answer_for_customer,
    )
    readonly_fields = ("items_shown", "substitutions_shown", "timeline_shown")

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
        rows = format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            (
                (clock.format_wire(e.occurred_at), e.name, _describe_facts(e.data), f"{e.actor} {e.cause}")
                for e in found
            ),
        )
        return format_html("<table>{}</table>", rows)


def _describe_facts(data: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in data.items())


@admin.register(Store)
class StoreAdmin(ReadOnlyAdmin):
    list_display = ("name", "slug", "is_available", "pos_kind", "currency", "position_policy", "preparation_minutes")
    list_filter = ("is_available", "pos_kind")
    ordering = ("-id",)
    search_fields = ("slug__exact", "name__startswith")
    exclude = ("pos_callback_token",)  # a credential
    verbs = (
        actions.open_store,
        actions.close_store,
        actions.judge_positions,
    )


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
    verbs = (
        actions.send_again,
        actions.put_aside,
    )


@admin.register(Refund)
class RefundAdmin(WorkAdmin):
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
