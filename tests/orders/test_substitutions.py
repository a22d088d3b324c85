"""Substitutions (SPEC O6): proposing, deciding, silence, and what ends them."""

import pytest
from django.db import IntegrityError, transaction

from foundation.errors import Conflict, IllegalMove, Invalid
from foundation.models import Event, Job
from foundation.work import WorkState
from orders import cancellation, delivery_progress, locks, reactions, substitution_decisions, substitutions, transitions
from orders.lifecycle import CarriageState, OrderStatus, PreparationState, SubstitutionPreference, SubstitutionStatus
from orders.models import Order, OrderItem, Substitution
from orders.place_order import MAX_MINOR, RequestedItem
from orders.substitutions import ProposedSubstitution
from tests import builders
from tests.builders import TEST, suggested
from tests.orders.substitution_orders import BIRYANI, CURD, How, amounts, decide, dinner, given_back, messages, overdue

pytestmark = pytest.mark.django_db


# ── proposing ────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: O6, O1
def test_an_order_waits_for_its_customer_exactly_while_something_is_undecided():
    order = dinner()
    first, second = suggested(order, (0, BIRYANI), (1, CURD))
    assert order.status == OrderStatus.SUBSTITUTIONS_NEEDED
    assert order.preparation == PreparationState.PICKING
    decide(order, (first, True))
    assert order.status == OrderStatus.SUBSTITUTIONS_NEEDED
    decide(order, (second, False))
    assert order.status == OrderStatus.PICKING_IN_PROGRESS
    names = list(Event.objects.filter(subject=f"order:{order.pk}").order_by("version").values_list("name", flat=True))
    assert names[-6:] == [
        "order.substitutions_proposed",
        "order.status_changed",
        "order.substitution_decided",
        "order.substitution_decided",
        "order.refund_requested",
        "order.status_changed",
    ]
    assert order.version == len(names)


# spec: O6, O1
@pytest.mark.parametrize("to", ["paid", "acknowledged", "ready", "cancelled"])
def test_a_store_that_is_not_picking_proposes_nothing(to: str):
    order = builders.paid_order()
    if to == "acknowledged":
        builders.acknowledged(order)
    elif to == "ready":
        builders.ready(order)
    elif to == "cancelled":
        cancellation.cancel_by_person(order.pk, by=TEST, reason="no")
    with pytest.raises(IllegalMove):
        suggested(order, (0, BIRYANI))
    assert not Substitution.objects.exists()


def test_items_are_named_by_position_or_by_the_storefronts_id():
    order = dinner()
    substitutions.propose_substitutions(order.pk, [ProposedSubstitution(item="i1", replacement=CURD)], by=TEST)
    assert Substitution.objects.get().item.position == 1


@pytest.mark.parametrize(
    ("proposals", "field"),
    [
        ([], "proposals"),
        ([ProposedSubstitution(item=7, replacement=None)], "proposals[0].item"),
        ([ProposedSubstitution(item="", replacement=None)], "proposals[0].item"),
        ([ProposedSubstitution(item="twin", replacement=None)], "proposals[0].item"),
        (
            [ProposedSubstitution(item=0, replacement=None), ProposedSubstitution(item="i0", replacement=CURD)],
            "proposals[1].item",
        ),
        (
            [ProposedSubstitution(item=0, replacement=RequestedItem(name="", quantity=1, price_minor=1))],
            "proposals[0].replacement.name",
        ),
        (
            [ProposedSubstitution(item=0, replacement=RequestedItem(name="A", quantity=0, price_minor=1))],
            "proposals[0].replacement.quantity",
        ),
        (
            [ProposedSubstitution(item=0, replacement=RequestedItem(name="A", quantity=1, price_minor=MAX_MINOR + 1))],
            "proposals[0].replacement.price_minor",
        ),
        ([ProposedSubstitution(item=0, replacement=None, reason="x" * 301)], "proposals[0].reason"),
    ],
)
def test_what_is_wrong_with_a_proposal_is_named_and_none_of_them_counts(
    proposals: list[ProposedSubstitution], field: str
):
    order = dinner()
    for position in (2, 3):
        OrderItem.objects.create(
            order=order, position=position, name="Twin", external_id="twin", quantity=1, price_minor=0
        )
    with pytest.raises(Invalid) as refused:
        substitutions.propose_substitutions(order.pk, proposals, by=TEST)
    assert refused.value.field == field
    assert not Substitution.objects.exists()


