"""Lives of orders, each as far as it goes without any reaction having run: what reactions find when they come."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

from django.db import transaction
from django.db.models import F

from deliveries.fraud import flags
from deliveries.fraud.flags import FraudSignal
from deliveries.fulfilment import ops_actions
from deliveries.fulfilment import transitions as fulfilment_transitions
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery, FraudFlag, FraudKind
from foundation import clock
from foundation.geo import Point
from orders import cancellation, locks, payments, refunds, substitutions
from orders import transitions as orders_transitions
from orders.lifecycle import OrderStatus
from orders.models import Order, Store, Substitution
from orders.place_order import RequestedItem
from payouts import reactions as payout_reactions
from payouts.ledger import accounts
from payouts.models import PayeeKind
from payouts.runs import transitions as payout_moves
from riders import referrals, riders
from riders.models import Rider
from tests import builders
from tests.builders import TEST

_numbers = count(1)


class Corner:
    """A store with its orders and its rider, out of reach of everybody else's."""

    def __init__(self, **store: Any) -> None:
        self.centre = Point(-60 + next(_numbers) % 80 * 1.5, -120 + next(_numbers) % 60 * 4.0)
        place = {"latitude": self.centre.lat, "longitude": self.centre.lng}
        self.store: Store = (builders.petpooja_store if store.get("pos_kind") else builders.store)(**place, **store)

    def order(self, **facts: Any) -> Order:
        return builders.order(of=self.store, to=builders.near(self.centre, north_m=500), **facts)

    def paid(self, **facts: Any) -> Order:
        return builders.paid(self.order(**facts))

    def ready(self, **facts: Any) -> Order:
        return builders.ready(self.paid(**facts))

    def rider(self) -> Rider:
        return builders.rider(at=self.centre)

    def assigned(self, **facts: Any) -> Delivery:
        return builders.assigned(self.rider(), builders.searching(self.ready(**facts)))

    def delivered(self) -> Delivery:
        return builders.moved(self.assigned(tip_minor=0), DeliveryStatus.DELIVERED)


def _cancel(order: Order, **how: Any) -> None:
    with transaction.atomic():
        cancellation.cancel_order(locks.lock_order(order.pk), by=TEST, reason="changed their mind", **how)


def _flagged(delivery: Delivery) -> FraudFlag:
    with transaction.atomic():
        order = locks.lock_order(delivery.order_id)
        suspicion = FraudSignal(FraudKind.FAKE_DELIVERY, delivery.rider, clock.now())  # type: ignore[arg-type]
        return flags.raise_flag(suspicion, delivery=delivery, order=order)


