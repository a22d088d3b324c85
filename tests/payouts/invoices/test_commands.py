"""A courier company's invoice beside our own deliveries: what differs is found, decided and settled (SPEC C6, M6)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from django.db import connection

from deliveries.lifecycle import DeliveryStatus
from deliveries.models import CourierJob, Delivery
from foundation import clock, jobs
from foundation.errors import Conflict, Invalid, NotFound
from foundation.models import Event, Job
from notifications.incidents import service
from notifications.models import Incident, IncidentStatus
from payouts import audit, reactions
from payouts.invoices import commands, expected_charges, matching
from payouts.lifecycle import InvoiceStatus
from payouts.models import CourierDebit, CourierInvoice, CourierInvoiceLine, LedgerEntry
from tests.payouts import money
from tests.payouts.invoices.invoice_files import MONDAY, SUNDAY, at, carried, file, line, take
from tests.payouts.money import by_finance, of_courier

pytestmark = pytest.mark.django_db
FEE = 475
WEEK = timedelta(days=7)


def verdicts(invoice: CourierInvoice) -> dict[str, tuple[str, int | None, int | None]]:
    """By line ("line 2", or the id of one that is not on it): verdict, what is asked, what we expected."""
    lines = CourierInvoiceLine.objects.filter(invoice=invoice).order_by("position", "pk")
    return {
        f"line {one.position}" if one.position else one.external_id: (one.verdict, one.amount_minor, one.expected_minor)
        for one in lines
    }


def status(invoice: CourierInvoice) -> str:
    return CourierInvoice.objects.get(pk=invoice.pk).status


def standing(kind: str | None = None) -> list[Incident]:
    rows = Incident.objects.exclude(status=IncidentStatus.RESOLVED).order_by("pk")
    return list(rows.filter(kind=kind) if kind else rows)


def differing(invoice: CourierInvoice) -> list[CourierInvoiceLine]:
    return list(matching.open_differences(invoice))


def accept(one: CourierInvoiceLine, reason: str = "they are right") -> None:
    commands.accept_line(one, by_finance(), reason)


def debit(invoice: CourierInvoice, amount_minor: int, reference: str = "txn_1", on: date = SUNDAY) -> bool:
    return commands.record_debit(
        invoice, amount_minor=amount_minor, debited_on=on, reference=reference, by=by_finance(), reason="seen at Stripe"
    )


# ── what we expect ───────────────────────────────────────────────────────────────────────────────────────────────
# spec: C6, M6
def test_we_expect_what_was_earned_in_the_period():
    inside = [carried(ended_at=moment) for moment in (at(0, 0), at(3), at(6, 23))]
    stopped = carried(DeliveryStatus.CANCELLED, ended_at=at(4))
    carried(ended_at=at(-1, 23))
    carried(ended_at=at(7, 0))
    carried(DeliveryStatus.FAILED)
    carried(courier="uber", job={"fee_minor": 700, "fee_currency": "USD"})
    for overruled in (carried(), carried(DeliveryStatus.CANCELLED)):
        Delivery.objects.filter(pk=overruled.pk).update(status=DeliveryStatus.FAILED)
        reactions.book_delivery(overruled.pk)
    lines = expected_charges.list_expected_charges("cooco", MONDAY, SUNDAY)
    assert [one.delivery for one in lines] == [inside[0], inside[1], stopped, inside[2]]
    assert [(one.kind, one.amount_minor) for one in lines].count(("delivery_fee", FEE)) == 3
    assert expected_charges.total_charges(lines) == {"USD": 3 * FEE + 500}
    assert expected_charges.list_expected_charges("doordash", MONDAY, SUNDAY) == []


def test_a_cancelled_delivery_that_arrived_after_all_is_expected_once_where_it_arrived():
    delivery = carried(DeliveryStatus.CANCELLED)
    Delivery.objects.update(status=DeliveryStatus.DELIVERED, ended_at=at(8))
    reactions.book_delivery(delivery.pk)
    assert expected_charges.list_expected_charges("cooco", MONDAY, SUNDAY) == []
    assert expected_charges.total_charges(
        expected_charges.list_expected_charges("cooco", MONDAY + WEEK, SUNDAY + WEEK)
    ) == {"USD": FEE}


# ── matching ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_invoice_as_we_expected_it_is_matched():
    first, stopped = carried(), carried(DeliveryStatus.CANCELLED)
    invoice = take(line(first), line(stopped, 500, kind="cancellation"))
    assert (invoice.status, invoice.total_minor, invoice.currency) == (InvoiceStatus.MATCHED, FEE + 500, "USD")
    assert invoice.due_at == at(13, 0)
    assert invoice.imported_by is not None
    assert {verdict for verdict, _, _ in verdicts(invoice).values()} == {"same"}
    assert standing() == []
    event = Event.objects.get(name="courier_invoice.imported")
    assert event.data == {"total_minor": FEE + 500, "lines": 2, "replaces": ""}


def test_one_line_added_one_missing_one_altered_one_twice_each_is_found():
    right, missing, altered, twice = (carried() for _ in range(4))
    invoice = take(line(right), line(altered, 575), line(), line(twice), line(twice))
    assert verdicts(invoice) == {
        "line 2": ("same", FEE, FEE),
        "line 3": ("amount_differs", 575, FEE),
        "line 4": ("unknown_to_us", FEE, None),
        "line 5": ("same", FEE, FEE),
        "line 6": ("twice", FEE, 0),
        missing.external_id: ("missing_in_invoice", None, FEE),
    }
    assert invoice.status == InvoiceStatus.DIFFERING
    found = standing("courier_invoice_line")
    assert [(one.detail["verdict"], one.detail["asked_minor"], one.detail["expected_minor"]) for one in found] == [
        ("amount_differs", 575, FEE),
        ("unknown_to_us", FEE, None),
        ("twice", FEE, 0),
        ("missing_in_invoice", None, FEE),
    ]
    assert found[0].title == f"{altered.external_id}: cooco invoice C-46 asks $5.75, we expected $4.75"
    assert found[0].order_ref == altered.order.public_id
    for _ in range(2):
        assert commands.rematch_invoice(invoice) == InvoiceStatus.DIFFERING
    assert [one.count for one in standing()] == [1, 1, 1, 1]


def test_a_delivery_is_found_by_the_companys_id_where_ours_is_unknown():
    delivery = carried()
    assert verdicts(take(line(delivery, external_id="")))["line 2"] == ("same", FEE, FEE)


@pytest.mark.parametrize("courier", ["uber", "in_house"])
def test_a_delivery_that_somebody_else_carried_is_unknown(courier):
    delivery = carried(DeliveryStatus.FAILED, courier=courier)
    assert verdicts(take(line(delivery)))["line 2"] == ("unknown_to_us", FEE, None)


def test_a_delivery_that_earned_nothing_is_asked_too_much_for():
    assert verdicts(take(line(carried(DeliveryStatus.FAILED))))["line 2"] == ("amount_differs", FEE, 0)


def test_what_an_earlier_invoice_charged_is_charged_twice():
    delivery = carried()
    take(line(delivery))
    again = take(
        line(delivery, completed_at="2026-11-17T09:00:00Z"), number="C-47", first=MONDAY + WEEK, last=SUNDAY + WEEK
    )
    assert verdicts(again) == {"line 2": ("twice", FEE, 0)}


def test_what_is_missing_here_and_on_the_next_invoice_is_no_longer_missing():
    present, late = carried(), carried(ended_at=at(6, 23))
    invoice = take(line(present))
    assert status(invoice) == InvoiceStatus.DIFFERING
    following = take(line(late), number="C-47", first=MONDAY + WEEK, last=SUNDAY + WEEK)
    assert following.status == InvoiceStatus.MATCHED
    commands.recheck_invoices()
    assert (status(invoice), standing()) == (InvoiceStatus.MATCHED, [])


def test_news_after_the_import_is_followed():
    delivery = carried(DeliveryStatus.FAILED)
    invoice = take(line(delivery))
    assert status(invoice) == InvoiceStatus.DIFFERING
    Delivery.objects.update(status=DeliveryStatus.DELIVERED)
    reactions.book_delivery(delivery.pk)
    assert commands.recheck_invoices() == 1
    assert (status(invoice), standing()) == (InvoiceStatus.MATCHED, [])
    assert Incident.objects.get().resolution == "the invoice and our ledger agree"


def test_what_a_delivery_cost_after_all_is_booked_by_the_nightly_look():
    delivery = carried(DeliveryStatus.CANCELLED, job={"history": {"stopped": at(1).isoformat()}})
    assert of_courier() == (0, 0)
    CourierJob.objects.filter(pk=delivery.pk).update(fee_minor=500, fee_currency="USD")
    commands.recheck_invoices()
    jobs.run_job(Job.objects.get(handler="payouts.book_delivery", subject=f"delivery:{delivery.pk}"))
    assert of_courier() == (0, 500)


def test_a_wrong_file_does_not_bury_ops(monkeypatch):
    monkeypatch.setattr(matching, "MOST_INCIDENTS", 3)
    invoice = take(*(line(external_id=f"theirs-{number}") for number in range(5)))
    assert len(standing("courier_invoice_line")) == 3
    assert [one.title for one in standing("courier_invoice_differs")] == [
        "5 lines of cooco invoice C-46 differ, and only the first are reported each: is it the right file?"
    ]
    assert commands.accept_all(invoice, by_finance(), "it is") == 5
    assert (standing(), of_courier()) == ([], (0, 5 * FEE))


# ── accepting ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_accepted_differences_are_booked_and_their_incidents_closed():
    altered, twice, missing = carried(), carried(), carried()
    invoice = take(line(altered, 575), line(twice), line(twice), line())
    for one in differing(invoice):
        accept(one, "the driver waited")
    assert (status(invoice), standing()) == (InvoiceStatus.MATCHED, [])
    assert {one.resolution for one in Incident.objects.all()} == {"accepted: the driver waited"}
    adjusted = LedgerEntry.objects.filter(kind="adjustment").order_by("id")
    assert [entry.amount_minor for entry in adjusted] == [100, FEE, FEE]
    assert adjusted[0].order_ref == altered.order.public_id
    assert of_courier() == (0, invoice.total_minor + FEE)  # what is missing stays owed
    assert missing.external_id in verdicts(invoice)
    assert audit.prove_ledger().failures == []


def test_a_line_is_accepted_once_and_only_where_it_differs():
    right, altered = carried(), carried()
    invoice = take(line(right), line(altered, 575))
    same, different = CourierInvoiceLine.objects.order_by("position")
    with pytest.raises(Conflict):
        accept(same)
    accept(different)
    with pytest.raises(Conflict):
        accept(different)
    for _ in range(3):
        commands.rematch_invoice(invoice)
    assert of_courier() == (0, invoice.total_minor)


def test_what_was_accepted_counts_no_longer_when_the_difference_changes():
    delivery = carried(DeliveryStatus.FAILED)
    invoice = take(line(delivery, 575))
    accept(differing(invoice)[0])
    assert of_courier() == (0, 575)
    Delivery.objects.update(status=DeliveryStatus.DELIVERED)
    reactions.book_delivery(delivery.pk)
    assert of_courier() == (0, 575 + FEE)
    assert commands.rematch_invoice(invoice) == InvoiceStatus.DIFFERING
    assert of_courier() == (0, FEE)
    assert len(standing()) == 1
    accept(differing(invoice)[0])
    assert of_courier() == (0, 575)
    assert audit.prove_ledger().is_proved


# ── the same file, and a corrected one ───────────────────────────────────────────────────────────────────────────
def heading(**facts) -> commands.InvoiceHeading:
    known = {"courier": "cooco", "number": "C-46", "period_from": MONDAY, "period_to": SUNDAY, "issued_on": SUNDAY}
    return commands.InvoiceHeading(**{**known, **facts})


def test_the_same_file_twice_is_the_same_invoice():
    delivery = carried()
    invoice = take(line(delivery))
    again, is_new = commands.import_invoice(heading(number="another"), file(line(delivery)), by=by_finance())
    assert (again, is_new) == (invoice, False)
    assert (CourierInvoice.objects.count(), CourierInvoiceLine.objects.count()) == (1, 1)


def test_the_same_number_with_another_content_is_refused_unless_it_replaces():
    delivery = carried()
    take(line(delivery))
    with pytest.raises(Conflict, match="imported before"):
        take(line(delivery, 500))
    with pytest.raises(NotFound):
        take(line(delivery, 500), number="C-46b", replaces="C-45")
    assert CourierInvoice.objects.count() == 1


@pytest.mark.parametrize("number", ["C-46", "C-46-corrected"])
def test_a_corrected_invoice_replaces_it_with_all_that_followed_from_it(number):
    altered, missing = carried(), carried()
    old = take(line(altered, 575), line())
    accept(differing(old)[0])
    debit(old, 2 * FEE)
    assert {one.kind for one in standing()} == {"courier_invoice_line", "courier_debit_differs"}
    new = take(line(altered), line(missing), number=number, replaces="C-46")
    assert (status(old), status(new)) == (InvoiceStatus.REPLACED, InvoiceStatus.SETTLED)
    assert new.replaces == old
    assert (standing(), of_courier()) == ([], (0, 0))
    assert CourierDebit.objects.get().invoice == new
    assert audit.prove_ledger().failures == []
    with pytest.raises(Conflict):
        debit(old, 5, "txn_2")
    with pytest.raises(Conflict):
        accept(CourierInvoiceLine.objects.filter(invoice=old).exclude(verdict="same").first())


def test_a_bad_file_leaves_nothing_behind():
    delivery = carried()
    with pytest.raises(Invalid, match="line 3, column total"):
        take(line(delivery), line(delivery, "4.75"))
    for facts in ({"courier": "uber"}, {"last": MONDAY - WEEK}, {"last": MONDAY + 52 * WEEK}):
        with pytest.raises(Invalid):
            take(line(delivery), **facts)
    assert not CourierInvoice.objects.exists()


# ── the debit ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_debit_of_the_total_settles_the_invoice_and_empties_the_account():
    invoice = take(line(carried()))
    assert debit(invoice, FEE)
    assert (status(invoice), of_courier()) == (InvoiceStatus.SETTLED, (0, 0))
    entry = LedgerEntry.objects.get(kind="debit")
    assert (entry.amount_minor, entry.occurred_at, entry.note) == (-FEE, at(6, 0), "cooco invoice C-46, txn_1")
    assert not debit(invoice, FEE)
    assert LedgerEntry.objects.filter(kind="debit").count() == 1
    report = audit.prove_ledger()
    assert report.is_proved
    assert report.checked["debits"] == 1
    assert report.totals["USD"] == {"provider_debited": FEE, "provider_held": 0, "provider_payable": 0}


def test_a_debit_of_another_amount_is_an_incident_until_the_sum_is_right():
    invoice = take(line(carried()))
    debit(invoice, 500)
    assert status(invoice) == InvoiceStatus.DIFFERING
    incident = standing("courier_debit_differs")[0]
    assert incident.title == "cooco invoice C-46 asks $4.75, $5.00 was taken"
    assert of_courier() == (0, -25)
    debit(invoice, -25, "txn_2")
    assert (status(invoice), standing(), of_courier()) == (InvoiceStatus.SETTLED, [], (0, 0))


def test_a_debit_that_cannot_be_is_refused():
    invoice, other = take(line(carried())), take(line(carried(), 476), number="C-47")
    debit(invoice, FEE)
    for wrong in ((invoice, 5), (other, FEE)):
        with pytest.raises(Conflict, match="txn_1 stands already"):
            debit(*wrong)
    with pytest.raises(Invalid):
        debit(other, 0, "txn_2")
    with pytest.raises(Invalid):
        debit(other, 5, "txn_2", on=clock.now().date() + timedelta(days=2))
    assert CourierDebit.objects.count() == 1


def test_an_invoice_that_nobody_debited_three_days_after_it_was_due_is_reported_once():
    invoice = take(line(carried()))
    for days, overdue in ((2, 0), (4, 1), (5, 1)):
        CourierInvoice.objects.update(due_at=clock.now() - timedelta(days=days))
        commands.recheck_invoices()
        assert len(standing("courier_debit_overdue")) == overdue
    debit(invoice, FEE)
    assert standing() == []


def test_a_debit_without_its_entry_and_an_entry_without_its_debit_are_seen():
    invoice = take(line(carried()))
    CourierDebit.objects.create(invoice=invoice, courier="cooco", amount_minor=5, debited_on=SUNDAY, reference="txn_1")
    assert [failure["what"] for failure in audit.prove_ledger().failures] == ["0 booked, 5 taken"]


def test_an_incident_resolved_by_hand_does_not_come_back_by_itself():
    invoice = take(line(carried(), 575))
    service.resolve_incident(standing()[0], by_finance(), "they will credit it")
    commands.recheck_invoices()
    assert (standing(), status(invoice)) == ([], InvoiceStatus.DIFFERING)


def test_an_account_that_nobody_needed_is_no_difference():
    invoice = take(line())
    assert verdicts(invoice) == {"line 2": ("unknown_to_us", FEE, None)}
    assert money.of_courier() == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_one_file_imported_by_several_at_once_is_one_invoice():
    raw, by = file(line(carried(), 575)), by_finance()

    def work(number: int) -> bool:
        try:
            return commands.import_invoice(heading(number=f"C-{number}"), raw, by=by)[1]
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(work, range(6))) == [False] * 5 + [True]
    assert (CourierInvoice.objects.count(), len(standing())) == (1, 1)