# spec: O6
def test_proposing_the_same_again_changes_nothing_and_something_else_must_wait():
    order = dinner()
    (one,) = suggested(order, (0, BIRYANI))
    version = order.version
    assert suggested(order, (0, BIRYANI)) == [one]
    assert order.version == version
    with pytest.raises(Conflict) as refused:
        suggested(order, (0, CURD))
    assert refused.value.code == "ALREADY_PROPOSED"
    decide(order, (one, True))
    assert suggested(order, (0, BIRYANI)) == []  # a lost answer, sent again
    (second,) = suggested(order, (0, CURD))  # the replacement has run out as well
    decide(order, (second, False))
    with pytest.raises(Conflict) as left_out:
        suggested(order, (0, BIRYANI))
    assert left_out.value.code == "LEFT_OUT"


def test_the_database_knows_one_undecided_proposal_for_an_item():
    (one,) = suggested(dinner(), (0, BIRYANI))
    one.pk, one.public_id = None, "s_other"
    with pytest.raises(IntegrityError), transaction.atomic():
        one.save(force_insert=True)


# ── deciding ─────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: O6
def test_the_same_answer_again_is_no_news_and_another_is_refused():
    order = dinner()
    (one,) = suggested(order, (0, BIRYANI))
    decide(order, (one, True))
    version = order.version
    decide(order, (one, True))
    assert order.version == version
    with pytest.raises(Conflict) as refused:
        decide(order, (one, False))
    assert (refused.value.code, refused.value.field) == ("ALREADY_DECIDED", "decisions[0].substitution_id")


def test_what_is_wrong_with_a_decision_is_named_and_none_of_them_counts():
    order, other = dinner(), dinner()
    (one,), (theirs,) = suggested(order, (0, BIRYANI)), suggested(other, (0, BIRYANI))
    with pytest.raises(Invalid) as refused:
        decide(order, (one, True), (theirs, True))
    assert refused.value.field == "decisions[1].substitution_id"
    with pytest.raises(Invalid) as twice:
        decide(order, (one, True), (one, False))
    assert twice.value.field == "decisions[1].substitution_id"
    with pytest.raises(Invalid) as nothing:
        decide(order)
    assert nothing.value.field == "decisions"
    one.refresh_from_db()
    assert one.status == SubstitutionStatus.PROPOSED


@pytest.mark.parametrize("how", [How.API, How.OPS])
@pytest.mark.parametrize("accepted", [True, False])
def test_everybody_but_who_has_decided_is_told(how: How, accepted: bool):
    order = dinner()
    decide(order, (suggested(order, (0, BIRYANI))[0], accepted), how=how)
    word = "item_replaced" if accepted else "item_left_out"
    assert messages(order) == [*([f"order.{word}"] if how == How.OPS else []), f"store.{word}"]


# ── silence ──────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: O6
@pytest.mark.parametrize("preference", SubstitutionPreference)
def test_silence_follows_the_standing_preference(preference: SubstitutionPreference):
    order = dinner(substitution_preference=preference)
    (one,) = suggested(order, (0, BIRYANI))
    job = Job.objects.get(handler="orders.substitutions_due")
    assert job.due_at == one.decide_by
    with transaction.atomic():
        reactions.substitutions_due(order.pk)  # too early: it looks again
    one.refresh_from_db()
    assert one.status == SubstitutionStatus.PROPOSED
    overdue(order)
    for _ in range(2):
        with transaction.atomic():
            reactions.substitutions_due(order.pk)
    one.refresh_from_db()
    order.refresh_from_db()
    accepts = preference == SubstitutionPreference.ACCEPT
    assert one.status == (SubstitutionStatus.ACCEPTED if accepts else SubstitutionStatus.REFUSED)
    assert (one.how, one.decided_by) == (How.DEADLINE, "clock")
    assert order.status == OrderStatus.PICKING_IN_PROGRESS
    assert len(given_back(order)) == 1
    word = "item_replaced" if accepts else "item_left_out"
    assert messages(order) == [f"order.{word}", f"store.{word}"]


# spec: O6
def test_the_deadline_counts_from_the_moment_it_passes():
    order = dinner()
    (one,) = suggested(order, (0, BIRYANI))
    overdue(order)
    with pytest.raises(Conflict) as refused:
        decide(order, (one, True))
    assert refused.value.code == "ALREADY_DECIDED"
    decide(order, (one, False))  # it says what silence said
    one.refresh_from_db()
    assert one.how == How.DEADLINE


