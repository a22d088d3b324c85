"""The whole house in one answer: what came in, what went out, what is under way (`manage.py summary --json`).

For the end of a day, a handover between shifts, a demo's proof. It reads everything there is: not for a page.
"""

from typing import Any

from django.db import connection

from orders.lifecycle import LIVE, OrderStatus
from payouts import audit

ENDED = sorted(set(OrderStatus) - LIVE)


def build_summary() -> dict[str, Any]:
    return {
        "orders": _summarize_orders(),
        "order_refs": _fetch_column("SELECT public_id FROM orders_order"),
        "delivered_refs": _fetch_column("SELECT public_id FROM orders_order WHERE delivered_at IS NOT NULL"),
        "payments": _summarize_payments(),
        "substitutions": _fetch_counts("SELECT public_id, status FROM orders_substitution"),
        "offers": _fetch_counts("SELECT status, count(*) FROM deliveries_offer GROUP BY 1"),
        "flags": _fetch_counts("SELECT kind || ' ' || status, count(*) FROM deliveries_fraudflag GROUP BY 1"),
        "earnings": _summarize_earnings(),
        "couriers": _summarize_couriers(),
        "payouts": _summarize_payouts(),
        "webhooks": _summarize_webhooks(),
        "messages": _fetch_counts(
            "SELECT coalesce(nullif(channel, ''), 'no channel') || ' ' || state, count(*)"
            " FROM notifications_message GROUP BY 1"
        ),
        "books": {"failures": audit.prove_ledger().failures},
    }


def _summarize_orders() -> dict[str, Any]:
    by_status = _fetch_counts("SELECT status, count(*) FROM orders_order GROUP BY 1")
    row = _fetch_row(
        "SELECT count(*) FILTER (WHERE delivered_at IS NOT NULL),"
        " count(*) FILTER (WHERE delivered_at <= promised_at) FROM orders_order"
    )
    return {
        "total": sum(by_status.values()),
        "ended": sum(count for status, count in by_status.items() if status in ENDED),
        "by_status": by_status,
        "delivered": row[0],
        "on_time": row[1],
    }


def _summarize_payments() -> dict[str, dict[str, int]]:
    """`taken_off`: how much less orders cost than was charged, because something was replaced or left out."""
    return {
        "taken_off": _fetch_counts(
            "SELECT currency, sum(authorised_minor - total_minor)::bigint FROM orders_order"
            " WHERE authorised_minor > total_minor GROUP BY 1"
        ),
        "captured": _fetch_counts("SELECT currency, sum(amount_minor)::bigint FROM orders_payment GROUP BY 1"),
        "refunded": _fetch_counts(
            "SELECT currency, sum(refunded_minor)::bigint FROM orders_payment GROUP BY 1 HAVING sum(refunded_minor) > 0"
        ),
    }


def _summarize_earnings() -> dict[str, Any]:
    """Rider money per currency: what was ever earned (less reversals) and what is still open on their accounts."""
    earned = (
        "FROM payouts_ledgerentry e JOIN payouts_ledgeraccount a ON a.id = e.account_id WHERE a.payee_kind = 'rider'"
    )
    (deliveries,) = _fetch_row(f"SELECT count(DISTINCT e.reference) {earned} AND e.kind = 'delivery_fee'")
    (entries,) = _fetch_row(f"SELECT count(*) {earned} AND e.kind = 'delivery_fee'")
    return {
        "deliveries_earned": deliveries,
        "earned_twice": entries - deliveries,
        "riders_earned": _fetch_counts(
            f"SELECT a.currency, sum(e.amount_minor)::bigint {earned}"
            " AND e.kind NOT IN ('payout', 'payout_return') GROUP BY 1"
        ),
        "riders_open": _fetch_counts(
            "SELECT currency, sum(balance_minor)::bigint FROM payouts_ledgeraccount"
            " WHERE payee_kind = 'rider' GROUP BY 1"
        ),
    }


def _summarize_couriers() -> dict[str, Any]:
    """Courier companies: what they delivered, what they earned of it, what they did not take in time."""
    (earned,) = _fetch_row(
        "SELECT count(DISTINCT e.reference) FROM payouts_ledgerentry e JOIN payouts_ledgeraccount a"
        " ON a.id = e.account_id WHERE a.payee_kind = 'provider' AND e.kind = 'delivery_fee'"
    )
    (given_up,) = _fetch_row(
        "SELECT count(*) FROM deliveries_delivery d JOIN deliveries_courierjob j ON j.delivery_id = d.id"
        " WHERE d.status = 'cancelled' AND j.stop_requested_at IS NULL"
    )
    delivered = "FROM deliveries_delivery WHERE courier <> 'in_house' AND status = 'delivered' GROUP BY 1"
    return {"earned": earned, "given_up": given_up, "delivered": _fetch_counts(f"SELECT courier, count(*) {delivered}")}


def _summarize_payouts() -> dict[str, Any]:
    return {
        "by_status": _fetch_counts("SELECT status, count(*) FROM payouts_payout GROUP BY 1"),
        "unsettled": _fetch_row("SELECT count(*) FROM payouts_payout WHERE status IN ('pending', 'submitting')")[0],
        "sent": _fetch_counts(
            "SELECT public_id::text, amount_minor - returned_minor FROM payouts_payout WHERE stripe_transfer <> ''"
        ),
    }


def _summarize_webhooks() -> dict[str, Any]:
    row = _fetch_row(
        """
        SELECT count(*), count(*) FILTER (WHERE processed), count(*) FILTER (WHERE NOT processed),
               count(*) FILTER (WHERE provider = 'stripe'),
               percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP
                   (ORDER BY extract(epoch FROM processed_at - created_at))
        FROM webhook_events
        """
    )
    p50, p95, p99 = row[4] or (0.0, 0.0, 0.0)
    return {
        "received": row[0],
        "processed": row[1],
        "unprocessed": row[2],
        "stripe_events": row[3],
        "latency_s": {"p50": float(p50), "p95": float(p95), "p99": float(p99)},
    }


def _fetch_row(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()


def _fetch_column(statement: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [row[0] for row in cursor.fetchall()]


def _fetch_counts(statement: str) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return dict(cursor.fetchall())
