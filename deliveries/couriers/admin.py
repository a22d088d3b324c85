"""The console's pages about courier companies (SPEC A3, C7-C9): breakers, quotes, and what we asked them.

What companies said and what we called, side by side, is on the delivery's page (`list_calls_and_events`).
"""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from deliveries import actions
from deliveries.couriers import circuit_breaker
from deliveries.models import CircuitBreaker, CourierCall, CourierQuote, Delivery
from foundation import clock, money
from foundation.console import ReadOnlyAdmin, render_table
from foundation.events import subject_of
from foundation.models import Event, OutboundCall


@admin.register(CircuitBreaker)
class BreakerAdmin(ReadOnlyAdmin):
    list_display = ("courier", "state", "failures", "failing_since", "last_success_at", "override", "override_reason")
    ordering = ("courier",)
    verbs = (actions.override_breaker,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[CircuitBreaker]:
        """Also of companies that were never asked, so that they can be overruled."""
        circuit_breaker.make_missing()
        return super().get_queryset(request)


@admin.register(CourierQuote)
class CourierQuoteAdmin(ReadOnlyAdmin):
    list_display = ("delivery", "courier", "outcome", "shown_fee", "arrival_at", "expires_at", "reason", "created_at")
    list_filter = ("courier", "outcome")
    list_select_related = ("delivery",)
    ordering = ("-id",)
    search_fields = ("delivery__external_id__exact",)

    @admin.display(description="fee")
    def shown_fee(self, quote: CourierQuote) -> str:
        return "–" if quote.fee_minor is None else money.format_money(quote.fee_minor, quote.currency)


@admin.register(CourierCall)
class CourierCallAdmin(ReadOnlyAdmin):
    list_display = ("delivery", "courier", "purpose", "state", "retry_count", "due_at", "error_message", "created_at")
    list_filter = ("state", "purpose", "courier")
    list_select_related = ("delivery",)
    ordering = ("-id",)
    search_fields = ("delivery__external_id__exact",)
    verbs = (actions.replay_call,)


def list_calls_and_events(delivery: Delivery) -> SafeString:
    """What we called and what was said, in one list by time."""
    reference = subject_of(delivery)
    calls = OutboundCall.objects.filter(reference=reference).order_by("created_at")[:200]
    events = Event.objects.filter(subject=reference).order_by("recorded_at")[:200]
    lines: list[tuple[Any, ...]] = [
        (
            call.created_at,
            f"{call.purpose}, try {call.attempt}",
            _describe_answer(call),
            f"{call.latency_ms} ms",
            call.error,
        )
        for call in calls
    ]
    lines += [
        (event.recorded_at, event.name, event.cause or event.actor, "", _describe_event(event)) for event in events
    ]
    return render_table(
        ("when", "what", "answer or cause", "took", "said"),
        ((clock.format_wire(line[0]), *line[1:]) for line in sorted(lines, key=lambda line: line[0])),
    )


def _describe_answer(call: OutboundCall) -> str:
    return f"{call.outcome} {call.status_code or ''}".strip()


def _describe_event(event: Event) -> str:
    return ", ".join(f"{name}: {value}" for name, value in event.data.items() if value not in ("", None))


def list_quotes(delivery: Delivery) -> SafeString:
    found = CourierQuote.objects.filter(delivery=delivery).order_by("id")
    return render_table(
        ("asked", "courier", "outcome", "fee", "arrives", "why not"),
        (
            (
                clock.format_wire(q.created_at),
                q.courier,
                q.outcome,
                "–" if q.fee_minor is None else money.format_money(q.fee_minor, q.currency),
                clock.format_wire(q.arrival_at) or "–",
                q.reason,
            )
            for q in found
        ),
    )
