"""Every address of the web process. No trailing slashes, but for PetPooja's callback (SPEC 1)."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from foundation.api import tokens
from ops import health

urlpatterns = [
    path("", include("webhooks.urls")),  # first: patterns are tried in turn, and these are asked for most often
    path("health", health.show_health, name="health"),
    path("ready", health.ready, name="ready"),
    path("admin/", admin.site.urls),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/v1/auth/token", tokens.SignInView.as_view(), name="auth-token"),
    path("api/v1/auth/refresh", tokens.RefreshView.as_view(), name="auth-refresh"),
    path("api/v1/auth/logout", tokens.LogoutView.as_view(), name="auth-logout"),
    path("", include("deliveries.api.urls")),
    path("", include("deliveries.tracking.page.urls")),
    path("", include("riders.api.urls")),
    path("", include("notifications.api.urls")),
]

handler400 = "foundation.api.errors.bad_request"
handler404 = "foundation.api.errors.not_found"
handler500 = "foundation.api.errors.server_error"
