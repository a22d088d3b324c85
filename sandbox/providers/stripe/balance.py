"""Who has how much: running sums per account and currency, in minor units, without fees.

platform available  = captured + topped_up + reversed - refunded - transferred
connected available = received - returned - paid_out + bounced
"""

from __future__ import annotations

from typing import Any

from sandbox.engine.store import Transaction
from sandbox.providers.stripe.operation import Call, stripe_operation

PLATFORM = "platform"
SIGNS = {
    "captured": 1,
    "topped_up": 1,
    "reversed": 1,
    "refunded": -1,
    "transferred": -1,
    "received": 1,
    "returned": -1,
    "paid_out": -1,
    "bounced": 1,
}


def book_amount(tx: Transaction, account: str, currency: str, kind: str, amount: int) -> None:
    tx.count_up(f"stripe/{account}/{kind}/{currency}", amount)


def sum_by_currency(tx: Transaction, account: str, kind: str) -> dict[str, int]:
    """Currency to amount, of one kind of booking."""
    return tx.list_counters(f"stripe/{account}/{kind}/")


def available_amounts(tx: Transaction, account: str) -> dict[str, int]:
    total: dict[str, int] = {}
    for name, amount in tx.list_counters(f"stripe/{account}/").items():
        kind, _, currency = name.partition("/")
        total[currency] = total.get(currency, 0) + SIGNS[kind] * amount
    return total


@stripe_operation()
def retrieve_balance(call: Call) -> dict[str, Any]:
    return as_object(available_amounts(call.tx, call.account or PLATFORM))


def as_object(amounts: dict[str, int]) -> dict[str, Any]:
    funds = [
        {"amount": amount, "currency": currency, "source_types": {"card": amount}}
        for currency, amount in sorted(amounts.items())
    ]
    return {
        "object": "balance",
        "available": funds or [{"amount": 0, "currency": "usd", "source_types": {"card": 0}}],
        "livemode": False,
        "pending": [],
    }
