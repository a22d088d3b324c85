"""Substitutions (SPEC O6): the store proposes, the customer answers, and silence follows the standing preference.

Only while the store is picking, and under the order's lock: of answers, deadline and "ready" that race, one decides.
The status is `substitutions_needed` exactly as long as something is undecided. What a verdict changes: orders/verdicts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.db import transaction

from foundation import clock, events, jobs
from foundation.errors import Conflict, Invalid
from foundation.events import Cause
from orders import cancelling, lines, moves, rows, verdicts
from orders.lifecycle import (
    CARRIAGE,
    STRICT,
    CarriageState,
    OrderStatus,
    Preference,
    SubstitutionStatus,
)
from orders.models import Order, OrderItem, Substitution
from orders.placing import MOST_ITEMS, Item, require_item

log = structlog.get_logger(__name__)

PROPOSED = "order.substitutions_proposed"
DUE = "orders.substitutions_due"
NOTHING_LEFT = "Nothing of it is available"
LONGEST_REASON = 300
How = Substitution.How
CHOOSING = (
    OrderStatus.PENDING,
    OrderStatus.PAYMENT_CONFIRMED,
    OrderStatus.STORE_NOTIFIED,
    OrderStatus.CONFIRMED,
    OrderStatus.PICKING_IN_PROGRESS,
    OrderStatus.SUBSTITUTIONS_NEEDED,
)


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """`item`: its position (a number) or the storefront's id of it (text). `replacement` None: there is none, the item
    is left out."""

    item: int | str
    replacement: Item | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Decision:
    substitution_id: str
    accepted: bool


# ── the store ────────────────────────────────────────────────────────────────────────────────────────────────────
def propose(order_id: int, proposals: Sequence[Proposal], *, by: Cause) -> None:
    """All of them or none; what was proposed before in the same words stays as it is. Where there is no replacement
    there is nothing to choose: the item is left out at once.

    Raises IllegalMove unless the store is picking, Invalid naming the field, Conflict (ALREADY_PROPOSED, LEFT_OUT).
    """
    _require_sound(proposals)
    with transaction.atomic():
        order = rows.lock(order_id)
        if order.status != OrderStatus.SUBSTITUTIONS_NEEDED:
            STRICT.require(order.status, OrderStatus.SUBSTITUTIONS_NEEDED)
        items = list(OrderItem.objects.filter(order=order).prefetch_related("substitutions"))
        seen: set[int] = set()
        made = []
        for number, proposal in enumerate(proposals):
            where = f"proposals[{number}].item"
            item = _named(items, proposal.item, where)
            if item.pk in seen:
                raise Invalid("is proposed for twice", field=where)
            seen.add(item.pk)
            if not _was_proposed(item, proposal, where):
                made.append(_row(order, item, proposal))
        if made:
            _put(order, made, by=by)


def _require_sound(proposals: Sequence[Proposal]) -> None:
    if not 0 < len(proposals) <= MOST_ITEMS:
        raise Invalid(f"must be 1 to {MOST_ITEMS} proposals", field="proposals")
    for number, proposal in enumerate(proposals):
        if len(proposal.reason) > LONGEST_REASON:
            raise Invalid(f"is longer than {LONGEST_REASON} characters", field=f"proposals[{number}].reason")
        if proposal.replacement is not None:
            require_item(proposal.replacement, f"proposals[{number}].replacement")


def _named(items: Sequence[OrderItem], name: int | str, where: str) -> OrderItem:
    if isinstance(name, int):
        found = [item for item in items if item.position == name]
    else:
        found = [item for item in items if name and item.external_id == name]
    if not found:
        raise Invalid("is not an item of this order", field=where)
    if len(found) > 1:
        raise Invalid("is the id of several items: name its position", field=where)
    return found[0]


def _was_proposed(item: OrderItem, proposal: Proposal, where: str) -> bool:
    """Whether the last proposal for the item says the same. Raises Conflict where another one is in the way."""
    said = [one for one in item.substitutions.all() if one.status != SubstitutionStatus.WITHDRAWN]
    if said and _content(said[-1]) == _wanted(proposal):
        return True
    if said and said[-1].status == SubstitutionStatus.PROPOSED:
        raise Conflict("The item has a proposal that is not decided yet", code="ALREADY_PROPOSED", field=where)
    if lines.stands(item).state == lines.State.LEFT_OUT:
        raise Conflict("The item is left out already", code="LEFT_OUT", field=where)
    return False


def _content(one: Substitution) -> tuple[str, str, int, int]:
    return one.external_id, one.name, one.quantity, one.price_minor


def _wanted(proposal: Proposal) -> tuple[str, str, int, int]:
    wanted = proposal.replacement
    return (wanted.external_id, wanted.name, wanted.quantity, wanted.price_minor) if wanted else ("", "", 0, 0)


def _row(order: Order, item: OrderItem, proposal: Proposal) -> Substitution:
    external_id, name, quantity, price_minor = _wanted(proposal)
    return Substitution(
        order=order,
        item=item,
        external_id=external_id,
        name=name,
        quantity=quantity,
        price_minor=price_minor,
        reason=proposal.reason,
        decide_by=clock.database_now() + timedelta(seconds=order.store.substitution_decide_s),
    )


def _put(order: Order, made: list[Substitution], *, by: Cause) -> None:
    """Before the customer, and what needs no answer into force."""
    Substitution.objects.bulk_create(made)
    order.undecided_substitutions += len(made)
    to_answer = [one for one in made if one.name]
    if to_answer:
        rows.record(order, PROPOSED, by=by, data={"substitutions": [one.public_id for one in to_answer]})
        jobs.enqueue(DUE, events.subject_of(order), due_at=to_answer[0].decide_by)
    order.save(update_fields=["undecided_substitutions", "version"])
    without = [(one, SubstitutionStatus.ACCEPTED) for one in made if not one.name]
    verdicts.judge(order, without, how=How.NO_CHOICE, by=by)
    _follow(order, by=by)
    log.info("substitutions_proposed", order=order.public_id, to_answer=len(to_answer), left_out=len(without))


# ── the customer ─────────────────────────────────────────────────────────────────────────────────────────────────
def decide(order_id: int, decisions: Sequence[Decision], *, how: Substitution.How, by: Cause) -> None:
    """All of them or none. The answer that was given before may be given again and changes nothing.

    Raises Invalid (naming the field) for what was never proposed, Conflict (ALREADY_DECIDED) for what was decided
    otherwise: by another answer, or by the deadline, which counts from the moment it passes.
    """
    if not 0 < len(decisions) <= MOST_ITEMS:
        raise Invalid(f"must be 1 to {MOST_ITEMS} decisions", field="decisions")
    with transaction.atomic():
        order = rows.lock(order_id)
        _let_lapse(order)
        known = {one.public_id: one for one in Substitution.objects.filter(order=order).select_related("item")}
        chosen: dict[str, SubstitutionStatus] = {}
        for number, decision in enumerate(decisions):
            where = f"decisions[{number}].substitution_id"
            status = SubstitutionStatus.ACCEPTED if decision.accepted else SubstitutionStatus.REFUSED
            one = known.get(decision.substitution_id)
            if one is None:
                raise Invalid("There is no such suggestion for this order", field=where)
            if chosen.setdefault(one.public_id, status) != status:
                raise Invalid("is decided twice", field=where)
            if one.status not in (SubstitutionStatus.PROPOSED, status):
                raise Conflict("This was decided otherwise before", code="ALREADY_DECIDED", field=where)
        fresh = [(one, status) for ref, status in chosen.items() if (one := known[ref]).status != status]
        if fresh:
            verdicts.judge(order, fresh, how=how, by=by)
            _follow(order, by=by)


def may_choose(order: Order) -> bool:
    """Whether what is missing can still be found out."""
    return order.status in CHOOSING


def prefer(order_id: int, preference: Preference, *, by: Cause) -> bool:
    """What shall be done about missing items when the customer is silent. Returns whether that changed anything; raises
    Conflict once the order is picked."""
    with transaction.atomic():
        order = rows.lock(order_id)
        _let_lapse(order)
        if not may_choose(order):
            raise Conflict("It is too late to change this", code="TOO_LATE")
        if order.substitution_preference == preference:
            return False
        data = {"from": order.substitution_preference, "to": str(preference)}
        order.substitution_preference = preference
        rows.record(order, "order.substitution_preference_changed", by=by, data=data)
        order.save(update_fields=["substitution_preference", "version"])
    return True


# ── the clock ────────────────────────────────────────────────────────────────────────────────────────────────────
def lapse(order_id: int) -> None:
    """A deadline may have passed; or it was made ready unanswered, and nothing is left to bring."""
    order = rows.lock(order_id)
    _let_lapse(order)
    if order.undecided_substitutions:
        next_due = min(one.decide_by for one in verdicts.undecided(order))
        jobs.enqueue(DUE, events.subject_of(order), due_at=next_due)
    else:
        _end_if_empty(order, by=Cause("clock", f"job:{DUE}"))


def _let_lapse(order: Order) -> None:
    """What should have been answered by now is decided by the customer's standing preference."""
    if not order.undecided_substitutions:
        return
    now, wish, by = clock.database_now(), verdicts.wished(order), Cause("clock", f"job:{DUE}")
    late = [(one, wish) for one in verdicts.undecided(order) if one.decide_by <= now]
    if late:
        verdicts.judge(order, late, how=How.DEADLINE, by=by)
        _follow(order, by=by)


def _follow(order: Order, *, by: Cause) -> None:
    """The status says what was proposed or decided."""
    moves.follow_substitutions(order, by=by)
    _end_if_empty(order, by=by)


def _end_if_empty(order: Order, *, by: Cause) -> None:
    """Nothing is left of an order that nobody has fetched yet: it is called off, and everything goes back."""
    fetched = CARRIAGE.reached(order.carriage, CarriageState.PICKED_UP)
    if not fetched and order.preparation not in moves.CALLED_OFF and not lines.fresh(order):
        cancelling.cancel(order, by=by, reason=NOTHING_LEFT, waive_fee=True)
