"""Proposals that are decided, and what follows from it for the order's money (SPEC O6).

The caller holds the order's lock and lets its status follow (orders/transitions.py). Amounts follow each decision at
once; what is too much is given back when nothing is undecided any more, so that the order in which the proposals of one
round are decided changes nothing. The ledger is not touched: it follows from Stripe's word about the refund.
"""

from collections.abc import Iterable

import structlog
from django.db.models import Sum

from foundation import clock, events, jobs
from foundation.events import Cause
from foundation.money import format_money, share_of
from orders import line_items, locks, notices, refunds, totals
from orders.lifecycle import SUBSTITUTION, OrderStatus, SubstitutionPreference, SubstitutionStatus
from orders.models import Order, OrderItem, Refund, Substitution

SUBSTITUTIONS_DUE = jobs.handler_name("orders.substitutions_due")

log = structlog.get_logger(__name__)

DECIDED = "order.substitution_decided"
REFERENCE = "substitution:"
AMOUNTS = ("items_minor", "tax_minor", "total_minor")
How = Substitution.How
CUSTOMER_DECIDED = (How.PAGE, How.API)  # the customer knows what they have just said
STORE_KNOWS = (How.NO_CHOICE, How.TAKEN_BACK, How.CALLED_OFF)
ENDED_STATUSES = (OrderStatus.CANCELLED, OrderStatus.FAILED, OrderStatus.REFUNDED)


def list_undecided(order: Order) -> list[Substitution]:
    """What waits for an answer, oldest first."""
    waiting = Substitution.objects.filter(order=order, status=SubstitutionStatus.PROPOSED)
    return list(waiting.select_related("item", "order").order_by("id"))


def default_status(order: Order) -> SubstitutionStatus:
    """What a customer who is silent is taken to have said."""
    accepts = order.substitution_preference == SubstitutionPreference.ACCEPT
    return SubstitutionStatus.ACCEPTED if accepts else SubstitutionStatus.REFUSED


def apply_decisions(
    order: Order, decisions: Iterable[tuple[Substitution, SubstitutionStatus]], *, how: Substitution.How, by: Cause
) -> None:
    """These undecided proposals of the order are decided so; amounts, messages and the refund follow."""
    last = None
    now = clock.database_now()
    for last, status in decisions:
        SUBSTITUTION.require_move(last.status, status, what="substitution")
        params_of_item = _describe_substitution(last, status)
        last.status, last.how, last.decided_by, last.decided_at = status, how, by.actor, now
        last.save(update_fields=["status", "how", "decided_by", "decided_at"])
        order.undecided_substitutions -= 1
        data = {"substitution": last.public_id, "status": str(status), "how": str(how), **params_of_item}
        locks.record_event(order, DECIDED, by=by, data=data)
        _notify_others(order, last, params_of_item)
    if last is None:
        return
    goods = _recalculate_total(order)
    order.save(update_fields=[*AMOUNTS, "undecided_substitutions", "version"])
    if not order.undecided_substitutions:
        _refund_difference(order, goods, last, by=by)


def decide_remaining(order: Order, *, by: Cause) -> None:
    """Picking is over and asking makes no sense any more: called off, nothing comes of what is undecided; else the
    customer's standing preference decides."""
    status, how = (
        (SubstitutionStatus.WITHDRAWN, How.CALLED_OFF)
        if order.status in ENDED_STATUSES
        else (default_status(order), How.READY)
    )
    apply_decisions(order, [(one, status) for one in list_undecided(order)], how=how, by=by)


def withdraw_proposals(order: Order, *, by: Cause) -> None:
    """The store goes on as if it had not asked: it has found the items after all."""
    apply_decisions(
        order, [(one, SubstitutionStatus.WITHDRAWN) for one in list_undecided(order)], how=How.TAKEN_BACK, by=by
    )


# ── money ────────────────────────────────────────────────────────────────────────────────────────────────────────
def ordered_goods(order: Order) -> totals.GoodsTotal:
    """The goods as the customer ordered and authorised them."""
    items = OrderItem.objects.filter(order=order).values_list("quantity", "price_minor")
    items_minor = sum(quantity * price_minor for quantity, price_minor in items)
    whole_minor = order.authorised_minor - order.tip_minor - order.delivery_fee_minor
    return totals.GoodsTotal(items_minor, whole_minor - items_minor, whole_minor - order.store_share_minor)


def _recalculate_total(order: Order) -> totals.GoodsTotal:
    """Write down what the order costs by now; never above what was authorised and not promised back."""
    as_ordered, left = ordered_goods(order), line_items.reload_items(order)
    most_minor = as_ordered.whole_minor - _requested_refunds(order)[0]
    goods = totals.change_goods(as_ordered, sum(line.amount_minor for line in left), most_minor)
    order.items_minor, order.tax_minor = goods.items_minor, goods.tax_minor
    order.total_minor = goods.whole_minor + order.tip_minor + order.delivery_fee_minor
    if not left:  # nothing to bring: who has asked calls it off at once, and where nobody did it is done there
        jobs.enqueue_job(SUBSTITUTIONS_DUE, events.subject_of(order))
    return goods


def _requested_refunds(order: Order) -> tuple[int, int]:
    """What substitutions have given back before, and how much of the store's share goes with it."""
    mine = Refund.objects.filter(order=order, reference__startswith=REFERENCE)
    sums = mine.aggregate(amount=Sum("amount_minor"), part=Sum("store_part_minor"))
    return int(sums["amount"] or 0), int(sums["part"] or 0)


def _refund_difference(order: Order, goods: totals.GoodsTotal, last: Substitution, *, by: Cause) -> None:
    """The difference between what was charged and what it costs, as far as it was not given back before. Of money that
    went back for other reasons nothing goes back twice."""
    promised_minor, promised_part_minor = _requested_refunds(order)
    due_minor = order.authorised_minor - order.total_minor - promised_minor
    amount_minor = min(due_minor, refunds.refundable_minor(order))
    if amount_minor <= 0:
        return
    part_minor = max(0, order.store_share_minor - goods.share_minor - promised_part_minor)
    refunds.request_refund(
        order,
        amount_minor,
        reference=f"{REFERENCE}{last.pk}",
        reason="replaced or left out",
        by=by,
        store_part_minor=share_of(part_minor, amount_minor, due_minor),
    )
    log.info("difference_given_back", order=order.public_id, amount=format_money(amount_minor, order.currency))


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────
def _describe_substitution(substitution: Substitution, status: SubstitutionStatus) -> dict[str, str]:
    """The item as it was, and what comes instead ("": nothing does)."""
    before = line_items.item_as_substituted(substitution.item, substitution)
    replaced = status == SubstitutionStatus.ACCEPTED and substitution.name
    return {
        "item": str(before),
        "replacement": f"{substitution.quantity} × {substitution.name}" if replaced else "",
    }


def _notify_others(order: Order, substitution: Substitution, params_of_item: dict[str, str]) -> None:
    """Whoever has not decided it. The amount is said by the message about the refund."""
    if substitution.status == SubstitutionStatus.WITHDRAWN:
        return
    event = "item_replaced" if params_of_item["replacement"] else "item_left_out"
    params = params_of_item if params_of_item["replacement"] else {"item": params_of_item["item"]}
    if substitution.how not in CUSTOMER_DECIDED:
        notices.notify_customer(order, f"order.{event}", dedupe_suffix=substitution.public_id, **params)
    if substitution.how not in STORE_KNOWS:
        notices.notify_store(order, f"store.{event}", dedupe_suffix=substitution.public_id, **params)
