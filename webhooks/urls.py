"""The addresses of this room; config/urls.py includes them. PetPooja's alone ends with a slash (SPEC 1)."""

from django.urls import path

from webhooks import pos_callback, views

urlpatterns = [
    path("webhooks/<path:provider>", views.receive_webhook, name="webhook"),
    path("pp_callback/<str:slug>/", pos_callback.pp_callback, name="pp-callback"),
]
