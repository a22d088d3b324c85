"""The couriers' page: how each courier company has done in the last seven days (SPEC C9).

All of it from our own rows, by indexes that end in a time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from deliveries.couriers import circuit_breaker, providers
from deliveries.couriers.providers.base import CourierProvider
from deliveries.models import CircuitBreaker
from foundation import money
from ops.console.figures import list_link
from payouts.ledger import courier_costs

WINDOW = timedelta(days=7)


@dataclass(frozen=True)
class CourierSummary:
    """One company. Shares are of the jobs that ended; times are medians in seconds, `lag_p95_s` of its webhooks."""

    name: str
    title: str
    enabled: bool
    breaker: str
    unavailable: str
    requested: int
    delivered: int
    success: float | None
    cancelled: float | None
    quote_s: float | None
    assigned_s: float | None
    calls: int
    failed_calls: int
    lag_p95_s: float | None
    spend: str
    deliveries_link: str
    webhooks_link: str

    @property
    def success_percent(self) -> int:
        return round(100 * (self.success or 0))

    @property
    def cancelled_percent(self) -> int:
        return round(100 * (self.cancelled or 0))


def list_summaries(now: datetime) -> list[CourierSummary]:
    since = now - WINDOW
    states = {breaker.courier: breaker for breaker in CircuitBreaker.objects.all()}
    return [
        _build_summary(provider, states.get(provider.name), since)
        for provider in providers.courier_providers().values()
    ]


def _build_summary(provider: CourierProvider, breaker: CircuitBreaker | None, since: datetime) -> CourierSummary:
    requested, delivered, failed, cancelled, assigned_s = _fetch_row(
        """
        SELECT count(*), count(*) FILTER (WHERE status = 'delivered'),
               count(*) FILTER (WHERE status IN ('failed', 'returned')), count(*) FILTER (WHERE status = 'cancelled'),
               percentile_cont(0.5) WITHIN GROUP (
                   ORDER BY extract(epoch FROM assigned_at - created_at)) FILTER (WHERE assigned_at > created_at)
        FROM deliveries_delivery WHERE courier = %s AND created_at >= %s
        """,
        [provider.name, since],
    )
    calls, failed_calls, quote_ms = _fetch_row(
        """
        SELECT count(*), count(*) FILTER (WHERE outcome IN ('transient', 'unknown')),
               percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms) FILTER (WHERE purpose LIKE '%%quote%%')
        FROM foundation_outboundcall WHERE provider = %s AND created_at >= %s
        """,
        [provider.name, since],
    )
    [lag] = _fetch_row(
        """
        SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM processed_at - created_at))
        FROM webhook_events WHERE provider = %s AND created_at >= %s
        """,
        [provider.name, since],
    )
    ended = delivered + failed + cancelled
    return CourierSummary(
        name=provider.name,
        title=provider.title,
        enabled=provider.is_enabled(),
        breaker=breaker.get_state_display() if breaker else "Closed: never asked",
        unavailable=circuit_breaker.refusal_reason(provider.name),
        requested=requested,
        delivered=delivered,
        success=delivered / ended if ended else None,
        cancelled=cancelled / ended if ended else None,
        quote_s=None if quote_ms is None else float(quote_ms) / 1000,
        assigned_s=assigned_s,
        calls=calls,
        failed_calls=failed_calls,
        lag_p95_s=lag,
        spend=_format_earned(provider.name, since),
        deliveries_link=list_link("deliveries_delivery", courier=provider.name),
        webhooks_link=list_link("webhooks_webhookevent", provider=provider.name),
    )


def _format_earned(courier: str, since: datetime) -> str:
    """What it earned of us, by the ledger."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT a.currency, sum(e.amount_minor) FROM payouts_ledgerentry e
            JOIN payouts_ledgeraccount a ON a.id = e.account_id
            WHERE a.id = ANY(%s) AND e.occurred_at >= %s AND e.kind <> 'debit'
            GROUP BY a.currency ORDER BY a.currency
            """,
            [list(courier_costs.accounts_of(courier).values_list("pk", flat=True)), since],
        )
        return ", ".join(money.format_money(int(amount), currency) for currency, amount in cursor.fetchall()) or "–"


def _fetch_row(query: str, params: list[Any]) -> tuple:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return cursor.fetchone()
