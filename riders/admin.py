"""The console's pages of this room: riders with their standing and capacity, referrals."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest

from foundation.errors import APIError
from foundation.events import Cause
from riders import riders
from riders.models import Referral, Rider


class RiderActionForm(ActionForm):
    note = forms.CharField(
        required=False, max_length=riders.MAX_REASON, widget=forms.TextInput({"placeholder": "reason or capacity"})
    )


class ReadOnlyRows(admin.ModelAdmin):
    """Rows are read here and changed by verbs; nothing is added, edited or deleted by hand."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Rider)
class RiderAdmin(ReadOnlyRows):
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
    action_form = RiderActionForm
    actions = ("verify_riders", "suspend_riders", "reinstate_riders", "set_capacity")

    def has_stand_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("riders.stand_rider")

    def has_capacity_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("riders.capacity_rider")

    @admin.action(description="Verify", permissions=["stand"])
    def verify_riders(self, request: HttpRequest, queryset: QuerySet[Rider]) -> None:
        self._run_on_each(request, queryset, "verified", lambda rider, by: riders.verify_rider(rider.pk, by=by))

    @admin.action(description="Suspend (reason)", permissions=["stand"])
    def suspend_riders(self, request: HttpRequest, queryset: QuerySet[Rider]) -> None:
        reason = request.POST.get("note", "")
        self._run_on_each(
            request, queryset, "suspended", lambda rider, by: riders.suspend_rider(rider.pk, reason, by=by)
        )

    @admin.action(description="Reinstate (note)", permissions=["stand"])
    def reinstate_riders(self, request: HttpRequest, queryset: QuerySet[Rider]) -> None:
        note = request.POST.get("note", "")
        self._run_on_each(
            request, queryset, "reinstated", lambda rider, by: riders.reinstate_rider(rider.pk, by=by, note=note)
        )

    @admin.action(description="Set capacity (number)", permissions=["capacity"])
    def set_capacity(self, request: HttpRequest, queryset: QuerySet[Rider]) -> None:
        text = request.POST.get("note", "").strip()
        if not text.isdecimal():
            self.message_user(request, "Say the capacity as a number beside the action", messages.ERROR)
            return
        self._run_on_each(
            request, queryset, "given a new capacity", lambda rider, by: riders.set_capacity(rider.pk, int(text), by=by)
        )

    def _run_on_each(self, request: HttpRequest, queryset: QuerySet[Rider], done: str, verb: Any) -> None:
        """Do it rider by rider: what worked is said and kept in the audit log, what did not is said with its reason."""
        by, worked = Cause(f"user:{request.user.pk}", "admin"), 0
        for rider in queryset.order_by("pk"):
            try:
                verb(rider, by)
            except APIError as error:
                self.message_user(request, f"{rider}: {error.message}", messages.ERROR)
            else:
                worked += 1
                self.log_change(request, rider, f"{done}: {request.POST.get('note', '')}".strip(": "))
        if worked:
            self.message_user(request, f"{worked} {'rider' if worked == 1 else 'riders'} {done}", messages.SUCCESS)


@admin.register(Referral)
class ReferralAdmin(ReadOnlyRows):
    list_display = ("referrer", "referred", "deliveries", "earned_at", "created_at")
    list_select_related = ("referrer", "referred")
    ordering = ("-id",)
