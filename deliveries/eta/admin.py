"""The console's page of what was learned last night: how fast orders get from door to door (SPEC D7)."""

from django.contrib import admin

from deliveries.models import LearnedSpeed
from foundation.console import ReadOnlyAdmin


@admin.register(LearnedSpeed)
class LearnedSpeedAdmin(ReadOnlyAdmin):
    """`slot` is the hour of the store's day, from 24 on at the weekend; no store: all of them."""

    list_display = (
        "id", "store", "slot", "travel_m_per_min", "trips", "at_store_min", "store_stops", "at_door_min", "door_stops",
        "learned_at",
    )  # fmt: skip
    list_select_related = ("store",)
    ordering = ("-id",)
    search_fields = ("store__slug__exact",)
