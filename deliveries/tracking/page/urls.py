"""The addresses of the customer's page; config/urls.py includes them."""

from django.urls import path

from deliveries.tracking.page import views

urlpatterns = [
    path("track/<str:token>", views.show_page, name="track"),
    path("track/<str:token>/state", views.show_state, name="track-state"),
    path("track/<str:token>/ticket", views.issue_ticket, name="track-ticket"),
    path("track/<str:token>/rating", views.take_rating, name="track-rating"),
    path("track/<str:token>/call", views.call, name="track-call"),
    path("track/<str:token>/answer", views.take_answer, name="track-answer"),
    path("track/<str:token>/missing", views.take_missing_preference, name="track-missing"),
    path("track/<str:token>/preferences", views.take_preferences, name="track-preferences"),
]
