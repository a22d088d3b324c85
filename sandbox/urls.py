"""/ is the desk, /inbox what people see, /live an order on its way, /_control the control API, and /<provider>/... what
each provider answers."""

from django.urls import URLPattern, include, path

from sandbox.engine import control, dashboard, gateway, inbox_page, live
from sandbox.engine.provider import Provider, Route
from sandbox.providers import PROVIDERS


def provider_urls(provider: Provider) -> list[URLPattern]:
    by_path: dict[str, list[Route]] = {}
    for route in provider.list_routes():
        by_path.setdefault(route.path, []).append(route)
    known = [path(route_path, gateway.guard_routes(provider, routes)) for route_path, routes in by_path.items()]
    unknown = gateway.unknown_path(provider)
    return [*known, path("", unknown), path("<path:rest>", unknown)]


urlpatterns = [
    path("", dashboard.show_dashboard),
    path("faults", dashboard.change_faults),
    path("fates", dashboard.change_fates),
    path("inbox", inbox_page.show_everybody),
    path("inbox.css", inbox_page.show_style),
    path("inbox/<path:key>", inbox_page.of_person),
    path("live", live.show_live_page),
    path("_control/", include(control.build_urlpatterns(PROVIDERS))),
    *(path(f"{provider.name}/", include(provider_urls(provider))) for provider in PROVIDERS),
]
