"""The addresses of this room, as the contract names them; config/urls.py includes them."""

from django.urls import URLPattern, path

from notifications.api import preferences

urlpatterns: list[URLPattern] = [
    path("notifications/preferences", preferences.PreferencesView.as_view(), name="preferences"),
    path("notifications/push/register-token", preferences.RegisterTokenView.as_view(), name="push-register"),
    path("notifications/push/unregister-token", preferences.UnregisterTokenView.as_view(), name="push-unregister"),
    path("api/v1/notifications/<str:message_id>/ack", preferences.AcknowledgeView.as_view(), name="acknowledge"),
    path("notifications/whatsapp/opt-in", preferences.WhatsAppOptInView.as_view(), name="whatsapp-opt-in"),
    path("notifications/whatsapp/opt-out", preferences.WhatsAppOptOutView.as_view(), name="whatsapp-opt-out"),
]
