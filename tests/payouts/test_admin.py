"""The console's pages of the money room (SPEC A3, A5): seen by all staff, acted on by finance, with a reason."""

from datetime import date
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from foundation.models import Event, Role
from payouts.lifecycle import PayoutStatus
from payouts.models import BankPayout, ConnectAccount, LedgerAccount, LedgerEntry, PayeeKind, Payout
from payouts.runs import runs
from tests import builders
from tests.payouts import money

pytestmark = pytest.mark.django_db
PAYOUTS = "admin:payouts_payout_changelist"
REASON = "I looked at Stripe"


def console(role: Role = Role.FINANCE) -> Client:
    client = Client()
    client.force_login(builders.user(role))
    return client


def connection_of(payee_id: int) -> ConnectAccount:
    return ConnectAccount.objects.create(
        payee_kind=PayeeKind.STORE, payee_id=payee_id, stripe_account=f"acct_{payee_id}", payouts_enabled=True
    )


@pytest.fixture
def one() -> Payout:
    connection_of(1)
    money.owed(1, 1_234)
    return runs.run_stores(date(2026, 11, 20)).frozen[0]


def act(client: Client, action: str, payout: Payout, *, confirmed: bool = True) -> Any:
    data = {"action": action, "_selected_action": [str(payout.pk)]}
    if confirmed:
        data |= {"confirmed": "1", "reason": REASON, "nonce": "5b1cf2f6-1a37-4a4c-9d5a-6a7c1e0a4a11"}
    return client.post(reverse(PAYOUTS), data, follow=True)


def status(payout: Payout) -> str:
    return Payout.objects.get(pk=payout.pk).status


# spec: A3
def test_a_pending_payout_is_cancelled_with_a_reason(one):
    client = console()
    page = act(client, "cancel_payout", one, confirmed=False)
    assert "Cancel: back to the balance?" in page.content.decode()
    assert status(one) == PayoutStatus.PENDING
    done = act(client, "cancel_payout", one).content.decode()
    assert "cancelled, $12.34 is payable again" in done
    assert status(one) == PayoutStatus.CANCELLED
    event = Event.objects.get(name="payout.status_changed")
    assert (event.cause, event.data["why"], event.actor.startswith("user:")) == ("admin", REASON, True)
    assert REASON in LogEntry.objects.get().change_message
    assert money.stands(PayeeKind.STORE, 1, "USD") == (0, 1_234)


def test_a_payout_in_review_is_approved(one):
    Payout.objects.filter(pk=one.pk).update(status=PayoutStatus.REVIEW, state="dead", failure="silence")
    client = console()
    assert "silence" in act(client, "approve_payout", one, confirmed=False).content.decode()
    act(client, "approve_payout", one)
    approved = Payout.objects.get(pk=one.pk)
    assert (approved.status, approved.state, approved.retry_count) == (PayoutStatus.SUBMITTING, "pending", 0)
    assert approved.approved_by is not None
    assert approved.approved_by.role == Role.FINANCE


def test_what_cannot_be_done_is_said_and_nothing_changes(one):
    said = act(console(), "approve_payout", one).content.decode()
    assert "Only a payout in review can be approved, this one is pending" in said
    assert status(one) == PayoutStatus.PENDING
    assert "is due now" in act(console(), "retry_payout", one).content.decode()


@pytest.mark.parametrize("role", [Role.READ_ONLY, Role.OPS_AGENT, Role.OPS_LEAD])
@pytest.mark.parametrize("action", ["approve_payout", "retry_payout", "cancel_payout"])
def test_only_finance_acts(one, role, action):
    act(console(role), action, one)
    assert status(one) == PayoutStatus.PENDING
    assert not Event.objects.filter(cause="admin").exists()


def test_every_page_shows_and_nothing_can_be_edited(one):
    BankPayout.objects.create(
        stripe_payout="po_1", stripe_account="acct_1", amount_minor=5, currency="USD", made_at=one.created_at
    )
    client = console(Role.READ_ONLY)
    for model in (Payout, LedgerAccount, LedgerEntry, ConnectAccount, BankPayout):
        name = f"admin:payouts_{model._meta.model_name}"
        assert client.get(reverse(f"{name}_changelist")).status_code == 200
        row = reverse(f"{name}_change", args=[model.objects.latest("pk").pk])
        assert client.get(row).status_code == 200
        assert client.post(row, {}).status_code == 403
        assert console(Role.FINANCE).post(row, {}).status_code == 403
    history = client.get(reverse("admin:payouts_payout_change", args=[one.pk])).content.decode()
    assert "payout.frozen" in history


def test_the_accounts_page_says_what_stands_in_the_way_of_a_payout(settings):
    settings.MIN_PAYOUT_MINOR = 100
    for payee_id, amount, connected in ((1, 500, True), (2, 500, False), (3, 5, True), (4, -5, True)):
        money.owed(payee_id, amount)
        if connected:
            connection_of(payee_id)
    client = console()
    url = reverse("admin:payouts_ledgeraccount_changelist")
    page = client.get(url, {"kind__exact": "payable"}).content.decode()
    for words in ("ready", "has no Stripe account", "below the minimum", "is negative"):
        assert page.count(words) == 1
    with CaptureQueriesContext(connection) as few:
        client.get(url)
    for payee_id in range(10, 30):
        money.owed(payee_id, 500)
    with CaptureQueriesContext(connection) as many:
        client.get(url)
    assert len(many) == len(few)


def test_rows_are_found_by_exact_ids(one):
    client = console()
    Payout.objects.update(stripe_transfer="tr_1")

    def found(name: str, text: str) -> int:
        page = client.get(reverse(f"admin:payouts_{name}_changelist"), {"q": text})
        return len(page.context["cl"].result_list)

    assert [found("payout", text) for text in (str(one.public_id), "acct_1", "tr_1", "tr_2")] == [1, 1, 1, 0]
    assert [found("ledgeraccount", text) for text in ("store:1", "store:2", "Store")] == [2, 0, 2]
