"""The console's pages of courier companies' invoices: import, accept, debit (SPEC C6, A3, A5)."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from foundation.models import Role
from notifications.models import Incident, IncidentStatus
from payouts.invoices import cooco_csv
from payouts.lifecycle import InvoiceStatus
from payouts.models import CourierDebit, CourierInvoice, CourierInvoiceLine, CourierPayee
from tests.admin_client import open_console, run_action
from tests.payouts.invoices.invoice_files import MONDAY, SUNDAY, carried, file, line, take
from tests.payouts.money import of_courier

pytestmark = pytest.mark.django_db
FEE = 475
IMPORT = "admin:payouts_courierinvoice_add"
INVOICES, LINES = "admin:payouts_courierinvoice_changelist", "admin:payouts_courierinvoiceline_changelist"


def upload(client: Client, raw: bytes, **fields: Any) -> Any:
    known = {
        "courier": "cooco",
        "number": "C-46",
        "issued_on": SUNDAY.isoformat(),
        "period_from": MONDAY.isoformat(),
        "period_to": SUNDAY.isoformat(),
        "replaces": "",
        "file": SimpleUploadedFile("invoice.csv", raw, "text/csv"),
    }
    return client.post(reverse(IMPORT), {**known, **fields}, follow=True)


# spec: C6, A3
def test_finance_imports_a_file_and_sees_what_differs():
    right, altered, missing = carried(), carried(), carried()
    client = open_console(Role.FINANCE)
    before = client.get(reverse(IMPORT)).content.decode()
    assert "USD: $14.25, 3 deliveries" in before
    assert right.external_id in before
    page = upload(client, file(line(right), line(altered, 575))).content.decode()
    assert "asks $5.75, we expected $4.75" in page
    assert f"{missing.external_id}: we expected $4.75, cooco invoice C-46 does not ask for it" in page
    invoice = CourierInvoice.objects.get()
    assert (invoice.status, invoice.imported_by.role) == (InvoiceStatus.DIFFERING, Role.FINANCE)
    for incident in Incident.objects.all():
        assert reverse("admin:notifications_incident_change", args=[incident.pk]) in page


def test_the_same_file_is_not_imported_twice():
    raw = file(line(carried()))
    client = open_console(Role.FINANCE)
    upload(client, raw)
    assert "imported before, as cooco invoice C-46" in upload(client, raw, number="C-99").content.decode()
    assert CourierInvoice.objects.count() == 1


@pytest.mark.parametrize(
    ("raw", "fields", "said"),
    [
        (file(line(total="=1+1")), {}, "line 2, column total: it looks like a formula"),
        (b"\xff\xfe\x00", {}, "it is not UTF-8"),
        (b"", {}, "The submitted file is empty"),
        (file(line()) + b"\n" * cooco_csv.MOST_BYTES, {}, "The file is too large"),
        (file(line()), {"courier": "uber"}, "Select a valid choice"),
        (file(line()), {"number": "<script>"}, "Enter a valid value"),
        (file(line()), {"number": "C\n46"}, "Enter a valid value"),
        (file(line()), {"period_to": "2001-01-01"}, "the period must end after it begins"),
        (file(line()), {"period_from": "never"}, "Enter a valid date"),
        (file(line()), {"replaces": "C-45"}, "there is no invoice C-45 to replace"),
    ],
)
def test_what_cannot_be_taken_is_said_on_the_page(raw, fields, said):
    page = upload(open_console(Role.FINANCE), raw, **fields)
    assert page.status_code == 200
    assert said in page.content.decode()
    assert not CourierInvoice.objects.exists()


@pytest.mark.parametrize("query", [{"period_from": "x"}, {"period_from": "0001-01-01", "period_to": "9999-12-31"}])
def test_a_strange_period_breaks_nothing(query):
    carried()
    assert open_console(Role.FINANCE).get(reverse(IMPORT), {"courier": "cooco", **query}).status_code == 200


@pytest.mark.parametrize("role", [Role.READ_ONLY, Role.OPS_AGENT, Role.OPS_LEAD])
def test_only_finance_imports_and_decides(role):
    invoice = take(line(carried(), 575))
    client = open_console(role)
    assert client.get(reverse(IMPORT)).status_code == 403
    assert upload(client, file(line())).status_code == 403
    run_action(client, reverse(INVOICES), "accept_all", invoice)
    run_action(client, reverse(INVOICES), "record_debit", invoice, amount="5.75", debited_on=SUNDAY, reference="txn_1")
    run_action(client, reverse(LINES), "accept_line", CourierInvoiceLine.objects.get())
    assert CourierInvoice.objects.get().status == InvoiceStatus.DIFFERING
    assert not CourierDebit.objects.exists()


def test_a_line_is_accepted_with_a_reason():
    take(line(carried(), 575))
    one = CourierInvoiceLine.objects.get()
    said = run_action(open_console(Role.FINANCE), reverse(LINES), "accept_line", one, reason="the driver waited")
    assert "accepted, the ledger follows" in said
    one.refresh_from_db()
    assert (one.acceptance, one.accepted_by.role) == ("the driver waited", Role.FINANCE)
    assert Incident.objects.get().status == IncidentStatus.RESOLVED
    assert "There is no open difference in this line" in run_action(
        open_console(Role.FINANCE), reverse(LINES), "accept_line", one
    )


def test_a_debit_is_recorded_as_stripe_shows_it():
    invoice = take(line(carried(), 575), line())
    client = open_console(Role.FINANCE)
    assert "2 differences accepted" in run_action(client, reverse(INVOICES), "accept_all", invoice)
    debit = {"amount": "10.50", "debited_on": SUNDAY.isoformat(), "reference": "txn_1"}
    wrong = run_action(client, reverse(INVOICES), "record_debit", invoice, **{**debit, "amount": "10.505"})
    assert "no such small parts" in wrong
    assert "debit of $10.50 recorded, settled" in run_action(
        client, reverse(INVOICES), "record_debit", invoice, **debit
    )
    assert "recorded before" in run_action(client, reverse(INVOICES), "record_debit", invoice, **debit)
    assert of_courier() == (0, 0)


def test_every_page_shows_and_nothing_can_be_edited():
    invoice = take(line(carried(), 575))
    CourierDebit.objects.create(
        invoice=invoice, courier="cooco", amount_minor=5, debited_on=SUNDAY, reference="txn_1", recorded_by=None
    )
    client = open_console(Role.READ_ONLY)
    for model in (CourierInvoice, CourierInvoiceLine, CourierDebit, CourierPayee):
        name = f"admin:payouts_{model._meta.model_name}"
        assert client.get(reverse(f"{name}_changelist")).status_code == 200
        row = reverse(f"{name}_change", args=[model.objects.latest("pk").pk])
        assert client.get(row).status_code == 200
        assert client.post(row, {}).status_code == open_console(Role.FINANCE).post(row, {}).status_code == 403
    for found in ({"q": "C-46"}, {"invoice__id__exact": invoice.pk}):
        page = client.get(reverse(LINES), found)
        assert len(page.context["cl"].result_list) == 1


def test_the_page_of_an_invoice_costs_the_same_however_long_it_is():
    client = open_console(Role.FINANCE)
    counts = []
    for number in (2, 30):
        invoice = take(*(line(carried()) for _ in range(number)), number=f"C-{number}")
        url = reverse("admin:payouts_courierinvoice_change", args=[invoice.pk])
        client.get(url)
        with CaptureQueriesContext(connection) as queries:
            client.get(url)
        counts.append(len(queries))
    assert counts[0] == counts[1]
