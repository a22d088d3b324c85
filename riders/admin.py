"""The console's pages of this room: riders with their standing and capacity, referrals."""

from django.contrib import admin

from foundation.console import ReadOnlyAdmin
from riders import actions
from riders.models import Referral, Rider


@admin.register(Rider)
class RiderAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "standing",
        "is_online",
        "active_deliveries",
        "open_offers",
        "max_concurrent",
        "fake_attempts",
        "suspended_reason",
    )
    list_filter = ("standing", "is_online")
    search_fields = ("name", "phone__startswith", "user__username__exact")
    ordering = ("-id",)
    verbs = (actions.verify_rider, actions.suspend_rider, actions.reinstate_rider, actions.set_capacity)


@admin.register(Referral)
class ReferralAdmin(ReadOnlyAdmin):
    list_display = ("referrer", "referred", "deliveries", "earned_at", "created_at")
    list_select_related = ("referrer", "referred")
    ordering = ("-id",)
