"""Stripe's side of payout tests: the sandbox's books, its events, and stores that are connected to it."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

import requests
from django.db.models.functions import Now

from foundation.work import OPEN
from payouts.models import ConnectAccount, LedgerAccount, PayeeKind, Payout
from payouts.runs import connected_accounts, runs, transfers
from payouts.runs.stripe_events import AccountDeauthorized, AccountUpdated
from tests.payouts import money
from tests.sandbox.process import Sandbox
from webhooks.stripe import read_event

LANE = replace(transfers.QUEUE, threads=1)  # in this thread, on this test's connection
ABLE = {"charges_enabled": True, "payouts_enabled": True, "capabilities": {"transfers": "active"}}


def connected(sandbox: Sandbox, payee_id: int, *, kind: PayeeKind = PayeeKind.STORE, able: bool = True) -> str:
    """An account at Stripe that may receive transfers, known on both sides. Returns its id."""
    account = connected_accounts.open_account(kind, payee_id, email="", country="US")
    if able:
        sandbox.control("PUT", f"stripe/accounts/{account.stripe_account}", ABLE)
        ConnectAccount.objects.filter(pk=account.pk).update(charges_enabled=True, payouts_enabled=True)
    return account.stripe_account


def topup(sandbox: Sandbox, amount_minor: int, currency: str = "usd") -> None:
    sandbox.control("POST", "stripe/topup", {"amount": amount_minor, "currency": currency})


def owed_and_connected(sandbox: Sandbox, payee_id: int, amount_minor: int) -> tuple[LedgerAccount, str]:
    account_id = connected(sandbox, payee_id)
    topup(sandbox, amount_minor)
    return money.owed(payee_id, amount_minor), account_id


def sent(sandbox: Sandbox) -> dict[str, int]:
    """What each account has received by transfers, less what was reversed."""
    received: dict[str, int] = defaultdict(int)
    for transfer in sandbox.control("GET", "stripe/summary")["transfers"]:
        received[transfer["destination"]] += transfer["amount"] - transfer["amount_reversed"]
    return dict(received)


def transfers_of(sandbox: Sandbox, payout: Payout) -> list[dict[str, Any]]:
    found = sandbox.control("GET", "stripe/summary")["transfers"]
    return [transfer for transfer in found if transfer["transfer_group"] == str(payout.public_id)]


def post(sandbox: Sandbox, path: str, **form: Any) -> dict[str, Any]:
    """A call that somebody else makes with our key, say a person at Stripe's dashboard."""
    key = sandbox.env["STRIPE_SECRET_KEY"]
    answer = requests.post(f"{sandbox.url}/stripe/v1/{path}", data=form, auth=(key, ""), timeout=10)
    answer.raise_for_status()
    return answer.json()


def events(sandbox: Sandbox, *, account: str = "", types: str = "") -> list[dict[str, Any]]:
    """What Stripe has to tell, oldest first: of the platform, or of one connected account."""
    headers = {"Stripe-Account": account} if account else {}
    params = {"limit": 100} | ({"type": types} if types else {})
    key = sandbox.env["STRIPE_SECRET_KEY"]
    url = f"{sandbox.url}/stripe/v1/events"
    answer = requests.get(url, params=params, headers=headers, auth=(key, ""), timeout=10)
    answer.raise_for_status()
    return list(reversed(answer.json()["data"]))


def take(event: dict[str, Any]) -> Any:
    """Hand one of Stripe's events to the room that owns it, as the door does."""
    seen = read_event(event)
    if seen is None:
        return None
    if isinstance(seen, AccountUpdated | AccountDeauthorized):
        return connected_accounts.apply_account_event(seen)
    return runs.apply_stripe_event(seen)


def make_due() -> None:
    """Leases run out, waits are over."""
    Payout.objects.filter(state__in=OPEN).update(due_at=Now())


def drain(rounds: int = 30) -> None:
    """Work the work queue off, attempt after attempt, until nothing is open or `rounds` are over."""
    for _ in range(rounds):
        make_due()
        if LANE.drain_once() == 0:
            return


def attempt() -> None:
    """One attempt at everything that is open."""
    make_due()
    LANE.drain_once()
