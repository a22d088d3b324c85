"""The end of a day: Handoff's books held against what customers, riders and Stripe know."""

from collections.abc import Callable
from typing import Any

from sandbox.city.tally import Tally

SURPRISES_SHOWN = 10
LISTED = 4


def verify_day(handoff: dict[str, Any], stripe: dict[str, Any], tally: Tally, say: Callable[[str], None]) -> bool:
    """Print the summary and whether each statement holds. True: all of them do."""
    say("")
    _print_summary(handoff, tally, say)
    claims = _list_claims(handoff, stripe, tally)
    say("")
    for name, (left, right) in claims.items():
        same = left == right
        say(f"  {'✓' if same else '✗'} {name}: {_shorten_list(left) if same else f'{left} ≠ {right}'}")
    for failure in handoff["books"]["failures"]:
        say(f"  ✗ the ledger: {failure}")
    for text in tally.surprises[:SURPRISES_SHOWN]:
        say(f"  ! {text}")
    if len(tally.surprises) > SURPRISES_SHOWN:
        say(f"  ! and {len(tally.surprises) - SURPRISES_SHOWN} more of that kind")
    proved = all(left == right for left, right in claims.values()) and not handoff["books"]["failures"]
    say("\nThe books are proved." if proved else "\nThe books do NOT agree.")
    return proved


def _shorten_list(side: Any) -> Any:
    """A long list that agrees is told by its sum."""
    if not isinstance(side, dict) or len(side) <= LISTED:
        return side
    return f"{len(side)} that come to {sum(side.values())}"


def _list_claims(handoff: dict[str, Any], stripe: dict[str, Any], tally: Tally) -> dict[str, tuple[Any, Any]]:
    """Each statement with its two sides, from two different sources wherever there are two."""
    orders, transfers = handoff["orders"], stripe["transfers"]
    sent = {transfer["transfer_group"]: transfer["amount"] - transfer["reversed"] for transfer in transfers}
    captured = {currency.upper(): amount for currency, amount in stripe["captured"].items()}
    refunded = {currency.upper(): amount for currency, amount in stripe["refunded"].items() if amount}
    return {
        "orders in = orders out (delivered, cancelled, failed or refunded)": (orders["total"], orders["ended"]),
        "orders that customers placed are known": (len(set(tally.placed.values()) - set(handoff["order_refs"])), 0),
        "handed over by riders = delivered": (len(tally.delivered - set(handoff["delivered_refs"])), 0),
        "delivered orders = deliveries earned once": (
            orders["delivered"],
            handoff["earnings"]["deliveries_earned"] + handoff["couriers"]["earned"],
        ),
        "delivered by companies = by our books": (
            _count_delivered(stripe["jobs"]),
            handoff["couriers"]["delivered"],
        ),
        "jobs still live at companies": (_count_live(stripe["jobs"]), 0),
        "earned twice": (handoff["earnings"]["earned_twice"], 0),
        "payments booked = captured by Stripe": (handoff["payments"]["captured"], captured),
        "refunds booked = refunded by Stripe": (handoff["payments"]["refunded"], refunded),
        "differences refunded by Stripe = taken off orders": (
            stripe["refunded_for"].get("substitution", {}),
            {currency.lower(): amount for currency, amount in handoff["payments"]["taken_off"].items()},
        ),
        "suggestions decided as the customers wanted": (
            [ref for ref, status in tally.wanted.items() if handoff["substitutions"].get(ref) != status],
            [],
        ),
        "store payouts = transfers at Stripe": (handoff["payouts"]["sent"], sent),
        "transfers at Stripe are one per payout": (len(transfers), len(sent)),
        "rider earnings = open balances": (handoff["earnings"]["riders_earned"], handoff["earnings"]["riders_open"]),
        "webhooks unprocessed": (handoff["webhooks"]["unprocessed"], 0),
        "events Stripe created = received": (stripe["events"]["created"], handoff["webhooks"]["stripe_events"]),
        "cheats that got through": (tally.cheats["got through"], 0),
    }


def _count_delivered(jobs: dict[str, list[dict[str, Any]]]) -> dict[str, int]:
    found = {company: sum(job["stage"] == "delivered" for job in made) for company, made in jobs.items()}
    return {company: count for company, count in found.items() if count}


def _count_live(jobs: dict[str, list[dict[str, Any]]]) -> int:
    return sum(job["live"] for made in jobs.values() for job in made)


def _print_summary(handoff: dict[str, Any], tally: Tally, say: Callable[[str], None]) -> None:
    latency = handoff["webhooks"]["latency_s"]
    say(f"orders      {_format_counts(handoff['orders']['by_status'])}; refused at placing {len(tally.refused)}")
    say(f"offers      {_format_counts(handoff['offers'])}")
    say(f"on time     {handoff['orders']['on_time']} of {handoff['orders']['delivered']} delivered by the promise")
    say(
        f"webhooks    {handoff['webhooks']['received']} received, {handoff['webhooks']['processed']} processed; receipt"
        f" to effect p50 {latency['p50']:.3f} s, p95 {latency['p95']:.3f} s, p99 {latency['p99']:.3f} s"
    )
    say(f"messages    {_format_counts(handoff['messages'])}")
    say(f"cheats      {_format_counts(tally.cheats)}; flags {_format_counts(handoff['flags'])}")
    couriers = handoff["couriers"]
    say(f"companies   delivered {_format_counts(couriers['delivered'])}; {couriers['given_up']} jobs went elsewhere")
    say(f"suggestions {len(tally.suggested)} by the stores' tablets; answered {_format_counts(tally.answers)}")
    say(f"payouts     {_format_counts(handoff['payouts']['by_status'])}")


def _format_counts(counts: Any) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
