"""The console's pages of this room (SPEC A3, W4, W8): what providers told us, dead letters first, and who asked in
vain."""

import json
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from foundation import clock
from foundation.console import ReadOnlyAdmin
from foundation.work import WorkState
from webhooks import actions, registry, replay, selectors
from webhooks.intake import UNKNOWN
from webhooks.models import WebhookAttempt, WebhookEvent

DAY = timedelta(hours=24)


class AgeFilter(SimpleListFilter):
    """By the index on created_at. Nobody asks: the last 24 hours; who asks for a state or an id looks everywhere."""

    title = "age"
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("all", "All")]

    def choices(self, changelist: Any) -> Any:
        everything = {"selected": self.value() == "all", "display": "All"}
        day = {"selected": self.value() != "all", "display": "Last 24 hours"}
        yield {**day, "query_string": changelist.get_query_string(remove=[self.parameter_name])}
        yield {**everything, "query_string": changelist.get_query_string({self.parameter_name: "all"})}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "all" or request.GET.get("q") or "state__exact" in request.GET:
            return queryset
        return queryset.filter(created_at__gte=clock.now() - DAY)


class ProviderFilter(SimpleListFilter):
    """The providers we know, without asking the table which it holds."""

    title = "provider"
    parameter_name = "provider__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in (*sorted(registry.event_readers()), UNKNOWN)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(provider=self.value()) if self.value() else queryset


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "provider", "event_type", "state", "retry_count", "shown_error", "event_id")
    list_filter = (AgeFilter, "state", ProviderFilter)
    ordering = ("-created_at",)
    search_fields = ("event_id",)  # shows the box; get_search_results says what it finds
    search_help_text = "An exact id: the provider's event id, or ours"
    verbs = (
        actions.replay_event,
        actions.discard_event,
    )
    exclude = ("payload", "body", "signature", "lease_token")
    readonly_fields = ("shown_payload", "processed", "would_do")

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEvent]:
        return super().get_queryset(request).defer("body")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[WebhookEvent], search_term: str
    ) -> tuple[QuerySet[WebhookEvent], bool]:
        text = search_term.strip()
        return (queryset.filter(selectors.matching_events(text)) if text else queryset), False

    @admin.display(description="error")
    def shown_error(self, event: WebhookEvent) -> str:
        return event.error_message[:120]

    @admin.display(description="payload")
    def shown_payload(self, event: WebhookEvent) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(event.payload, indent=2, ensure_ascii=False))

    @admin.display(description="replayed now, it")
    def would_do(self, event: WebhookEvent) -> SafeString | str:
        replayable = event.state in (WorkState.DEAD, WorkState.IGNORED)
        return format_html("<pre>{}</pre>", replay.dry_run(event)) if replayable else "–"


@admin.register(WebhookAttempt)
class WebhookAttemptAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "provider", "status", "reason", "count", "detail", "remote_addr", "body_bytes")
    list_filter = (AgeFilter, ProviderFilter)
    ordering = ("-created_at",)
