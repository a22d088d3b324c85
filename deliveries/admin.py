"""The console's pages of this room (SPEC A3): deliveries (the failed ones above all), offers, decisions, fraud flags.

"Why not Ravi?" is answered by the decision: every rider around with what spoke for or against them.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from deliveries.couriers import admin as couriers_admin
from deliveries.couriers import cancellation, providers
from deliveries.eta import admin as eta_admin
from deliveries.fraud import flags
from deliveries.fulfilment import ops_actions
from deliveries.lifecycle import LIVE, DeliveryStatus
from deliveries.models import Delivery, DispatchDecision, FraudFlag, Offer
from deliveries.tracking import admin as tracking_admin
from foundation import money
from foundation.console import ActionRequest as Decided
from foundation.console import ReadOnlyAdmin, has_permission, reasoned_action, render_table
from foundation.errors import Conflict
from foundation.models import User
from riders import riders

__all__ = ["eta_admin", "tracking_admin"]  # their pages register themselves

STOP_CHOICES = [
    (cancellation.KEEP, "Keep it: the courier carries it after all"),
    (cancellation.DOUBLE_COST, "Pay for two: somebody else is sent as well"),
]


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
    actions = (
        "try_again",
        "send_to_courier",
        "stop_courier",
        "decide_stop",
        "search_again",
        "refund_customer",
        "close_delivery",
        "give_up",
        "confirm_delivered",
    )
    readonly_fields = ("decisions_explained", "offers_made", "quotes_given", "calls_and_events", "fraud_flags")
    has_reassign_permission = has_permission("deliveries.reassign_delivery")
    has_refund_permission = has_permission("orders.refund_order")
    has_decide_permission = has_permission("deliveries.decide_delivery")

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

    # ── failed ───────────────────────────────────────────────────────────────────────────────────────────────
    @reasoned_action("Try again with another rider", permission="reassign")
    def try_again(self, delivery: Delivery, decided: Decided) -> str:
        _require_status(delivery, DeliveryStatus.FAILED)
        return f"attempt {ops_actions.try_again(delivery.order_id, by=decided.by).attempt} looks for a rider"

    @reasoned_action(
        "Send to a courier company",
        permission="reassign",
        fields={
            "courier": lambda: forms.ChoiceField(choices=[(c.name, c.title) for c in providers.enabled_providers()])
        },
    )
    def send_to_courier(self, delivery: Delivery, decided: Decided) -> str:
        sent = ops_actions.send_to(delivery.order_id, decided.fields["courier"], decided.reason, by=decided.by)
        return f"{sent.courier} is asked as attempt {sent.attempt}"

    @reasoned_action("Refund the customer now", permission="refund")
    def refund_customer(self, delivery: Delivery, decided: Decided) -> str:
        refund = ops_actions.refund_now(delivery.order_id, decided.reason, by=decided.by)
        return f"refund of {money.format_money(refund.amount_minor, refund.currency)} requested"

    @reasoned_action("Close: nothing more to do", permission="reassign")
    def close_delivery(self, delivery: Delivery, decided: Decided) -> str:
        ops_actions.close_delivery(delivery.order_id, decided.reason, by=decided.by)
        return "closed"

    # ── under way ────────────────────────────────────────────────────────────────────────────────────────────
    @reasoned_action("Take away from the rider and look again", permission="reassign")
    def search_again(self, delivery: Delivery, decided: Decided) -> str:
        ops_actions.take_away(delivery.order_id, decided.reason, by=decided.by)
        return "looks for another rider"

    @reasoned_action("Have the courier company stop, and look again", permission="reassign")
    def stop_courier(self, delivery: Delivery, decided: Decided) -> str:
        return f"{ops_actions.stop_courier(delivery.order_id, decided.reason, by=decided.by).courier} is asked to stop"

    @reasoned_action(
        "The courier will not stop: decide",
        permission="decide",
        fields={"choice": lambda: forms.ChoiceField(choices=STOP_CHOICES, widget=forms.RadioSelect)},
    )
    def decide_stop(self, delivery: Delivery, decided: Decided) -> str:
        user = User.objects.get(pk=int(decided.by.actor.partition(":")[2]))
        ops_actions.decide_stop(delivery.order_id, decided.fields["choice"], user, by=decided.by)
        return dict(STOP_CHOICES)[decided.fields["choice"]]

    @reasoned_action("Give up: delivery failed", permission="decide")
    def give_up(self, delivery: Delivery, decided: Decided) -> str:
        ops_actions.fail_delivery(delivery.order_id, decided.reason, by=decided.by)
        return "failed"

    @reasoned_action("Confirm: it was delivered", permission="decide")
    def confirm_delivered(self, delivery: Delivery, decided: Decided) -> str:
        ops_actions.confirm_delivery(delivery.order_id, decided.reason, by=decided.by)
        return "delivered"


def _require_status(delivery: Delivery, status: DeliveryStatus) -> None:
    if delivery.status != status:
        raise Conflict(f"it is {delivery.status}, not {status}")


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
    actions = ("uphold_flag", "dismiss_flag", "suspend_rider", "reinstate_rider")
    readonly_fields = ("evidence_shown",)
    exclude = ("evidence",)
    has_decide_permission = has_permission("deliveries.decide_fraudflag")
    has_stand_permission = has_permission("riders.stand_rider")

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

    @reasoned_action("Uphold: it was fraud, the earning stays held", permission="decide")
    def uphold_flag(self, flag: FraudFlag, decided: Decided) -> str:
        flags.uphold_flag(flag, by=decided.by, note=decided.reason)
        return "upheld"

    @reasoned_action("Dismiss: the earning is free", permission="decide")
    def dismiss_flag(self, flag: FraudFlag, decided: Decided) -> str:
        flags.dismiss_flag(flag, by=decided.by, note=decided.reason)
        return "dismissed"

    @reasoned_action("Suspend the rider", permission="stand")
    def suspend_rider(self, flag: FraudFlag, decided: Decided) -> str:
        riders.suspend_rider(flag.rider_id, decided.reason, by=decided.by)
        return f"{flag.rider.name} is suspended"

    @reasoned_action("Reinstate the rider", permission="stand")
    def reinstate_rider(self, flag: FraudFlag, decided: Decided) -> str:
        riders.reinstate_rider(flag.rider_id, by=decided.by, note=decided.reason)
        return f"{flag.rider.name} is reinstated"


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
