"""Races about what the store proposed (SPEC O6): of answers, deadline, "ready" and cancelling one decides, once."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F

from foundation.errors import APIError, Conflict
from foundation.models import Event
from orders import cancellation, locks, reactions, substitutions, transitions
from orders.lifecycle import OrderStatus, SubstitutionStatus
from orders.models import Order, Refund, Substitution
from orders.place_order import RequestedItem
from orders.substitutions import ProposedSubstitution, SubstitutionDecision
from tests import builders
from tests.races.riders_and_orders import together
from tests.races.test_orders import whole

pytestmark = pytest.mark.django_db(transaction=True)
BIRYANI = RequestedItem(name="Biryani", quantity=1, price_minor=25_000)
RACERS = 4


def asked() -> tuple[Order, Substitution]:
    order = builders.basket(("Thali", 2, 20_000), ("Lassi", 1, 10_000))
    (one,) = builders.suggested(order, (0, BIRYANI))
    return order, one


def say(order: Order, one: Substitution, accepted: bool) -> None:
    decision = SubstitutionDecision(substitution_id=one.public_id, accepted=accepted)
    substitutions.decide_substitutions(order.pk, [decision], how=Substitution.How.API, by=builders.TEST)


def lapse(order: Order) -> None:
    with transaction.atomic():
        reactions.substitutions_due(order.pk)


def be_ready(order: Order) -> None:
    with transaction.atomic():
        transitions.take_strict_step(locks.lock_order(order.pk), OrderStatus.READY_FOR_PICKUP, by=builders.TEST)


def decided_once(order: Order, one: Substitution) -> Order:
    order, _ = whole(order), one.refresh_from_db()
    name = f"order:{order.pk}"
    assert Event.objects.filter(subject=name, name="order.substitution_decided").count() == 1
    assert order.undecided_substitutions == 0
    assert order.items_minor + order.delivery_fee_minor == order.total_minor
    return order


# spec: O6
@pytest.mark.parametrize("_", range(4))
def test_of_racing_answers_one_wins_and_the_others_are_told(_) -> None:
    order, one = asked()
    answers = [True, False] * RACERS
    told = together([partial(say, order, one, accepted) for accepted in answers])
    order = decided_once(order, one)
    won = one.status == SubstitutionStatus.ACCEPTED
    for answer, outcome in zip(answers, told, strict=True):
        if answer == won:
            assert outcome is None
        else:
            assert isinstance(outcome, Conflict)
            assert outcome.code == "ALREADY_DECIDED"
    assert Refund.objects.get().amount_minor == order.authorised_minor - order.total_minor


# spec: O6
@pytest.mark.parametrize("_", range(4))
def test_an_answer_races_the_deadline_and_the_store(_) -> None:
    order, one = asked()
    Substitution.objects.update(decide_by=F("decide_by") - timedelta(seconds=299.9))
    racers: list[Callable[[], Any]] = [partial(say, order, one, True), partial(lapse, order), partial(be_ready, order)]
    told = together(racers)
    order = decided_once(order, one)
    assert isinstance(told[0], Conflict) == (one.status == SubstitutionStatus.REFUSED)
    assert order.status == OrderStatus.READY_FOR_PICKUP
    assert Refund.objects.get().amount_minor == order.authorised_minor - order.total_minor


# spec: O6, O7
@pytest.mark.parametrize("_", range(4))
def test_an_answer_races_a_cancellation(_) -> None:
    order, one = asked()
    cancel = partial(cancellation.cancel_by_person, order.pk, by=builders.TEST, reason="changed their mind")
    told = together([partial(say, order, one, True), cancel])
    order = decided_once(order, one)
    assert isinstance(told[0], APIError) == (one.status == SubstitutionStatus.WITHDRAWN)
    assert order.status == OrderStatus.CANCELLED
    assert sum(Refund.objects.values_list("amount_minor", flat=True)) == order.authorised_minor


# spec: O6
def test_the_same_proposal_sent_many_times_at_once_is_one() -> None:
    order = builders.basket(("Thali", 2, 20_000))
    said = [ProposedSubstitution(item=0, replacement=BIRYANI)]
    assert (
        together([partial(substitutions.propose_substitutions, order.pk, said, by=builders.TEST)] * RACERS)
        == [None] * RACERS
    )
    assert Substitution.objects.count() == 1
    assert whole(order).undecided_substitutions == 1
