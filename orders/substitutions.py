"""Substitutions (SPEC O6): the store proposes, the customer answers, and silence follows the standing preference.

Only while the store is picking, and under the order's lock: of answers, deadline and "ready" that race, one decides.
The status is `substitutions_needed` exactly as long as something is undecided. What a decision changes:
orders/substitution_decisions.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.db import transaction

from foundation import clock, events, jobs
from foundation.errors import Conflict, Invalid
from foundation.events import Cause
from orders import cancellation, line_items, locks, substitution_decisions, transitions
from orders.lifecycle import CARRIAGE, STRICT, CarriageState, OrderStatus, SubstitutionPreference, SubstitutionStatus
from orders.models import Order, OrderItem, Substitution
from orders.place_order import MAX_ITEMS, RequestedItem, require_item

log = structlog.get_logger(__name__)

PROPOSED = "order.substitutions_proposed"
NOTHING_LEFT = "Nothing of it is available"
MAX_REASON = 300
How = Substitution.How
BEFORE_READY = (
    OrderStatus.PENDING,
    OrderStatus.PAYMENT_CONFIRMED,
    OrderStatus.STORE_NOTIFIED,
    OrderStatus.CONFIRMED,
    OrderStatus.PICKING_IN_PROGRESS,
    OrderStatus.SUBSTITUTIONS_NEEDED,
)


@dataclass(frozen=True, kw_only=True)
class ProposedSubstitution:
    """`item`: its position (a number) or the storefront's id of it (text). `replacement` None: there is none, the item
    is left out."""

    item: int | str
    replacement: RequestedItem | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class SubstitutionDecision:
    substitution_id: str
    accepted: bool


# ── the store ────────────────────────────────────────────────────────────────────────────────────────────────────
def propose_substitutions(order_id: int, proposals: Sequence[ProposedSubstitution], *, by: Cause) -> None:
    """All of them or none; what was proposed before in the same words stays as it is. Where there is no replacement
    there is nothing to choose: the item is left out at once.

    Raises IllegalMove unless the store is picking, Invalid naming the field, Conflict (ALREADY_PROPOSED, LEFT_OUT).
    """
    _require_valid(proposals)
    with transaction.atomic():
        order = locks.lock_order(order_id)
        if order.status != OrderStatus.SUBSTITUTIONS_NEEDED:
            STRICT.require_move(order.status, OrderStatus.SUBSTITUTIONS_NEEDED)
        items = list(OrderItem.objects.filter(order=order).prefetch_related("substitutions"))
        seen: set[int] = set()
        made = []
        for number, proposal in enumerate(proposals):
            where = f"proposals[{number}].item"
            item = _find_item(items, proposal.item, where)
            if item.pk in seen:
                raise Invalid("is proposed for twice", field=where)
            seen.add(item.pk)
            if not _was_proposed(item, proposal, where):
                made.append(_build_row(order, item, proposal))
        if made:
            _store_proposals(order, made, by=by)


def _require_valid(proposals: Sequence[ProposedSubstitution]) -> None:
    if not 0 < len(proposals) <= MAX_ITEMS:
        raise Invalid(f"must be 1 to {MAX_ITEMS} proposals", field="proposals")
    for number, proposal in enumerate(proposals):
        if len(proposal.reason) > MAX_REASON:
            raise Invalid(f"is longer than {MAX_REASON} characters", field=f"proposals[{number}].reason")
        if proposal.replacement is not None:
            require_item(proposal.replacement, f"proposals[{number}].replacement")


def _find_item(items: Sequence[OrderItem], name: int | str, where: str) -> OrderItem:
    if isinstance(name, int):
        found = [item for item in items if item.position == name]
    else:
        found = [item for item in items if name and item.external_id == name]
    if not found:
        raise Invalid("is not an item of this order", field=where)
    if len(found) > 1:
        raise Invalid("is the id of several items: name its position", field=where)
    return found[0]


def _was_proposed(item: OrderItem, proposal: ProposedSubstitution, where: str) -> bool:
    """Whether the last proposal for the item says the same. Raises Conflict where another one is in the way."""
    earlier = [one for one in item.substitutions.all() if one.status != SubstitutionStatus.WITHDRAWN]
    if earlier and _stored_content(earlier[-1]) == _wanted_content(proposal):
        return True
    if earlier and earlier[-1].status == SubstitutionStatus.PROPOSED:
        raise Conflict("The item has a proposal that is not decided yet", code="ALREADY_PROPOSED", field=where)
    if line_items.item_as_substituted(item).state == line_items.LineState.LEFT_OUT:
        raise Conflict("The item is left out already", code="LEFT_OUT", field=where)
    return False


def _stored_content(one: Substitution) -> tuple[str, str, int, int]:
    return one.external_id, one.name, one.quantity, one.price_minor


def _wanted_content(proposal: ProposedSubstitution) -> tuple[str, str, int, int]:
    wanted = proposal.replacement
    return (wanted.external_id, wanted.name, wanted.quantity, wanted.price_minor) if wanted else ("", "", 0, 0)


def _build_row(order: Order, item: OrderItem, proposal: ProposedSubstitution) -> Substitution:
    external_id, name, quantity, price_minor = _wanted_content(proposal)
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


def _store_proposals(order: Order, made: list[Substitution], *, by: Cause) -> None:
    """Before the customer, and what needs no answer into force."""
    Substitution.objects.bulk_create(made)
    order.undecided_substitutions += len(made)
    to_answer = [one for one in made if one.name]
    if to_answer:
        locks.record_event(order, PROPOSED, by=by, data={"substitutions": [one.public_id for one in to_answer]})
        jobs.enqueue_job(
            substitution_decisions.SUBSTITUTIONS_DUE, events.subject_of(order), due_at=to_answer[0].decide_by
        )
    order.save(update_fields=["undecided_substitutions", "version"])
    without = [(one, SubstitutionStatus.ACCEPTED) for one in made if not one.name]
    substitution_decisions.apply_decisions(order, without, how=How.NO_CHOICE, by=by)
    _update_status(order, by=by)
    log.info("substitutions_proposed", order=order.public_id, to_answer=len(to_answer), left_out=len(without))


# ── the customer ─────────────────────────────────────────────────────────────────────────────────────────────────
def decide_substitutions(
    order_id: int, decisions: Sequence[SubstitutionDecision], *, how: Substitution.How, by: Cause
) -> None:
    """All of them or none. The answer that was given before may be given again and changes nothing.

    Raises Invalid (naming the field) for what was never proposed, Conflict (ALREADY_DECIDED) for what was decided
    otherwise: by another answer, or by the deadline, which counts from the moment it passes.
    """
    if not 0 < len(decisions) <= MAX_ITEMS:
        raise Invalid(f"must be 1 to {MAX_ITEMS} decisions", field="decisions")
    with transaction.atomic():
        order = locks.lock_order(order_id)
        _decide_overdue_of(order)
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
            substitution_decisions.apply_decisions(order, fresh, how=how, by=by)
            _update_status(order, by=by)


def can_set_preference(order: Order) -> bool:
    """Whether what is missing can still be found out."""
    return order.status in BEFORE_READY


def set_preference(order_id: int, preference: SubstitutionPreference, *, by: Cause) -> bool:
    """What shall be done about missing items when the customer is silent. Returns whether that changed anything; raises
    Conflict once the order is picked."""
    with transaction.atomic():
        order = locks.lock_order(order_id)
        _decide_overdue_of(order)
        if not can_set_preference(order):
            raise Conflict("It is too late to change this", code="TOO_LATE")
        if order.substitution_preference == preference:
            return False
        data = {"from": order.substitution_preference, "to": str(preference)}
        order.substitution_preference = preference
        locks.record_event(order, "order.substitution_preference_changed", by=by, data=data)
        order.save(update_fields=["substitution_preference", "version"])
    return True


# ── the clock ────────────────────────────────────────────────────────────────────────────────────────────────────
def decide_overdue(order_id: int) -> None:
    """A deadline may have passed; or it was made ready unanswered, and nothing is left to bring."""
    order = locks.lock_order(order_id)
    _decide_overdue_of(order)
    if order.undecided_substitutions:
        next_due = min(one.decide_by for one in substitution_decisions.list_undecided(order))
        jobs.enqueue_job(substitution_decisions.SUBSTITUTIONS_DUE, events.subject_of(order), due_at=next_due)
    else:
        _cancel_if_empty(order, by=Cause("clock", f"job:{substitution_decisions.SUBSTITUTIONS_DUE}"))


def _decide_overdue_of(order: Order) -> None:
    """What should have been answered by now is decided by the customer's standing preference."""
    if not order.undecided_substitutions:
        return
    now, default, by = (
        clock.database_now(),
        substitution_decisions.default_status(order),
        Cause("clock", f"job:{substitution_decisions.SUBSTITUTIONS_DUE}"),
    )
    late = [(one, default) for one in substitution_decisions.list_undecided(order) if one.decide_by <= now]
    if late:
        substitution_decisions.apply_decisions(order, late, how=How.DEADLINE, by=by)
        _update_status(order, by=by)


def _update_status(order: Order, *, by: Cause) -> None:
    """The status says what was proposed or decided."""
    transitions.update_for_substitutions(order, by=by)
    _cancel_if_empty(order, by=by)


def _cancel_if_empty(order: Order, *, by: Cause) -> None:
    """Nothing is left of an order that nobody has fetched yet: it is called off, and everything goes back."""
    fetched = CARRIAGE.has_reached(order.carriage, CarriageState.PICKED_UP)
    if not fetched and order.preparation not in transitions.CALLED_OFF and not line_items.reload_items(order):
        cancellation.cancel_order(order, by=by, reason=NOTHING_LEFT, waive_fee=True)
