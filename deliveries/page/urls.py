"""The addresses of the customer's page; config/urls.py includes them."""

from django.urls import path

from deliveries.page import views

urlpatterns = [
    path("track/<str:token>", views.page, name="track"),
    path("track/<str:token>/state", views.state, name="track-state"),
    path("track/<str:token>/ticket", views.ticket, name="track-ticket"),
    path("track/<str:token>/rating", views.rating, name="track-rating"),
    path("track/<str:token>/call", views.call, name="track-call"),
    path("track/<str:token>/answer", views.answer, name="track-answer"),
    path("track/<str:token>/missing", views.missing, name="track-missing"),
    path("track/<str:token>/preferences", views.preferences, name="track-preferences"),
]
