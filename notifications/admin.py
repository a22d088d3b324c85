"""The console's pages of this room (SPEC A3): what was said to whom, and whom we can reach.

Lists are ordered by primary key and filtered by indexed columns only; search boxes take exact ids.
"""

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from foundation.console import ReadOnlyAdmin, render_table
from notifications import actions
from notifications.content.admin.pages import TextOverrideAdmin
from notifications.incidents.admin import IncidentAdmin
from notifications.models import (
    ChannelSpending,
    Incident,
    Message,
    PhoneCall,
    PushToken,
    Recipient,
    SuppressedAddress,
    TextOverride,
)
from notifications.outbox import budget

admin.site.register(Incident, IncidentAdmin)
admin.site.register(TextOverride, TextOverrideAdmin)

TOKEN_SHOWN = 8


def _parse_row_number(text: str) -> int:
    """A row's number as somebody types it; 0, which no row has, for anything that cannot be one."""
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else 0


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    list_display = (
        *("event", "recipient", "state", "channel", "receipt", "order_ref", "retry_count", "created_at"),
        *("error_message", "receipt_error"),
    )
    list_filter = ("state",)
    list_select_related = ("recipient",)
    ordering = ("-id",)
    search_fields = ("order_ref__exact", "dedupe_key__exact")
    search_help_text = "An exact order id, or recipient:12"
    readonly_fields = ("channels_tried",)
    exclude = ("skipped", "why", "lease_token")
    verbs = (
        actions.send_again,
        actions.put_aside,
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Message], search_term: str
    ) -> tuple[QuerySet[Message], bool]:
        kind, _, number = search_term.strip().partition(":")
        if kind == "recipient":
            return queryset.filter(recipient=_parse_row_number(number)), False
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description="ladder")
    def channels_tried(self, message: Message) -> SafeString:
        """Every channel with why it did not do, then the one that was chosen and why."""
        steps = [(step["channel"] or "not sent", step["reason"]) for step in message.skipped]
        if message.channel and message.why:
            steps.append((message.channel, f"chosen: the first that does, of {message.why}"))
        return render_table(("channel", "what became of it"), steps)


@admin.register(Recipient)
class RecipientAdmin(ReadOnlyAdmin):
    list_display = (
        *("id", "name", "email", "phone", "language", "time_zone", "opted_out_at", "whatsapp_opted_in_at"),
        *("erased_at", "public_id"),
    )
    ordering = ("-id",)
    search_fields = ("id",)  # shows the box; get_search_results says what it finds
    search_help_text = "The number of a recipient"
    verbs = (
        actions.opt_out,
        actions.opt_in,
        actions.whatsapp_opt_out,
        actions.whatsapp_opt_in,
        actions.change_addresses,
        actions.erase_recipient,
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Recipient], search_term: str
    ) -> tuple[QuerySet[Recipient], bool]:
        return (queryset.filter(pk=_parse_row_number(search_term)) if search_term.strip() else queryset), False


@admin.register(PushToken)
class PushTokenAdmin(ReadOnlyAdmin):
    list_display = ("device_shown", "recipient", "platform", "last_seen_at", "retired_at", "retired_reason")
    list_select_related = ("recipient",)
    ordering = ("-id",)
    search_fields = ("recipient",)  # shows the box; get_search_results says what it finds
    search_help_text = "The number of a recipient"
    exclude = ("token",)  # whoever holds it can be taken for the device
    readonly_fields = ("device_shown",)
    verbs = (
        actions.retire_token,
        actions.bring_back,
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[PushToken], search_term: str
    ) -> tuple[QuerySet[PushToken], bool]:
        return (queryset.filter(recipient=_parse_row_number(search_term)) if search_term.strip() else queryset), False

    @admin.display(description="device")
    def device_shown(self, token: PushToken) -> str:
        return f"{token.token[:TOKEN_SHOWN]}…"


@admin.register(SuppressedAddress)
class SuppressedAddressAdmin(ReadOnlyAdmin):
    """Addresses that nothing is sent to, why and since when; and the way back."""

    list_display = ("id", "channel", "address", "reason", "retired_at", "reinstated_at", "reinstated_by", "detail")
    ordering = ("-id",)
    search_fields = ("address__exact",)
    search_help_text = "An exact address, in lower case"
    verbs = (actions.reinstate_address,)


@admin.register(PhoneCall)
class PhoneCallAdmin(ReadOnlyAdmin):
    """Who was put through, about which order; the numbers stand with the customer and the rider."""

    list_display = ("public_id", "order_ref", "state", "created_at", "provider_id", "error_message")
    list_filter = ("state",)
    ordering = ("-id",)
    search_fields = ("order_ref__exact", "provider_id__exact")
    search_help_text = "An exact order id (ours), or Twilio's id of the call"
    exclude = ("caller", "callee", "lease_token")


@admin.register(ChannelSpending)
class ChannelSpendingAdmin(ReadOnlyAdmin):
    """What each channel cost on each UTC day, beside its cap as it is now."""

    list_display = ("day", "channel", "messages", "spent_shown", "cap_shown", "warned_at", "capped_at")
    ordering = ("-day", "channel")

    @admin.display(description="spent")
    def spent_shown(self, row: ChannelSpending) -> str:
        return budget.format_micros(row.spent_micros)

    @admin.display(description="cap")
    def cap_shown(self, row: ChannelSpending) -> str:
        cap = settings.MESSAGE_DAILY_CAPS.get(row.channel)
        return "–" if cap is None else budget.format_micros(cap)
