"""Events: the one history of all rooms, and what sets reactions going (SPEC O2).

Recording an event writes, in the caller's transaction, the event and one job per reaction that config/reactions.py
lists for its name. Positions, ETA changes and opened messages are not events.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models
from django.utils.module_loading import import_string
from psycopg.types.json import Jsonb

from foundation import jobs


@dataclass(frozen=True)
class Cause:
    """Who or what brought a fact: `actor` ("rider:7", "stripe", "clock", "staff:3") and `cause` ("webhook:evt_1")."""

    actor: str
    cause: str = ""

    @property
    def user_id(self) -> int | None:
        """The id of the user behind it; None where it is not somebody who signs in."""
        kind, _, number = self.actor.partition(":")
        return int(number) if kind == "user" and number.isdecimal() else None


def subject_key(kind: str, pk: int) -> str:
    return f"{kind}:{pk}"


def subject_of(row: models.Model) -> str:
    return subject_key(row._meta.model_name or "", row.pk)


def record_event(
    name: str,
    row: models.Model,
    *,
    by: Cause,
    data: dict[str, Any] | None = None,
    order_ref: str = "",
    occurred_at: datetime | None = None,
) -> int:
    """Write that `name` ("order.payment_confirmed", past tense) happened to `row`; returns the row's new version.

    The caller holds the row's lock, so versions count up without gaps. `occurred_at` is when it happened in the world
    (default: now); when we learned it is kept beside it. `order_ref` is the order's public id: its timeline is one
    indexed query.
    """
    about = subject_of(row)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO foundation_event
                (name, subject, order_ref, version, data, actor, cause, occurred_at, recorded_at, announced)
            SELECT %s, %s, %s,
                   coalesce((SELECT max(version) FROM foundation_event WHERE subject = %s), 0) + 1,
                   %s, %s, %s, coalesce(%s, clock_timestamp()), clock_timestamp(), false
            RETURNING version
            """,
            [name, about, order_ref, about, _to_jsonb(data or {}), by.actor, by.cause, occurred_at],
        )
        version: int = cursor.fetchone()[0]
    for handler in list_reactions(name):
        jobs.enqueue_job(handler, about)
    return version


def list_reactions(name: str) -> Iterable[str]:
    table: dict[str, list[str]] = import_string(settings.REACTIONS)
    return table.get(name, ())


def _to_jsonb(data: dict[str, Any]) -> Any:
    return Jsonb(data, dumps=lambda value: json.dumps(value, cls=DjangoJSONEncoder))
