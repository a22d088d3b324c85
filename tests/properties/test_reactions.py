"""Every reaction run twice, and in any order, finds the world unchanged (docs/house.md "Call down now, react upward").

Worlds in many states, in which no reaction has run yet (tests/properties/order_lives.py). All handlers then run on all
subjects, in an order of Hypothesis's choice; each runs again at once, and finds all tables as it left them, except that
a row may be looked at earlier and that jobs come and go. Another order comes to the same end.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models, transaction
from django.db.models import Q
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.reactions import REACTIONS
from deliveries.models import Delivery
from foundation import events, jobs
from foundation.models import Event, Job
from notifications.models import Incident, IncidentStatus, Message
from orders.models import Order, Refund
from payouts.models import LedgerEntry
from riders.models import Referral, Rider
from tests.builders import TEST
from tests.properties.order_lives import LIVES

ROOMS = ("foundation", "notifications", "orders", "riders", "deliveries", "payouts", "webhooks")
# When a row is looked at next, and how often ops was told: a reaction may say "now", and may say it again.
MAY_MOVE = ["due_at", "count", "last_at"]
SUBJECTS: dict[str, type[models.Model]] = {
    "payouts.book_order": Order,
    "payouts.book_delivery": Delivery,
    "payouts.book_referral": Referral,
    "deliveries.follow_order": Order,
    "deliveries.follow_rider": Rider,
    "deliveries.ask_customer": Order,
    "deliveries.invite_customer": Order,
    "orders.remind_store": Order,
    "orders.acknowledgement_due": Order,
    "orders.acknowledgement_lapsed": Order,
    "orders.ready_overdue": Order,
    "orders.substitutions_due": Order,
}
FACTS: dict[type[models.Model], tuple[str, ...]] = {
    Order: (
        "public_id",
        "status",
        "payment",
        "preparation",
        "carriage",
        "attempt",
        "cancellation_fee_minor",
        "total_minor",
    ),
    Delivery: ("order__public_id", "attempt", "status", "end_reason", "rider"),
    Rider: ("pk", "active_deliveries", "open_offers", "standing"),
    LedgerEntry: ("account__payee_kind", "account__payee_id", "account__kind", "kind", "reference", "amount_minor"),
    Refund: ("order", "reference", "amount_minor", "state"),
    Message: ("dedupe_key",),
    Incident: ("kind", "order_ref", "status"),
    Event: ("order_ref", "name"),
}
# Said only while it is so: who comes after the end of it has nothing to say, and that is right as well.
OF_THE_MOMENT: dict[type[models.Model], Q] = {
    Message: Q(event__in=("order.placed", "store.acknowledge_reminder")),
    Incident: Q(status=IncidentStatus.RESOLVED),
    Event: Q(name="incident.resolved"),
}
Call = tuple[str, int]
ANY_WORLD = st.lists(st.sampled_from(sorted(LIVES)), min_size=1, max_size=3)


def world() -> dict[str, list[str]]:
    """Every row of every room as text, but for jobs."""
    tables = [
        model._meta.db_table for room in ROOMS for model in apps.get_app_config(room).get_models() if model is not Job
    ]
    row = "(to_jsonb(t) - %(may_move)s::text[])::text"
    one = "SELECT '{0}', array(SELECT " + row + ' FROM "{0}" t ORDER BY 1)'
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(map(one.format, tables)), {"may_move": MAY_MOVE})
        return dict(cursor.fetchall())


def difference(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, list[str]]:
    return {table: sorted({*rows} ^ {*before[table]}) for table, rows in after.items() if rows != before[table]}


def calls() -> list[Call]:
    """Every handler on every subject that there is."""
    return [
        (handler, pk) for handler, model in SUBJECTS.items() for pk in model._base_manager.values_list("pk", flat=True)
    ]


def run(call: Call) -> None:
    handler, pk = call
    with transaction.atomic():
        jobs.resolve_handler(handler)(pk)


def settle(order: Sequence[Call]) -> None:
    """Run these, and then what is new because of them (a delivery that was opened, one that was ended)."""
    for call in order:
        run(call)
    for call in calls():
        run(call)


def the_end() -> dict[str, Counter[Any]]:
    """What has become true, without ids and times that depend on who came first, and without what is of the moment."""
    return {
        model.__name__: Counter(model._base_manager.exclude(OF_THE_MOMENT.get(model, Q(pk=None))).values_list(*columns))
        for model, columns in FACTS.items()
    }


@contextmanager
def thrown_away() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def test_all_reactions_are_looked_at():
    named = {handler for handlers in REACTIONS.values() for handler in handlers}
    jobs.load_handlers()
    deadlines = {name for name in jobs.HANDLERS if name.startswith("orders.")}
    assert set(SUBJECTS) == named | deadlines


# spec: O1, O2, P1, P4, R6, R9, R11, M1, W4
@pytest.mark.django_db
@pytest.mark.timeout(900)
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(lives=ANY_WORLD, dice=st.randoms(use_true_random=False))
def test_a_reaction_that_runs_again_changes_nothing(lives: list[str], dice: random.Random) -> None:
    with thrown_away():
        for life in lives:
            LIVES[life]()
        order = calls()
        dice.shuffle(order)
        for call in order:
            run(call)
            found = world()
            run(call)
            assert difference(found, world()) == {}, f"{call} ran again"
        settle(())
        found, again = world(), calls()
        dice.shuffle(again)
        for call in again:
            run(call)
        assert difference(found, world()) == {}, "everything ran again, in another order"


# spec: O1, M1
@pytest.mark.django_db
@pytest.mark.timeout(900)
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(lives=ANY_WORLD, dice=st.randoms(use_true_random=False))
def test_any_order_of_reactions_comes_to_the_same_end(lives: list[str], dice: random.Random) -> None:
    with thrown_away():
        for life in lives:
            LIVES[life]()
        ends = []
        for _ in range(2):
            with thrown_away():
                order = calls()
                dice.shuffle(order)
                settle(order)
                ends.append(the_end())
        assert ends[0] == ends[1]


@pytest.mark.django_db
@pytest.mark.parametrize("life", LIVES)
def test_every_life_comes_to_rest(life: str) -> None:
    """Each by itself: its reactions run until nothing is new, and then nothing is new."""
    LIVES[life]()
    settle(calls())
    found = world()
    settle(calls())
    assert difference(found, world()) == {}


@pytest.mark.django_db
def test_a_reaction_that_counts_is_caught(monkeypatch) -> None:
    """Known bad: one that writes down that it ran."""

    def careless(order_id: int) -> None:
        events.record_event("order.followed", Order.objects.get(pk=order_id), by=TEST)

    monkeypatch.setitem(jobs.HANDLERS, "deliveries.follow_order", careless)
    LIVES["ready"]()
    settle(calls())
    found = world()
    settle(calls())
    assert set(difference(found, world())) == {"foundation_event"}
