"""How long rows are kept, and the one batched job that forgets the older ones by an index on time (docs/house.md)."""

from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.db import connection

log = structlog.get_logger(__name__)
BATCH = 2_000


@dataclass(frozen=True)
class RetentionRule:
    """Rows of `table` with `column` older than `max_age` that match `condition` are deleted, or `set` is applied."""

    table: str
    column: str
    max_age: timedelta
    condition: str = "true"
    set: str = ""


NOT_SUSPECTED = """NOT EXISTS (
    SELECT FROM deliveries_fraudflag f WHERE f.delivery_id = deliveries_track.delivery_id AND f.status = 'open'
)"""
NOT_REVOKED = """NOT EXISTS (
    SELECT FROM token_blacklist_blacklistedtoken b WHERE b.token_id = token_blacklist_outstandingtoken.id
)"""
RULES = [
    RetentionRule("foundation_event", "recorded_at", timedelta(days=730)),
    RetentionRule(
        "foundation_job", "processed_at", timedelta(days=7), condition="state IN ('done', 'ignored', 'discarded')"
    ),
    RetentionRule("foundation_outboundcall", "created_at", timedelta(days=90)),
    RetentionRule("token_blacklist_outstandingtoken", "expires_at", timedelta(days=1), condition=NOT_REVOKED),
    RetentionRule("foundation_idempotencykey", "created_at", timedelta(days=30)),
    RetentionRule("foundation_ratelimit", "free_at", timedelta(0)),
    RetentionRule(
        "webhook_events",
        "created_at",
        timedelta(days=30),
        condition="body IS NOT NULL",
        set="body_sha256 = encode(sha256(body), 'hex'), body = NULL",
    ),
    RetentionRule("webhooks_webhookattempt", "created_at", timedelta(days=30)),
    RetentionRule("deliveries_track", "received_at", timedelta(days=1), condition=NOT_SUSPECTED),
    RetentionRule("deliveries_trackinglink", "expires_at", timedelta(days=30)),
    RetentionRule("deliveries_dispatchdecision", "created_at", timedelta(days=30)),
    RetentionRule(
        "notifications_message", "created_at", timedelta(days=180), condition="state NOT IN ('pending', 'leased')"
    ),
    RetentionRule(
        "notifications_phonecall", "created_at", timedelta(days=30), condition="state NOT IN ('pending', 'leased')"
    ),
]


def forget_old_rows() -> dict[str, int]:
    """Apply every rule in batches, each its own commit. Returns rows touched per table."""
    touched = {}
    for rule in RULES:
        touched[rule.table] = _apply_rule(rule)
    log.info("old_rows_forgotten", **touched)
    return touched


def _apply_rule(rule: RetentionRule) -> int:
    verb = f"UPDATE {rule.table} SET {rule.set}" if rule.set else f"DELETE FROM {rule.table}"  # noqa: S608
    past = f"{rule.column} < now() - make_interval(days => %s) AND {rule.condition}"
    old = f"SELECT ctid FROM {rule.table} WHERE {past} LIMIT {BATCH}"  # noqa: S608
    statement = f"{verb} WHERE ctid = ANY(ARRAY({old}))"
    total = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(statement, [rule.max_age.days])
            total += cursor.rowcount
            if cursor.rowcount < BATCH:
                return total
