"""The console's pages of this room (SPEC A3): payouts and what to do about them, accounts, entries, connections.

Lists are ordered by primary key and filtered by indexed columns; search boxes take exact ids. Nothing here is edited.
"""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.safestring import SafeString

from foundation import clock, money
from foundation.console import ReadOnlyAdmin, render_table
from foundation.events import subject_of
from foundation.models import Event
from payouts import actions
from payouts.invoices import admin as invoices_admin
from payouts.models import AccountKind, BankPayout, ConnectAccount, LedgerAccount, LedgerEntry, Payout
from payouts.runs import runs, stripe_events

SHOWN_ENTRIES = 50
__all__ = ["invoices_admin"]  # the pages of courier companies' invoices register themselves there


@admin.register(Payout)
class PayoutAdmin(ReadOnlyAdmin):
    list_display = ("period", "account", "shown_amount", "status", "failure", "state", "due_at", "stripe_transfer")
    list_filter = ("status", "state")
    list_select_related = ("account",)
    ordering = ("-id",)
    search_fields = ("stripe_transfer__exact",)
    search_help_text = "An exact id: ours, the transfer's, or the destination account's"
    verbs = (
        actions.approve_payout,
        actions.retry_payout,
        actions.cancel_payout,
    )
    readonly_fields = ("shown_history",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Payout], search_term: str
    ) -> tuple[QuerySet[Payout], bool]:
        text = search_term.strip()
        if public_id := stripe_events.as_uuid(text):
            return queryset.filter(public_id=public_id), False
        if text.startswith("acct_"):
            return queryset.filter(destination=text), False
        return super().get_search_results(request, queryset, text)

    @admin.display(description="amount")
    def shown_amount(self, payout: Payout) -> str:
        amount = money.format_money(payout.amount_minor, payout.currency)
        back = money.format_money(payout.returned_minor, payout.currency)
        return f"{amount}, {back} of it back" if payout.returned_minor else amount

    @admin.display(description="history")
    def shown_history(self, payout: Payout) -> SafeString:
        events = Event.objects.filter(subject=subject_of(payout)).order_by("version")
        rows = (
            (clock.format_wire(e.occurred_at), e.name, e.data.get("to", ""), e.data.get("why", ""), e.actor)
            for e in events
        )
        return render_table(("when", "what", "to", "why", "who"), rows)


@admin.register(LedgerAccount)
class LedgerAccountAdmin(ReadOnlyAdmin):
    list_display = ("payee_name", "payee", "kind", "shown_balance", "entries", "next_payout")
    list_filter = ("kind", "payee_kind", "currency")
    ordering = ("-id",)
    search_fields = ("payee_name__exact",)
    search_help_text = "A payee: store:4 or rider:7"
    readonly_fields = ("shown_statement",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerAccount]:
        theirs = ConnectAccount.objects.filter(payee_kind=OuterRef("payee_kind"), payee_id=OuterRef("payee_id"))
        return (
            super()
            .get_queryset(request)
            .annotate(
                stripe_account=Subquery(theirs.values("stripe_account")[:1]),
                payouts_enabled=Subquery(theirs.values("payouts_enabled")[:1]),
            )
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[LedgerAccount], search_term: str
    ) -> tuple[QuerySet[LedgerAccount], bool]:
        kind, _, number = search_term.strip().partition(":")
        if number.isdecimal() and len(number) < 19:
            return queryset.filter(payee_kind=kind, payee_id=int(number)), False
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description="balance")
    def shown_balance(self, account: LedgerAccount) -> str:
        return money.format_money(account.balance_minor, account.currency)

    @admin.display(description="next payout")
    def next_payout(self, account: Any) -> str:
        """What stands in its way, as the run will find it."""
        if account.kind != AccountKind.PAYABLE or account.balance_minor == 0:
            return ""
        connection = ConnectAccount(
            stripe_account=account.stripe_account or "", payouts_enabled=bool(account.payouts_enabled)
        )
        return runs.find_obstacle(account, connection) or "ready"

    @admin.display(description="latest entries")
    def shown_statement(self, account: LedgerAccount) -> SafeString:
        entries = LedgerEntry.objects.filter(account=account).order_by("-sequence")[:SHOWN_ENTRIES]
        rows = (
            (
                entry.sequence,
                clock.format_wire(entry.occurred_at),
                entry.kind,
                entry.reference,
                money.format_money(entry.amount_minor, account.currency),
                money.format_money(entry.balance_minor, account.currency),
                entry.note,
            )
            for entry in entries
        )
        return render_table(("no.", "when", "kind", "fact", "amount", "balance", "note"), rows)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    list_display = ("account", "sequence", "kind", "reference", "shown_amount", "order_ref", "occurred_at", "note")
    list_select_related = ("account",)
    ordering = ("-id",)
    search_fields = ("order_ref__exact",)
    search_help_text = "An exact order id (ours)"

    @admin.display(description="amount")
    def shown_amount(self, entry: LedgerEntry) -> str:
        return money.format_money(entry.amount_minor, entry.account.currency)


@admin.register(ConnectAccount)
class ConnectAccountAdmin(ReadOnlyAdmin):
    list_display = ("payee", "stripe_account", "charges_enabled", "payouts_enabled", "updated_at", "deauthorized_at")
    list_filter = ("payouts_enabled",)
    ordering = ("-id",)
    search_fields = ("stripe_account__exact",)
    search_help_text = "An exact Stripe account id"


@admin.register(BankPayout)
class BankPayoutAdmin(ReadOnlyAdmin):
    list_display = ("stripe_payout", "stripe_account", "amount_minor", "currency", "status", "failure", "made_at")
    ordering = ("-id",)
    search_fields = ("stripe_payout__exact", "stripe_account__exact")
    search_help_text = "An exact id of Stripe's payout or account"
