"""The trap of cached plans: a worker that polled an empty table must not keep the plan that suited an empty table.

A server-side prepared statement keeps its plan; one that was planned for nothing drains thousands of rows several times
slower. So worker connections prepare nothing, and each claim is planned for the table as it is.
"""

import time

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from foundation.models import Job

pytestmark = pytest.mark.django_db(transaction=True)
POLL = "SELECT id FROM foundation_job WHERE state IN ('pending', 'leased') ORDER BY due_at LIMIT %s"


def add(count: int, state: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO foundation_job (handler, subject, state, due_at, created_at)"
            " SELECT 'test.work', 'thing:' || n, %s, clock_timestamp(), clock_timestamp()"
            " FROM generate_series(1, %s) n",
            [state, count],
        )


def prepared(raw: psycopg.Connection) -> int:
    row = raw.execute("SELECT count(*) FROM pg_prepared_statements", prepare=False).fetchone()
    assert row is not None
    return row[0]


# spec: W5
def test_polling_an_empty_table_leaves_no_plan_behind():
    started, polls = time.monotonic(), 0
    while time.monotonic() - started < 2:
        assert Job.claim_batch(limit=100, lease_s=60) == []
        polls += 1
    assert polls > 100  # far more often than a driver waits before it prepares a statement
    assert connection.connection.prepare_threshold is None
    assert prepared(connection.connection) == 0


def test_a_driver_left_to_itself_does_fall_into_the_trap():
    """The known-bad variant: what the test above would find if our connections prepared statements."""
    known = connection.get_connection_params()
    facts = {name: known[name] for name in ("host", "port", "dbname", "user", "password") if name in known}
    with psycopg.connect(**facts, autocommit=True) as raw:
        for _ in range(20):
            raw.execute(POLL, [100])
        assert prepared(raw) == 1


# spec: W5
@pytest.mark.parametrize("backlog", [5_000, 50_000])
def test_a_backlog_after_long_polling_is_read_along_its_index(backlog):
    """A hundred rows a claim, from the front of the index: not the whole backlog, sorted, for each hundred."""
    add(1_000, "done")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE foundation_job")
    for _ in range(200):
        Job.claim_batch(limit=100, lease_s=60)
    add(backlog, "pending")

    with CaptureQueriesContext(connection) as queries:
        assert len(Job.claim_batch(limit=100, lease_s=60)) == 100
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {queries[0]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Index Scan using foundation_job_due" in plan
    assert "Sort Key: foundation_job.due_at" not in plan
