"""The console's pages of this room (SPEC A3): deliveries (the failed ones above all), offers, decisions, fraud flags.

"Why not Ravi?" is answered by the decision: every rider around with what spoke for or against them.
"""

from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from deliveries import actions
from deliveries.couriers import admin as couriers_admin
from deliveries.eta import admin as eta_admin
from deliveries.lifecycle import LIVE, DeliveryStatus
from deliveries.models import CourierJob, Delivery, DispatchDecision, FraudFlag, Offer
from deliveries.tracking import admin as tracking_admin
from foundation import money
from foundation.console import ReadOnlyAdmin, render_table

__all__ = ["eta_admin", "tracking_admin"]  # their pages register themselves


class QueueFilter(SimpleListFilter):
    """What is to be done: nobody asks for all deliveries there ever were."""

    title = "queue"
    parameter_name = "queue"
    queues = {
        "live": ("Under way", [str(status) for status in LIVE]),
        "failed": ("Failed", [str(DeliveryStatus.FAILED)]),
        "searching": ("Looking for a carrier", [str(DeliveryStatus.SEARCHING)]),
        "with_courier": ("Asked of a courier company", [str(DeliveryStatus.REQUESTED)]),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(key, label) for key, (label, _) in self.queues.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.queues.get(self.value() or "")
        return queryset.filter(status__in=chosen[1]) if chosen else queryset


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = (
        "external_id",
        "status",
        "shown_order",
        "shown_store",
        "courier",
        "rider",
        "attempt",
        "end_reason",
        "created_at",
    )
    list_filter = (QueueFilter, "status", "courier")
    list_select_related = ("order__store", "rider")
    ordering = ("-created_at",)
    search_fields = ("external_id",)
    search_help_text = "An order's id (ours), a delivery's external id, ext:<a courier's id>, or rider:<phone>"
    verbs = (
        actions.try_again,
        actions.send_to_courier,
        actions.stop_courier,
        actions.decide_stop,
        actions.search_again,
        actions.refund_customer,
        actions.close_delivery,
        actions.give_up,
        actions.confirm_delivered,
    )
    readonly_fields = (
        "courier_job_shown",
        "decisions_explained",
        "offers_made",
        "quotes_given",
        "calls_and_events",
        "fraud_flags",
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        """By indexed columns only."""
        text = search_term.strip()
        if not text:
            return queryset, False
        if text.startswith("rider:"):
            return queryset.filter(rider__phone=text.removeprefix("rider:")), False
        if text.startswith("ext:"):
            return queryset.filter(courier_job__reference=text.removeprefix("ext:")), False
        by_order, by_courier = queryset.filter(order__public_id=text), queryset.filter(external_id=text)
        return (by_order if by_order.exists() else by_courier), False

    @admin.display(description="order")
    def shown_order(self, delivery: Delivery) -> str:
        return delivery.order.order_id

    @admin.display(description="store")
    def shown_store(self, delivery: Delivery) -> str:
        return delivery.order.store.name

    @admin.display(description="courier company's job")
    def courier_job_shown(self, delivery: Delivery) -> SafeString | str:
        """Every column of it by its own name, where a company carries it."""
        job = CourierJob.objects.filter(delivery=delivery).select_related("quote", "stop_decided_by").first()
        if job is None:
            return "none: our own riders carry it"
        fields = [field for field in job._meta.fields if field.name != "delivery"]
        values = ((field, getattr(job, field.name)) for field in fields)
        rows = ((f.verbose_name, "–" if value in ("", None, {}) else value, f.help_text) for f, value in values)
        return render_table(("what", "value", "means"), rows)

    @admin.display(description="decisions")
    def decisions_explained(self, delivery: Delivery) -> SafeString:
        decisions = DispatchDecision.objects.filter(delivery=delivery).order_by("-pk")[:20]
        return format_html_join("", "<p>{} {}</p>{}", ((d.created_at, d, explain_decision(d)) for d in decisions))

    @admin.display(description="offers")
    def offers_made(self, delivery: Delivery) -> SafeString:
        offers = Offer.objects.filter(delivery=delivery).select_related("rider").order_by("created_at")
        lines = ((o.created_at, o.rider.name, o.status, f"{o.distance_m} m", o.reason) for o in offers)
        return render_table(("made", "rider", "outcome", "distance", "reason"), lines)

    @admin.display(description="quotes")
    def quotes_given(self, delivery: Delivery) -> SafeString:
        return couriers_admin.list_quotes(delivery)

    @admin.display(description="calls and events")
    def calls_and_events(self, delivery: Delivery) -> SafeString:
        return couriers_admin.list_calls_and_events(delivery)

    @admin.display(description="fraud flags")
    def fraud_flags(self, delivery: Delivery) -> SafeString:
        found = FraudFlag.objects.filter(delivery=delivery).order_by("created_at")
        return render_table(("raised", "kind", "status"), ((f.created_at, f.kind, f.status) for f in found))


@admin.register(FraudFlag)
class FraudFlagAdmin(ReadOnlyAdmin):
    list_display = (
        "kind",
        "status",
        "rider",
        "shown_order",
        "count_sightings",
        "created_at",
        "decided_by",
        "decision_note",
    )
    list_filter = ("status", "kind")
    list_select_related = ("rider", "delivery__order", "decided_by")
    ordering = ("-created_at",)
    verbs = (
        actions.uphold_flag,
        actions.dismiss_flag,
        actions.suspend_rider,
        actions.reinstate_rider,
    )
    readonly_fields = ("evidence_shown",)
    exclude = ("evidence",)

    @admin.display(description="order")
    def shown_order(self, flag: FraudFlag) -> str:
        return flag.delivery.order.order_id if flag.delivery else "–"

    @admin.display(description="sightings")
    def count_sightings(self, flag: FraudFlag) -> int:
        return int(flag.evidence.get("count", 0))

    @admin.display(description="evidence")
    def evidence_shown(self, flag: FraudFlag) -> SafeString:
        sightings = flag.evidence.get("sightings", [])
        heads = tuple(dict.fromkeys(name for sighting in sightings for name in sighting))
        return render_table(heads, (tuple(str(sighting.get(name, "")) for name in heads) for sighting in sightings))


@admin.register(Offer)
class OfferAdmin(ReadOnlyAdmin):
    list_display = ("delivery", "rider", "status", "distance_m", "fee_minor", "reason", "created_at", "decided_at")
    list_select_related = ("delivery", "rider")
    list_filter = ("status",)
    ordering = ("-id",)
    search_fields = ("delivery__external_id__exact",)


@admin.register(DispatchDecision)
class DecisionAdmin(ReadOnlyAdmin):
    list_display = ("delivery", "outcome", "reason", "radius_m", "created_at")
    list_select_related = ("delivery",)
    list_filter = ("outcome",)
    ordering = ("-id",)
    search_fields = ("delivery__external_id__exact",)
    exclude = ("candidates", "exclusions", "couriers")
    readonly_fields = ("decision_explained",)

    @admin.display(description="why")
    def decision_explained(self, decision: DispatchDecision) -> SafeString:
        return explain_decision(decision)


def explain_decision(decision: DispatchDecision) -> SafeString:
    """Every rider who was looked at, best first, and what spoke for or against them."""
    heads = tuple(dict.fromkeys(name for candidate in decision.candidates for name in candidate))
    rows = (tuple(str(candidate.get(name, "")) for name in heads) for candidate in decision.candidates)
    counts = ", ".join(f"{reason}: {count}" for reason, count in decision.exclusions.items())
    companies = render_table(
        ("courier", "verdict", "fee", "arrives"),
        ((one["courier"], one["verdict"], _format_fee(one), one["arrival_at"] or "–") for one in decision.couriers),
    )
    return format_html("{}<p>{}</p>{}", render_table(heads, rows), counts, companies if decision.couriers else "")


def _format_fee(weighed: dict[str, Any]) -> str:
    return "–" if weighed["fee_minor"] is None else money.format_money(weighed["fee_minor"], weighed["currency"])
