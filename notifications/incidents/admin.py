"""The console's queue of incidents (SPEC A3, N5): the worst first, a storm as one line; each with what it is about,
what became of it, and whether it was there before."""

from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.timesince import timesince

from foundation import events
from foundation.console import (
    ReadOnlyAdmin,
    link_search,
    link_subject,
    render_table,
)
from foundation.models import Event, User
from notifications import actions
from notifications.incidents import emails
from notifications.models import STANDING, STORM, Incident, IncidentStatus

UNRESOLVED, EACH = "unresolved", "each"
SHOWN = 50
NOTHING = "–"


class OpenFilter(SimpleListFilter):
    """Nobody asks: what is not resolved and lies under nothing, which is the queue (and a partial index)."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        words = [(UNRESOLVED, "Unresolved"), (EACH, "Unresolved, each by itself")]
        return [*words, *((s.value, str(s.label)) for s in IncidentStatus), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        chosen = self.value() or UNRESOLVED
        for key, label in self.lookup_choices:
            query = changelist.get_query_string({self.parameter_name: key})
            yield {"selected": key == chosen, "query_string": query, "display": label}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value() or UNRESOLVED
        if chosen in IncidentStatus.values:
            return queryset.filter(status=chosen)
        if chosen == EACH:
            return queryset.filter(STANDING)
        if chosen == "all" or request.GET.get("q") or UnderFilter.parameter_name in request.GET:
            return queryset
        return queryset.filter(STANDING, folded_into=None)


class UnderFilter(SimpleListFilter):
    """What lies under one storm: reached from its line, so it offers nothing by itself."""

    title = "storm"
    parameter_name = "under"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        under = request.GET.get(self.parameter_name, "")
        return [(under, f"Folded into {under[:20]}")] if under else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        under = self.value()
        if not under:
            return queryset
        is_number = under.isascii() and under.isdigit() and len(under) < 19
        return queryset.filter(folded_into=int(under)) if is_number else queryset.none()


class IncidentAdmin(ReadOnlyAdmin):
    list_display = ("shown_severity", "shown_title", "subject_shown", "shown_status", "times_shown", "age_shown")
    list_display_links = ("shown_title",)
    list_filter = (OpenFilter, "severity", UnderFilter)
    list_select_related = ("decided_by",)
    search_fields = ("order_ref__exact", "subject__exact", "dedupe_key__exact")
    search_help_text = "An exact order id, subject (order:42) or key"
    verbs = (
        actions.acknowledge_incident,
        actions.resolve_incident,
    )
    readonly_fields = (
        *(
            "shown_severity",
            "shown_status",
            "what_to_do",
            "subject_shown",
            "storm_shown",
            "times_shown",
            "folded_incidents",
        ),
        *("facts_shown", "history_shown", "earlier_incidents"),
    )

    class Media:
        css = {"all": ["notifications/incidents.css"]}

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """The queue by its index; what is over by number."""
        over = request.GET.get(OpenFilter.parameter_name) in ("all", IncidentStatus.RESOLVED)
        return ("-id",) if over else ("rank", "-last_at")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        under = ["storm_shown"] if obj and obj.folded_into_id else []
        over = ["folded_incidents"] if obj and obj.kind == STORM else []
        return [
            (
                None,
                {
                    "fields": [
                        "shown_severity",
                        "shown_status",
                        "what_to_do",
                        "subject_shown",
                        *under,
                        "times_shown",
                        *over,
                    ]
                },
            ),
            ("What is known", {"fields": ["facts_shown", "kind", "dedupe_key"]}),
            ("What happened", {"fields": ["first_at", "last_at", "history_shown", "earlier_incidents"]}),
        ]

    # ── columns ──────────────────────────────────────────────────────────────────────────────────────────────
    @admin.display(description="severity", ordering="rank")
    def shown_severity(self, incident: Incident) -> SafeString:
        over = " over" if incident.status == IncidentStatus.RESOLVED else ""
        return format_html('<span class="severity {}{}">{}</span>', incident.severity, over, incident.severity)

    @admin.display(description="what", ordering="title")
    def shown_title(self, incident: Incident) -> SafeString:
        return format_html("{}<br><small>{}</small>", incident.title, incident.kind)

    @admin.display(description="status")
    def shown_status(self, incident: Incident) -> SafeString:
        decided = incident.status != IncidentStatus.OPEN
        who = (incident.decided_by or "by itself") if decided else ""
        return format_html('<span class="status {}">{}</span> <small>{}</small>', incident.status, incident.status, who)

    @admin.display(description="times", ordering="count")
    def times_shown(self, incident: Incident) -> SafeString | str:
        if incident.kind != STORM:
            return str(incident.count)
        url = f"{reverse('admin:notifications_incident_changelist')}?{UnderFilter.parameter_name}={incident.pk}"
        return format_html('<a class="storm" href="{}">{} folded</a>', url, incident.count)

    @admin.display(description="since", ordering="first_at")
    def age_shown(self, incident: Incident) -> SafeString | str:
        since, last = _time_since(incident.first_at), _time_since(incident.last_at)
        return since if last == since else format_html("{}<br><small>last {} ago</small>", since, last)

    @admin.display(description="about")
    def subject_shown(self, incident: Incident) -> SafeString | str:
        """The row, and the order that it is part of."""
        parts = [link_subject(self.admin_site, incident.subject)] if incident.subject else []
        if incident.order_ref and not incident.subject.startswith("order:"):
            parts.append(link_search(self.admin_site, "order", incident.order_ref))
        return format_html_join(mark_safe("<br>"), "{}", ((part,) for part in parts)) or NOTHING

    # ── its page ─────────────────────────────────────────────────────────────────────────────────────────────
    @admin.display(description="part of")
    def storm_shown(self, incident: Incident) -> SafeString | str:
        return _incident_link(incident.folded_into) if incident.folded_into else NOTHING

    @admin.display(description="what to do")
    def what_to_do(self, incident: Incident) -> str:
        return emails.advice_for(incident.kind) or NOTHING

    @admin.display(description="details")
    def facts_shown(self, incident: Incident) -> SafeString | str:
        lines = ((key.replace("_", " "), _format_value(value)) for key, value in incident.detail.items())
        return render_table(("what", "value"), lines) if incident.detail else NOTHING

    @admin.display(description="history")
    def history_shown(self, incident: Incident) -> SafeString:
        """Who did what, oldest first."""
        recorded = list(Event.objects.filter(subject=events.subject_of(incident)).order_by("version"))
        names = _names_of_actors(event.actor for event in recorded)
        lines = [(incident.first_at, "opened", "", "")]
        for event in recorded:
            what, who = event.name.rpartition(".")[2], names.get(event.actor, event.actor)
            lines.append((event.occurred_at, what, who, event.data.get("resolution", "")))
        if incident.mailed_at is not None:
            lines.append((incident.mailed_at, "last mailed to ops", "", ""))
        return render_table(
            ("when (UTC)", "what", "who", "words"), ((_format_moment(at), *more) for at, *more in sorted(lines))
        )

    @admin.display(description="folded into it")
    def folded_incidents(self, incident: Incident) -> SafeString | str:
        under = Incident.objects.filter(folded_into=incident).order_by("-last_at")[:SHOWN]
        return render_table(
            ("incident", "status", "times"), ((_incident_link(one), one.status, one.count) for one in under)
        )

    @admin.display(description="the same before")
    def earlier_incidents(self, incident: Incident) -> SafeString | str:
        """Who asks whether this is new finds how it ended the last times."""
        same = Incident.objects.filter(dedupe_key=incident.dedupe_key, pk__lt=incident.pk).order_by("-id")[:10]
        lines = [(_format_moment(one.first_at), _incident_link(one), one.resolution) for one in same]
        return render_table(("when (UTC)", "incident", "how it ended"), lines) if lines else NOTHING


def _incident_link(incident: Incident) -> SafeString:
    url = reverse("admin:notifications_incident_change", args=[incident.pk])
    return format_html('<a href="{}">{}</a>', url, incident.title)


def _names_of_actors(actors: Any) -> dict[str, str]:
    """Actors that are people, by name."""
    keys = {actor.partition(":")[2] for actor in actors if actor.startswith("user:")}
    return {
        f"user:{user.pk}": user.get_username() for user in User.objects.filter(pk__in=[k for k in keys if k.isdigit()])
    }


def _format_value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_format_value(one)}" for key, one in value.items())
    return ", ".join(map(_format_value, value)) if isinstance(value, list) else str(value)


def _time_since(moment: Any) -> str:
    return timesince(moment, timezone.now(), depth=1)


def _format_moment(moment: Any) -> str:
    return f"{moment:%d %b %Y %H:%M:%S}"
