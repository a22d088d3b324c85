"""The console's pages about the customer's page: its links, which ops may revoke, and the ratings given there."""

from django.contrib import admin

from deliveries.models import Rating, TrackingLink
from deliveries.tracking import links
from foundation.console import ActionRequest as Decided
from foundation.console import ReadOnlyAdmin, has_permission, reasoned_action


@admin.register(TrackingLink)
class TrackingLinkAdmin(ReadOnlyAdmin):
    list_display = ("order", "number", "created_at", "created_by", "expires_at", "revoked_at", "revoke_reason")
    list_select_related = ("order",)
    ordering = ("-id",)
    search_fields = ("order__public_id__exact",)
    search_help_text = "An order's id (ours)"
    actions = ("revoke_link",)
    has_revoke_permission = has_permission("deliveries.revoke_trackinglink")

    @reasoned_action("Revoke: the link opens nothing any more", permission="revoke")
    def revoke_link(self, link: TrackingLink, decided: Decided) -> str:
        links.revoke_link(link.pk, decided.reason, by=decided.by)
        return "revoked"


@admin.register(Rating)
class RatingAdmin(ReadOnlyAdmin):
    list_display = ("delivery", "stars", "comment", "rider", "courier", "created_at")
    list_select_related = ("delivery", "rider")
    ordering = ("-id",)
    search_fields = ("delivery__external_id__exact",)
