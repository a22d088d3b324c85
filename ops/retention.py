"""How long rows are kept, and the one batched job that forgets the older ones by an index on time (ARCHITECTURE)."""

from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.db import connection

log = structlog.get_logger(__name__)
BATCH = 2_000


@dataclass(frozen=True)
class Rule:
    """Rows of `table` whose `column` is older than `keep` (and that match `also`) are deleted, or `set` is applied."""

    table: str
    column: str
    keep: timedelta
    also: str = "true"
    set: str = ""


NOT_SUSPECTED = """NOT EXISTS (
    SELECT FROM deliveries_fraudflag f WHERE f.delivery_id = deliveries_track.delivery_id AND f.status = 'open'
)"""
NOT_REVOKED = """NOT EXISTS (
    SELECT FROM token_blacklist_blacklistedtoken b WHERE b.token_id = token_blacklist_outstandingtoken.id
)"""
RULES = [
    Rule("foundation_event", "recorded_at", timedelta(days=730)),
    Rule("foundation_job", "processed_at", timedelta(days=7), also="state IN ('done', 'ignored', 'discarded')"),
    Rule("foundation_outboundcall", "created_at", timedelta(days=90)),
    Rule("token_blacklist_outstandingtoken", "expires_at", timedelta(days=1), also=NOT_REVOKED),
    Rule("foundation_idempotencykey", "created_at", timedelta(days=30)),
    Rule("foundation_ratelimit", "free_at", timedelta(0)),
    Rule(
        "webhook_events",
        "created_at",
        timedelta(days=30),
        also="body IS NOT NULL",
        set="body_sha256 = encode(sha256(body), 'hex'), body = NULL",
    ),
    Rule("webhooks_webhookattempt", "created_at", timedelta(days=30)),
    Rule("deliveries_track", "received_at", timedelta(days=1), also=NOT_SUSPECTED),
    Rule("deliveries_trackinglink", "expires_at", timedelta(days=30)),
    Rule("deliveries_dispatchdecision", "created_at", timedelta(days=30)),
    Rule("notifications_message", "created_at", timedelta(days=180), also="state NOT IN ('pending', 'leased')"),
    Rule("notifications_phonecall", "created_at", timedelta(days=30), also="state NOT IN ('pending', 'leased')"),
]


def forget_old_rows() -> dict[str, int]:
    """Apply every rule in batches, each its own commit. Returns rows touched per table."""
    touched = {}
    for rule in RULES:
        touched[rule.table] = _apply_rule(rule)
    log.info("old_rows_forgotten", **touched)
    return touched


def _apply_rule(rule: Rule) -> int:
    verb = f"UPDATE {rule.table} SET {rule.set}" if rule.set else f"DELETE FROM {rule.table}"  # noqa: S608
    past = f"{rule.column} < now() - make_interval(days => %s) AND {rule.also}"
    old = f"SELECT ctid FROM {rule.table} WHERE {past} LIMIT {BATCH}"  # noqa: S608
    statement = f"{verb} WHERE ctid = ANY(ARRAY({old}))"
    total = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(statement, [rule.keep.days])
            total += cursor.rowcount
            if cursor.rowcount < BATCH:
                return total
