"""Sweeps: periodic work over many rows that goes on when one of them cannot be worked on."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog
from django.db import transaction

log = structlog.get_logger(__name__)
Row = TypeVar("Row")
Answer = TypeVar("Answer")


def sweep_rows(
    rows: Sequence[Row], handle: Callable[[Sequence[Row]], Answer], *, name: str
) -> tuple[list[Answer], list[Row]]:
    """Give `handle` all rows at once, in a transaction; when that fails, one by one.

    Returns (what it answered, the rows that failed alone). Each of them is in the log with its error: one bad row must
    not keep a sweep from all others, and must not be passed over in silence either. The caller tells ops.
    """
    try:
        with transaction.atomic():
            return [handle(rows)], []
    except Exception as error:  # noqa: BLE001 - whichever row it was will say so when it is alone
        log.warning("sweep_goes_row_by_row", sweep=name, rows=len(rows), error=repr(error))
    answers, failed = list[Answer](), list[Row]()
    for row in rows:
        try:
            with transaction.atomic():
                answers.append(handle([row]))
        except Exception:
            log.exception("sweep_failed_over_row", sweep=name, row=row)
            failed.append(row)
    return answers, failed
