"""The console's pages of courier companies' invoices (SPEC C6, A3): import, what differs, accepting, debits.

Finance imports and decides; everybody else on the staff looks. Nothing here is edited.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, QuerySet, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from foundation import clock
from foundation.console import ReadOnlyAdmin, has_permission, render_table
from foundation.errors import APIError
from foundation.events import Cause
from foundation.money import format_money
from payouts import actions
from payouts.invoices import alerts, commands, cooco_csv, expected_charges, matching
from payouts.invoices.commands import InvoiceHeading
from payouts.invoices.expected_charges import ExpectedCharge
from payouts.invoices.fields import day_field, describe_in_words
from payouts.lifecycle import LineResult
from payouts.models import CourierDebit, CourierInvoice, CourierInvoiceLine, CourierPayee

SHOWN_LINES = 500
COMPANIES = [(name, name) for name in sorted(commands.READERS)]


class ImportForm(forms.Form):
    courier = forms.ChoiceField(choices=COMPANIES)
    number = forms.RegexField(r"^[\w./-]{1,60}\Z", help_text="As printed on the invoice.")
    issued_on = day_field()
    period_from = day_field()
    period_to = day_field(help_text="The last day that is in it (UTC).")
    replaces = forms.CharField(max_length=60, required=False, help_text="Number of the invoice that this one corrects.")
    file = forms.FileField(help_text="CSV, at most 2 MB")

    def clean_file(self) -> bytes:
        upload = self.cleaned_data["file"]
        if upload.size > cooco_csv.MOST_BYTES:
            raise forms.ValidationError("The file is too large")
        return upload.read()


class PeriodForm(forms.Form):
    courier = forms.ChoiceField(choices=COMPANIES)
    period_from = day_field()
    period_to = day_field()

    def clean_period_to(self) -> date:
        first, last = self.cleaned_data.get("period_from"), self.cleaned_data["period_to"]
        if first and not first <= last <= first + commands.LONGEST_PERIOD:
            raise forms.ValidationError("It must end after it begins, within three months")
        return last


def last_week(today: date) -> tuple[date, date]:
    """Monday and Sunday of the last week that is over."""
    monday = today - timedelta(days=today.weekday() + 7)
    return monday, monday + timedelta(days=6)


@admin.register(CourierInvoice)
class CourierInvoiceAdmin(ReadOnlyAdmin):
    list_display = ("number", "courier", "period_from", "period_to", "shown_total", "status", "due_at", "imported_by")
    list_filter = ("status", "courier")
    list_select_related = ("imported_by",)
    ordering = ("-id",)
    search_fields = ("number__exact",)
    search_help_text = "An exact number of an invoice"
    verbs = (
        actions.record_debit,
        actions.accept_all,
        actions.match_again,
    )
    readonly_fields = ("shown_comparison", "shown_lines", "shown_debits", "shown_incidents")

    has_import_permission = has_permission("payouts.import_courierinvoice")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_import_permission(request)

    # ── the import ───────────────────────────────────────────────────────────────────────────────────────────
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page to import a file, with what we expect beside it."""
        if not self.has_import_permission(request):
            raise PermissionDenied
        form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
        if form.is_bound and form.is_valid():
            try:
                return self._import_file(request, form)
            except APIError as problem:
                form.add_error(problem.field if problem.field in form.fields else None, problem.message)
        period = PeriodForm(request.GET if "period_from" in request.GET else _usual_period())
        lines = _load_expected(period)
        totals = expected_charges.total_charges(lines)
        context = {
            **self.admin_site.each_context(request),
            "title": "Import an invoice",
            "opts": self.opts,
            "form": form,
            "period": period,
            "totals": [(currency, format_money(total, currency)) for currency, total in totals.items()],
            "count": len(lines),
            "expected": expected_table(lines),
        }
        return TemplateResponse(request, "payouts/import_invoice.html", context)

    def _import_file(self, request: HttpRequest, form: ImportForm) -> HttpResponse:
        facts = dict(form.cleaned_data)
        raw = facts.pop("file")
        invoice, is_new = commands.import_invoice(
            InvoiceHeading(**facts), raw, by=Cause(f"user:{request.user.pk}", "admin")
        )
        if is_new:
            self.log_addition(request, invoice, f"imported, {invoice.status}")
            done = f"{invoice} imported: {invoice.get_status_display()}, {describe_in_words(invoice)}"
            self.message_user(request, done, messages.SUCCESS)
        else:
            self.message_user(request, f"This file was imported before, as {invoice}", messages.WARNING)
        return HttpResponseRedirect(reverse("admin:payouts_courierinvoice_change", args=[invoice.pk]))

    # ── the page of one ──────────────────────────────────────────────────────────────────────────────────────
    @admin.display(description="total")
    def shown_total(self, invoice: CourierInvoice) -> str:
        return format_money(invoice.total_minor, invoice.currency)

    @admin.display(description="compared")
    def shown_comparison(self, invoice: CourierInvoice) -> SafeString:
        lines = expected_charges.list_expected_charges(
            invoice.courier, invoice.period_from, invoice.period_to, invoice.currency
        )
        ours = expected_charges.total_charges(lines).get(invoice.currency, 0)
        rows = [
            ("asked", format_money(invoice.total_minor, invoice.currency)),
            (f"expected of {len(lines)} deliveries", format_money(ours, invoice.currency)),
            ("taken by debit", format_money(matching.debited_minor(invoice), invoice.currency)),
        ]
        return render_table(("what", "amount"), rows)

    @admin.display(description="lines")
    def shown_lines(self, invoice: CourierInvoice) -> SafeString:
        lines = CourierInvoiceLine.objects.filter(invoice=invoice)
        differing_first = Case(When(verdict=LineResult.SAME, then=1), default=0)
        rows = [
            (
                "–" if line.position is None else line.position,
                line.external_id or line.courier_ref,
                line.kind,
                _format_amount(line.amount_minor, invoice.currency),
                _format_amount(line.expected_minor, invoice.currency),
                line.get_verdict_display(),
                f"accepted: {line.acceptance}" if line.accepted_at else "",
            )
            for line in lines.order_by(differing_first, "position", "pk")[:SHOWN_LINES]
        ]
        all_of_them = reverse("admin:payouts_courierinvoiceline_changelist") + f"?invoice__id__exact={invoice.pk}"
        shown = render_table(("line", "delivery", "kind", "asked", "expected", "verdict", ""), rows)
        return format_html('{}<a href="{}">All {} lines</a>', shown, all_of_them, lines.count())

    @admin.display(description="debits")
    def shown_debits(self, invoice: CourierInvoice) -> SafeString:
        rows = CourierDebit.objects.filter(invoice=invoice).select_related("recorded_by").order_by("pk")
        cells = (
            (d.debited_on, format_money(d.amount_minor, invoice.currency), d.reference, d.recorded_by) for d in rows
        )
        return render_table(("day", "amount", "reference", "recorded by"), cells)

    @admin.display(description="open incidents")
    def shown_incidents(self, invoice: CourierInvoice) -> SafeString:
        lines = matching.open_differences(invoice)[:SHOWN_LINES]
        keys = [alerts.incident_key(alerts.LINE, line.pk) for line in lines]
        return incident_links([*alerts.incident_keys(invoice), *keys])