def test_a_later_proposal_has_a_deadline_of_its_own():
    order = dinner()
    suggested(order, (0, BIRYANI))
    overdue(order)
    suggested(order, (1, CURD))
    Job.objects.filter(handler="orders.substitutions_due").update(state=WorkState.LEASED)
    with transaction.atomic():
        reactions.substitutions_due(order.pk)
    order.refresh_from_db()
    (left,) = substitution_decisions.list_undecided(order)
    assert (left.item.position, order.status) == (1, OrderStatus.SUBSTITUTIONS_NEEDED)
    assert Job.objects.get(handler="orders.substitutions_due", state=WorkState.PENDING).due_at == left.decide_by


# spec: O6
def test_the_preference_may_change_until_the_order_is_picked():
    order = dinner()
    assert substitutions.set_preference(order.pk, SubstitutionPreference.ACCEPT, by=TEST)
    assert not substitutions.set_preference(order.pk, SubstitutionPreference.ACCEPT, by=TEST)
    (one,) = suggested(order, (0, BIRYANI))
    overdue(order)
    substitutions.set_preference(order.pk, SubstitutionPreference.REFUSE, by=TEST)  # too late for what was due before
    one.refresh_from_db()
    assert one.status == SubstitutionStatus.ACCEPTED
    builders.ready(order)
    with pytest.raises(Conflict):
        substitutions.set_preference(order.pk, SubstitutionPreference.ACCEPT, by=TEST)


# ── what ends it ─────────────────────────────────────────────────────────────────────────────────────────────────
# spec: O6, O1
@pytest.mark.parametrize("ended", ["ready", "picked up"])
def test_an_order_that_goes_on_unanswered_follows_the_preference_at_once(ended: str):
    order = dinner(substitution_preference=SubstitutionPreference.ACCEPT)
    (one,) = suggested(order, (0, BIRYANI))
    with transaction.atomic():
        locked = locks.lock_order(order.pk)
        if ended == "ready":
            transitions.take_strict_step(locked, OrderStatus.READY_FOR_PICKUP, by=TEST)
        else:
            delivery_progress.record_picked_up(locked, 1, by=TEST, eta_minutes=5)
    order.refresh_from_db()
    one.refresh_from_db()
    assert (one.status, one.how) == (SubstitutionStatus.ACCEPTED, How.READY)
    assert (order.undecided_substitutions, given_back(order)) == (0, [15_750])
    assert order.status == (OrderStatus.READY_FOR_PICKUP if ended == "ready" else OrderStatus.PICKED_UP)
    assert messages(order) == ["order.item_replaced", "store.item_replaced"]


# spec: O6, O7
def test_cancelling_withdraws_what_is_undecided_and_gives_everything_back_once():
    order = dinner()
    first, second = suggested(order, (0, BIRYANI), (1, CURD))
    decide(order, (first, False))
    cancellation.cancel_by_person(order.pk, by=TEST, reason="changed their mind")
    order.refresh_from_db()
    second.refresh_from_db()
    assert (second.status, second.how) == (SubstitutionStatus.WITHDRAWN, How.CALLED_OFF)
    assert order.status == OrderStatus.CANCELLED
    assert sum(given_back(order)) == order.authorised_minor
    with pytest.raises(Conflict):
        decide(order, (second, True))
    assert messages(order) == ["store.item_left_out"]


# spec: O6, O1
def test_a_store_that_goes_on_picking_takes_back_what_it_proposed():
    order = dinner()
    (one,) = suggested(order, (0, BIRYANI))
    with transaction.atomic():
        transitions.take_strict_step(locks.lock_order(order.pk), OrderStatus.PICKING_IN_PROGRESS, by=TEST)
    order.refresh_from_db()
    one.refresh_from_db()
    assert (one.status, one.how) == (SubstitutionStatus.WITHDRAWN, How.TAKEN_BACK)
    assert (order.status, amounts(order)) == (OrderStatus.PICKING_IN_PROGRESS, (50_000, 2_500, 57_500))
    assert (given_back(order), messages(order)) == ([], [])
    assert suggested(order, (0, BIRYANI))  # it may ask again


# spec: O6, O8
def test_a_failed_delivery_gives_back_what_is_left():
    order = builders.ready(dinner())
    Order.objects.filter(pk=order.pk).update(preparation=PreparationState.PICKING, status="picking_in_progress")
    decide(order, (suggested(order, (0, BIRYANI))[0], False))
    with transaction.atomic():
        locked = locks.lock_order(order.pk)
        transitions.advance_axes(locked, preparation=PreparationState.READY, carriage=CarriageState.IN_TRANSIT, by=TEST)
        delivery_progress.record_failed(locked, 0, "nobody home", by=TEST)
    assert given_back(order) == [42_000, 15_500]
