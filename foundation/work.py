"""Work rows: a table that is its own queue (SPEC W4, W5).

The row is the queue of record. A worker claims due rows (`FOR NO KEY UPDATE SKIP LOCKED`), which counts the attempt,
raises the fencing token and sets `due_at` to the end of the lease; it then does the work and finishes the row *where
the token is still its own*. A worker that died leaves a row that becomes due again by itself; a worker that was only
slow finds its token outdated and changes nothing.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from django.db import connection, models
from django.db.models.functions import Now


class WorkState(models.TextChoices):
    PENDING = "pending"
    LEASED = "leased"
    DONE = "done"
    IGNORED = "ignored"
    DEAD = "dead"
    DISCARDED = "discarded"


OPEN = (WorkState.PENDING, WorkState.LEASED)
ALONE = "begun alone, time "  # opens `error_message` while a row that came back is worked on (`begin_alone`)


class LostLease(Exception):
    """Another worker holds the row by now (the lease ran out): whatever was done here must be rolled back."""


class Release(Exception):
    """Put the row back without counting the attempt (say, a handler this process does not know during a deploy)."""

    def __init__(self, wait_s: float, reason: str = ""):
        super().__init__(reason)
        self.wait_s = wait_s


class WorkItem(models.Model):
    """A row that somebody has to work on. `retry_count` counts attempts, at the claim (SPEC W2's column names)."""

    state = models.CharField(
        max_length=10,
        choices=WorkState.choices,
        default=WorkState.PENDING,
        db_default=WorkState.PENDING,
        editable=False,
    )
    due_at = models.DateTimeField(
        db_default=Now(), editable=False, help_text="When to look at this row: its schedule, or the end of its lease."
    )
    retry_count = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    lease_token = models.BigIntegerField(default=0, db_default=0, editable=False)
    error_message = models.TextField(blank=True, default="", db_default="", editable=False)
    processed_at = models.DateTimeField(null=True, blank=True, editable=False)

    came_back = False  # set by `claim_batch`: the worker that had it before ended without a word

    class Meta:
        abstract = True
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(state__in=OPEN), name="%(app_label)s_%(class)s_due"),
            models.Index(
                fields=["processed_at"],
                condition=models.Q(state=WorkState.DEAD),
                name="%(app_label)s_%(class)s_dead",
            ),
        ]

    @classmethod
    def _table_names(cls) -> tuple[str, str, str]:
        """Table and key column, quoted, and the key's type."""
        pk = cls._meta.pk
        return f'"{cls._meta.db_table}"', f'"{pk.column}"', str(pk.db_type(connection)).split(" ", maxsplit=1)[0]

    # ── claiming ─────────────────────────────────────────────────────────────────────────────────────────────
    @classmethod
    def claim_batch(cls, *, limit: int, lease_s: float, only: Mapping[str, Any] | None = None) -> list[Self]:
        """Lease up to `limit` due rows, oldest first; commits by itself (call outside a transaction).

        `only` names columns and their values, for a table that several work queues share: index them before `due_at`.
        """
        table, pk, _ = cls._table_names()
        shared = only or {}
        ours = "".join(f' AND "{column}" = %s' for column in shared)
        columns = ", ".join(f't."{field.column}"' for field in cls._meta.concrete_fields)
        return list(
            cls._base_manager.raw(
                f"""
                WITH due AS MATERIALIZED (
                    SELECT {pk}, state FROM {table}
                    WHERE state IN ('pending', 'leased') AND due_at <= statement_timestamp(){ours}
                    ORDER BY due_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
                )
                UPDATE {table} t
                SET state = 'leased', due_at = clock_timestamp() + make_interval(secs => %s),
                    lease_token = t.lease_token + 1, retry_count = t.retry_count + 1
                FROM due WHERE t.{pk} = due.{pk}
                RETURNING {columns}, due.state = 'leased' AS came_back
                """,  # noqa: S608 - names of our own tables and columns
                [*shared.values(), limit, lease_s],
            )
        )

    # ── finishing ────────────────────────────────────────────────────────────────────────────────────────────
    @classmethod
    def finish_rows(cls, outcomes: Sequence[tuple["WorkItem", str]]) -> None:
        """Set each row's final state, in the transaction of the service that did the work.

        Raises LostLease when any row's token is no longer ours: the caller's transaction must then roll back.
        """
        rows = cls._update_leased(
            "state = v.state, processed_at = clock_timestamp(), error_message = ''",
            "unnest(%s::{pk_type}[], %s::bigint[], %s::text[]) AS v(id, token, state)",
            [[i.pk for i, _ in outcomes], [i.lease_token for i, _ in outcomes], [str(s) for _, s in outcomes]],
        )
        if rows != len(outcomes):
            raise LostLease(
                f"{cls._meta.label}: {len(outcomes) - rows} of {len(outcomes)} rows belong to another worker"
            )
        for item, state in outcomes:
            item.state = state

    @classmethod
    def _update_leased(cls, assignments: str, values: str, params: list[Any]) -> int:
        table, pk, pk_type = cls._table_names()
        source = values.format(pk_type=pk_type)
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table} t SET {assignments} FROM {source}"  # noqa: S608 - as in claim
                f" WHERE t.{pk} = v.id AND t.lease_token = v.token AND t.state = 'leased'",
                params,
            )
            return int(cursor.rowcount)

    def _set_leased(self, assignments: str, params: list[Any]) -> bool:
        values = "(SELECT %s::{pk_type} AS id, %s::bigint AS token) AS v"
        return bool(self._update_leased(assignments, values, [*params, self.pk, self.lease_token]))

    def retry_in(self, wait_s: float, error: str) -> bool:
        """Back to pending, due in `wait_s` seconds. False: the lease was lost, nothing changed."""
        self.error_message = error[:4000]
        return self._set_leased(
            "state = 'pending', due_at = clock_timestamp() + make_interval(secs => %s), error_message = %s",
            [wait_s, self.error_message],
        )

    def release_lease(self, wait_s: float, reason: str = "") -> bool:
        """Back to pending as if never claimed: the attempt does not count. `reason` is for who looks at the row."""
        return self._set_leased(
            "state = 'pending', retry_count = t.retry_count - 1, error_message = %s,"
            " due_at = clock_timestamp() + make_interval(secs => %s)",
            [reason[:4000], wait_s],
        )

    def mark_dead(self, error: str) -> bool:
        """Dead: out of tries, or pointless to try again. Ops sees it, replays or discards it (SPEC W4)."""
        self.error_message = error[:4000]
        return self._set_leased(
            "state = 'dead', processed_at = clock_timestamp(), error_message = %s", [self.error_message]
        )

    # ── rows whose worker died ───────────────────────────────────────────────────────────────────────────────────
    @property
    def death_count(self) -> int:
        """How often a worker died over this very row: each time, it had begun it alone and never came to an end."""
        begun = self.error_message.removeprefix(ALONE) if self.error_message.startswith(ALONE) else ""
        return int(begun) if self.came_back and begun.isdigit() else 0

    def begin_alone(self) -> bool:
        """Commit that this row is worked on now, by itself: should the worker die again, we know over which.

        False: the lease was lost.
        """
        return self._set_leased("error_message = %s", [f"{ALONE}{self.death_count + 1}"])

    # ── by people ────────────────────────────────────────────────────────────────────────────────────────────
    @classmethod
    def replay_rows(cls, pks: Sequence[Any]) -> int:
        """Dead or ignored rows become due again with all their tries. Returns how many."""
        return cls._base_manager.filter(pk__in=pks, state__in=(WorkState.DEAD, WorkState.IGNORED)).update(
            state=WorkState.PENDING, due_at=Now(), retry_count=0, processed_at=None
        )

    @classmethod
    def discard_rows(cls, pks: Sequence[Any], *, reason: str) -> int:
        """Dead rows are put aside for good, with the reason in `error_message`. Returns how many."""
        return cls._base_manager.filter(pk__in=pks, state=WorkState.DEAD).update(
            state=WorkState.DISCARDED, error_message=f"discarded: {reason}"[:4000], processed_at=Now()
        )


@dataclass(frozen=True)
class Backoff:
    """Exponential with jitter: `first_s`, twice that, …, at most `cap_s`; each shortened by up to half at random."""

    first_s: float = 1.0
    cap_s: float = 600.0
    tries: int = 12

    def delay_s(self, attempt: int) -> float | None:
        """How long to wait after attempt number `attempt` (from 1) failed; None: out of tries."""
        if attempt >= self.tries:
            return None
        return min(self.cap_s, self.first_s * 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.0)  # noqa: S311


@dataclass(frozen=True)
class Exact:
    """A contracted schedule, kept to the second: the delays after attempt 1, 2, …"""

    delays_s: tuple[float, ...]

    @property
    def tries(self) -> int:
        return len(self.delays_s) + 1

    def delay_s(self, attempt: int) -> float | None:
        return self.delays_s[attempt - 1] if attempt <= len(self.delays_s) else None


Schedule = Backoff | Exact
