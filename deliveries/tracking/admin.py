"""The console's pages about the customer's page: its links, which ops may revoke, and the ratings given there."""

from django.contrib import admin

from deliveries import actions
from deliveries.models import Rating, TrackingLink
from foundation.console import ReadOnlyAdmin


@admin.register(TrackingLink)
class TrackingLinkAdmin(ReadOnlyAdmin):
    list_display = ("order", "number", "created_at", "created_by", "expires_at", "revoked_at", "revoke_reason")
    list_select_related = ("order",)
    ordering = ("-id",)
    search_fields = ("order__public_id__exact",)
    search_help_text = "An order's id (ours)"
    verbs = (actions.revoke_link,)


@admin.register(Rating)
class RatingAdmin(ReadOnlyAdmin):
    list_display = ("delivery", "stars", "comment", "rider", "courier", "created_at")
    list_select_related = ("delivery", "rider")
    ordering = ("-id",)
    search_fields = ("delivery__external_id__exact",)