@admin.register(CourierInvoiceLine)
class CourierInvoiceLineAdmin(ReadOnlyAdmin):
    list_display = (
        "shown_line",
        "invoice",
        "kind",
        "shown_asked",
        "shown_expected",
        "verdict",
        "accepted_by",
        "acceptance",
    )
    list_filter = ("verdict",)
    list_select_related = ("invoice", "accepted_by")
    ordering = ("-id",)
    search_fields = ("external_id__exact", "invoice__number__exact")
    search_help_text = "An exact delivery id (ours), or an invoice's number"
    verbs = (actions.accept_line,)
    readonly_fields = ("shown_incidents",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[CourierInvoiceLine]:
        return super().get_queryset(request).select_related("invoice")

    @admin.display(description="delivery")
    def shown_line(self, line: CourierInvoiceLine) -> str:
        return str(line)

    @admin.display(description="asked")
    def shown_asked(self, line: CourierInvoiceLine) -> str:
        return _format_amount(line.amount_minor, line.invoice.currency)

    @admin.display(description="expected")
    def shown_expected(self, line: CourierInvoiceLine) -> str:
        return _format_amount(line.expected_minor, line.invoice.currency)

    @admin.display(description="open incidents")
    def shown_incidents(self, line: CourierInvoiceLine) -> SafeString:
        return incident_links([alerts.incident_key(alerts.LINE, line.pk)])


@admin.register(CourierDebit)
class CourierDebitAdmin(ReadOnlyAdmin):
    list_display = ("reference", "courier", "invoice", "shown_amount", "debited_on", "recorded_by")
    list_select_related = ("invoice", "recorded_by")
    ordering = ("-id",)
    search_fields = ("reference__exact",)
    search_help_text = "An exact reference of Stripe's balance transaction"

    @admin.display(description="amount")
    def shown_amount(self, debit: CourierDebit) -> str:
        return format_money(debit.amount_minor, debit.invoice.currency)


@admin.register(CourierPayee)
class CourierPayeeAdmin(ReadOnlyAdmin):
    """Which company is "provider:3" in the ledger."""

    list_display = ("courier", "id")
    ordering = ("id",)


# ── parts of pages ───────────────────────────────────────────────────────────────────────────────────────────────
def expected_table(lines: Iterable[ExpectedCharge]) -> SafeString:
    rows = (
        (
            clock.format_wire(line.occurred_at),
            line.delivery.external_id,
            line.kind,
            line.delivery.distance_m,
            format_money(line.amount_minor, line.currency),
        )
        for line in list(lines)[:SHOWN_LINES]
    )
    return render_table(("ended", "delivery", "kind", "metres", "amount"), rows)


def incident_links(keys: list[str]) -> SafeString:
    found = alerts.list_open_incidents(keys)
    links = ((reverse("admin:notifications_incident_change", args=[one.pk]), one.title) for one in found)
    return format_html_join("", '<p><a href="{}">{}</a></p>', links)


def _format_amount(amount_minor: int | None, currency: str) -> str:
    return "–" if amount_minor is None else format_money(amount_minor, currency)


def _usual_period() -> dict[str, Any]:
    first, last = last_week(clock.now().date())
    return {"courier": cooco_csv.COURIER, "period_from": first, "period_to": last}


def _load_expected(period: PeriodForm) -> list[ExpectedCharge]:
    if not period.is_valid():
        return []
    facts = period.cleaned_data
    return expected_charges.list_expected_charges(facts["courier"], facts["period_from"], facts["period_to"])
