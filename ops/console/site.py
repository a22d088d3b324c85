"""The console's admin site: Django admin with our ops home, refreshed in place (SPEC A1)."""

from dataclasses import asdict
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path

from foundation import clock
from ops.console import couriers, figures


class ConsoleSite(admin.AdminSite):
    site_header = "Handoff"
    site_title = "Handoff"
    index_title = "Operations"
    index_template = "admin/home.html"
    site_url = None  # there is no site beside the console

    def get_urls(self) -> list[URLResolver | URLPattern]:
        return [
            path("home", self.admin_view(self.home_fragment), name="home"),
            path("couriers", self.admin_view(self.couriers_page), name="couriers"),
            *super().get_urls(),
        ]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        return super().index(request, {**(extra_context or {}), **home_context()})

    def home_fragment(self, request: HttpRequest) -> HttpResponse:
        """What changes on the home page: `?charts` or `?state` as JSON, else the figures as a piece of HTML."""
        if "state" in request.GET:
            return JsonResponse(figures.day_state(clock.now()))
        if "charts" in request.GET:
            return JsonResponse({"charts": [asdict(chart) for chart in figures.list_charts(clock.now())]})
        return TemplateResponse(request, "admin/home_figures.html", home_context())

    def couriers_page(self, request: HttpRequest) -> HttpResponse:
        """How each courier company has done (SPEC C9)."""
        context = {
            **self.each_context(request),
            "title": "Courier companies",
            "lines": couriers.list_summaries(clock.now()),
        }
        return TemplateResponse(request, "admin/couriers.html", context)


def home_context() -> dict[str, Any]:
    now = clock.now()
    return {
        "figures": figures.list_figures(now),
        "health": figures.webhook_health(now),
        "incidents": figures.unresolved_incidents()[:8],
        "looked_at": now,
    }