def _refund(order: Order, percent: int) -> None:
    payments.apply_payment_event(builders.refund_of(order, order.total_minor * percent // 100))


def placed() -> None:
    Corner().order()


def paid() -> None:
    Corner().paid()


def paid_at_a_pos() -> None:
    Corner(pos_kind=Store.Pos.PETPOOJA).paid()


def acknowledged() -> None:
    builders.acknowledged(Corner().paid(), prep_minutes=45)


def ready() -> None:
    Corner().ready()


def searched_for() -> None:
    builders.searching(Corner().ready())


def offered() -> None:
    corner = Corner()
    builders.offered(corner.rider(), builders.searching(corner.ready()))


def assigned() -> None:
    Corner().assigned()


def ready_since_it_was_assigned() -> None:
    corner = Corner()
    delivery = builders.searching(builders.acknowledged(corner.paid()))
    Delivery.objects.filter(pk=delivery.pk).update(due_at=clock.now())
    builders.assigned(corner.rider(), delivery)
    with transaction.atomic():
        orders_transitions.take_strict_step(locks.lock_order(delivery.order_id), OrderStatus.READY_FOR_PICKUP, by=TEST)


def delivered() -> None:
    Corner().delivered()


def delivered_and_suspected() -> None:
    _flagged(Corner().delivered())


def suspected_and_cleared() -> None:
    flags.dismiss_flag(_flagged(Corner().delivered()), by=TEST, note="was there")


def suspected_and_upheld() -> None:
    flags.uphold_flag(_flagged(Corner().delivered()), by=TEST, note="was not there")


def suspected_after_it_was_booked() -> None:
    delivery = Corner().delivered()
    payout_reactions.book_delivery(delivery.pk)
    _flagged(delivery)


def upheld_after_it_was_paid_out() -> None:
    delivery = Corner().delivered()
    payout_reactions.book_delivery(delivery.pk)
    pair = accounts.lock_accounts(PayeeKind.RIDER, delivery.rider_id or 0, "", delivery.currency)
    payout_moves.freeze_payout(pair.payable, period="2026-W47", destination="acct_1", by=TEST)
    flags.uphold_flag(_flagged(delivery), by=TEST, note="was not there")


def delivered_and_refunded_in_part() -> None:
    delivery = Corner().delivered()
    payout_reactions.book_order(delivery.order_id)
    _refund(delivery.order, 30)


def cancelled_unpaid() -> None:
    _cancel(Corner().order())


def cancelled_then_paid() -> None:
    order = Corner().order()
    _cancel(order)
    builders.paid(order)


def cancelled_while_offered() -> None:
    corner = Corner()
    offer = builders.offered(corner.rider(), builders.searching(corner.ready()))
    _cancel(offer.delivery.order)


def cancelled_while_carried() -> None:
    _cancel(builders.moved(Corner().assigned(), DeliveryStatus.PICKED_UP).order)


def cancelled_for_a_fee_and_refunded() -> None:
    order = builders.acknowledged(Corner(cancellation_fee_minor=4_500).paid())
    _cancel(order)
    _refund(order, 90)


def refunded_while_searched_for() -> None:
    _refund(builders.searching(Corner().ready()).order, 100)


def refunded_twice() -> None:
    order = Corner().paid()
    _refund(order, 10)
    _refund(order, 35)


def _dinner(**facts: Any) -> Order:
    """Of one item that the store has proposed to replace by something cheaper."""
    corner = Corner()
    home = builders.near(corner.centre, north_m=500)
    order = builders.basket(("Thali", 2, 20_000), ("Lassi", 1, 3_000), of=corner.store, to=home, **facts)
    builders.suggested(order, (0, RequestedItem(name="Biryani", quantity=1, price_minor=25_000)))
    return order


def asked_about_a_replacement() -> None:
    _dinner()


def silent_about_a_replacement() -> None:
    order = _dinner(substitution_preference="accept")
    Substitution.objects.filter(order=order).update(decide_by=clock.now() - timedelta(hours=1))


def all_of_it_left_out() -> None:
    order = _dinner()
    builders.suggested(order, (1, None))
    Substitution.objects.filter(order=order, decided_at=None).update(decide_by=clock.now() - timedelta(hours=1))
    with transaction.atomic():
        substitutions.decide_overdue(order.pk)


def left_out_and_refunded_in_part() -> None:
    order = builders.ready(_dinner())
    payments.apply_payment_event(builders.refund_of(order, 40_000))


def given_back_by_ops() -> None:
    order = Corner().paid()
    refunds.refund_by_person(order.pk, 5_000, by=TEST, reason="cold", reference="ops:1")


def failed_on_the_way() -> None:
    ops_actions.fail_delivery(
        builders.moved(Corner().assigned(), DeliveryStatus.IN_TRANSIT).order_id, "nobody home", by=TEST
    )


def failed_and_tried_again() -> None:
    delivery = builders.moved(Corner(refund_delay_s=3_600).assigned(), DeliveryStatus.PICKED_UP)
    ops_actions.fail_delivery(delivery.order_id, "fell off the bike", by=TEST)
    ops_actions.try_again(delivery.order_id, by=TEST)


def lost_its_rider() -> None:
    delivery = Corner().assigned()
    with transaction.atomic():
        order = locks.lock_order(delivery.order_id)
        found = fulfilment_transitions.lock_live(order)
        assert found is not None
        fulfilment_transitions.unassign_rider(order, found, by=TEST, reason="flat tyre")


def silent_store() -> None:
    """All its deadlines are over."""
    order = Corner(cancel_unacknowledged_s=600).paid()
    Order.objects.filter(pk=order.pk).update(notified_at=F("notified_at") - timedelta(hours=1))


def slow_store() -> None:
    order = builders.acknowledged(Corner().paid())
    Order.objects.filter(pk=order.pk).update(confirmed_at=F("confirmed_at") - timedelta(hours=3))


def bonus_earned() -> None:
    corner = Corner()
    delivery = corner.assigned()
    referrer = builders.rider(online=False)
    referral = referrals.Referral.objects.create(referrer=referrer, referred=delivery.rider)
    referrals.Referral.objects.filter(pk=referral.pk).update(deliveries=referrals.DELIVERIES_TO_EARN - 1)
    builders.moved(delivery, DeliveryStatus.DELIVERED)


def suspended_with_work() -> None:
    delivery = Corner().assigned()
    riders.suspend_rider(delivery.rider_id or 0, "lied", by=TEST)


LIVES: dict[str, Callable[[], None]] = {
    life.__name__: life
    for life in (
        placed,
        paid,
        paid_at_a_pos,
        acknowledged,
        ready,
        searched_for,
        offered,
        assigned,
        ready_since_it_was_assigned,
        delivered,
        delivered_and_suspected,
        suspected_and_cleared,
        suspected_and_upheld,
        suspected_after_it_was_booked,
        upheld_after_it_was_paid_out,
        delivered_and_refunded_in_part,
        cancelled_unpaid,
        cancelled_then_paid,
        cancelled_while_offered,
        cancelled_while_carried,
        cancelled_for_a_fee_and_refunded,
        refunded_while_searched_for,
        refunded_twice,
        asked_about_a_replacement,
        silent_about_a_replacement,
        all_of_it_left_out,
        left_out_and_refunded_in_part,
        given_back_by_ops,
        failed_on_the_way,
        failed_and_tried_again,
        lost_its_rider,
        silent_store,
        slow_store,
        bonus_earned,
        suspended_with_work,
    )
}
