"""Killing a process between any two things it does: a sweep over every statement, commit and call of a piece of work.

The points are: before each statement, before and after each commit, before and after each call to Stripe (after: it was
done, and nobody heard of it). A process that died does nothing any more, so every point after the fatal one dies too.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import stripe
from django.db import connection


class Crash(BaseException):
    """Not an Exception: nothing in the house may catch it, as nothing survives kill -9."""


class Crasher:
    """Raises Crash at its `at`-th point (0: never) and at every later one; `points` counts them."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.points = 0

    def point(self) -> None:
        self.points += 1
        if not self.at or self.points < self.at:
            return
        if self.points == self.at:
            connection.close()  # the server takes an open transaction back, as it does for every client that is gone
        raise Crash(f"at point {self.at}")

    def around_statement(self, execute: Callable[..., Any], *statement: Any) -> Any:
        self.point()
        return execute(*statement)


@contextmanager
def crashing(at: int) -> Iterator[Crasher]:
    """Everything inside is done by a process that dies at its `at`-th point; its connection dies with it."""
    crasher, client = Crasher(at), stripe.RequestsClient
    commit, request = connection._commit, client.request

    def counted_commit() -> None:
        crasher.point()
        commit()
        crasher.point()

    def counted_request(self: Any, *args: Any, **more: Any) -> Any:
        crasher.point()
        answer = request(self, *args, **more)
        crasher.point()
        return answer

    connection._commit, client.request = counted_commit, counted_request
    try:
        with connection.execute_wrapper(crasher.around_statement):
            yield crasher
    finally:
        connection._commit, client.request = commit, request


def sweep(prepare: Callable[[], Any], work: Callable[[Any], None], *, step: int = 1) -> Iterator[tuple[int, Any]]:
    """For each point of `work` yield (point, what `prepare` made) after a process died there; ends when one survived.

    The survivor is yielded as well, as point 0.
    """
    for at in count(1, step):
        made = prepare()
        try:
            with crashing(at):
                work(made)
        except Crash:
            assert not connection.in_atomic_block
            yield at, made
        else:
            yield 0, made
            return
