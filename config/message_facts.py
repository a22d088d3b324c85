"""What is true of that which a message is about, at the moment at which it goes out (settings.MESSAGE_FACTS; SPEC N2).

A line per event of the catalogue. Its function answers the params that may have changed since the message was written,
or that it does not matter any more (NoMore, with the reason that ops reads). What is true for ever stands in
ALWAYS_TRUE; tests/config/test_message_facts.py holds that every event is in one of the two.

A message about something that is not there (any more) is told as it was written.
"""

import uuid
from collections.abc import Callable, Collection
from functools import partial

from deliveries import eta, pace, suggestions
from deliveries.lifecycle import CARRIED, LIVE, DeliveryStatus, OfferStatus
from deliveries.models import Delivery, Offer, Rating
from foundation import clock
from notifications.facts import Facts, NoMore
from notifications.models import Message
from orders import moves, promises
from orders.acknowledgement import WAITING
from orders.lifecycle import CARRIAGE, CarriageState, PaymentState
from orders.lifecycle import LIVE as OPEN
from orders.models import Order, Store
from payouts.models import ConnectAccount, PayeeKind
from riders.lifecycle import Standing
from riders.models import Rider

AS_WRITTEN: Facts = {}
ON_THE_WAY = frozenset({CarriageState.PICKED_UP, CarriageState.IN_TRANSIT})
NOT_BROUGHT = frozenset({CarriageState.FAILED, CarriageState.RETURNED})

AboutOrder = Callable[[Order, Message], Facts]
Look = Callable[[Message], Facts]


def now(message: Message) -> Facts:
    """The params of `message` that have changed, or why it does not matter any more."""
    return TABLE[message.event](message) if message.event in TABLE else AS_WRITTEN


def _about_order(look: AboutOrder) -> Look:
    def about(message: Message) -> Facts:
        known = Order.objects.select_related("store", "customer").filter(public_id=message.order_ref)
        order = known.first() if message.order_ref else None
        return AS_WRITTEN if order is None else look(order, message)

    return about


def _delivery(order: Order) -> Delivery | None:
    """The live one."""
    return Delivery.objects.filter(order=order, status__in=LIVE).select_related("rider").first()


# ── customers ────────────────────────────────────────────────────────────────────────────────────────────────────
def _payment_failed(order: Order, message: Message) -> Facts:
    unpaid = order.payment == PaymentState.UNPAID and order.preparation not in moves.CALLED_OFF
    return AS_WRITTEN if unpaid else NoMore(f"the order is {order.status} by now")


def _under_way(order: Order, message: Message) -> Facts:
    return AS_WRITTEN if order.status in OPEN else NoMore(f"the order is {order.status} by now")


def _carriage_is(among: Collection[CarriageState], order: Order, message: Message) -> Facts:
    return AS_WRITTEN if order.carriage in among else NoMore(f"the order is {order.status} by now")


def _assigned(order: Order, message: Message) -> Facts:
    """Of one who was replaced nobody wants to hear; that somebody fetched it is told by "on the way"."""
    delivery = _delivery(order)
    if order.carriage != CarriageState.ASSIGNED or delivery is None:
        return NoMore(f"the order is {order.status} by now")
    if delivery.rider is None:  # a company's driver, who is told once, by whatever name they have now
        return {"rider": str(delivery.driver_details.get("name") or delivery.courier)}
    return AS_WRITTEN if delivery.rider.name == message.params["rider"] else NoMore("somebody else brings it by now")


def _on_the_way(order: Order, message: Message) -> Facts:
    if order.carriage not in ON_THE_WAY:
        return NoMore(f"the order is {order.status} by now")
    at = clock.now()
    return {"etaMinutes": eta.minutes_left(pace.arrival(order, _delivery(order), now=at), now=at)}


def _delayed(order: Order, message: Message) -> Facts:
    if order.status not in OPEN:
        return NoMore(f"the order is {order.status} by now")
    at = clock.now()
    arrival_at = pace.arrival(order, _delivery(order), now=at)
    if not promises.is_behind(order, arrival_at):
        return NoMore("it is on time again")
    return {"etaMinutes": eta.minutes_left(arrival_at, now=at)}


def _delivered(order: Order, message: Message) -> Facts:
    if order.carriage != CarriageState.DELIVERED:
        return NoMore(f"the order is {order.status} by now")
    return {"totalPaise": order.total_minor}


def _asked(order: Order, message: Message) -> Facts:
    until = suggestions.answer_until(order)
    return NoMore("nothing waits for an answer by now") if until is None else {"until": until}


def _item_decided(order: Order, message: Message) -> Facts:
    """What was decided about an item stays so."""
    return NoMore(f"the order is {order.status} by now") if order.preparation in moves.CALLED_OFF else AS_WRITTEN


def _review(order: Order, message: Message) -> Facts:
    if order.carriage != CarriageState.DELIVERED:
        return NoMore(f"the order is {order.status} by now")
    rated = Rating.objects.filter(delivery__order=order).exists()
    return NoMore("they have rated it") if rated else AS_WRITTEN


# ── riders ───────────────────────────────────────────────────────────────────────────────────────────────────────
def _offer(message: Message) -> Offer | None:
    try:
        ref = uuid.UUID(str(message.params["offerId"]))
    except ValueError:
        return None
    return Offer.objects.select_related("delivery").filter(public_id=ref).first()


def _offered(message: Message) -> Facts:
    offer = _offer(message)
    if offer is None:
        return AS_WRITTEN
    if offer.status != OfferStatus.PENDING:
        return NoMore(f"the offer was {offer.status}")
    return NoMore("the time to answer is over") if offer.expires_at <= clock.database_now() else AS_WRITTEN


def _offer_withdrawn(message: Message) -> Facts:
    offer = _offer(message)
    if offer is not None and offer.delivery.rider_id == offer.rider_id:
        return NoMore("they carry it by now")
    return AS_WRITTEN


def _carries(order: Order, message: Message) -> Delivery | None:
    """The live delivery of this order, if it is with the rider who is written to."""
    delivery = _delivery(order)
    theirs = delivery is not None and delivery.rider and delivery.rider.recipient_id == message.recipient_id
    return delivery if theirs else None


def _given(order: Order, message: Message) -> Facts:
    delivery = _carries(order, message)
    if delivery is None:
        return NoMore("it is not theirs any more")
    return AS_WRITTEN if delivery.status == DeliveryStatus.ASSIGNED else NoMore("they have fetched it")


def _taken_away(order: Order, message: Message) -> Facts:
    return NoMore("it is theirs again") if _carries(order, message) else AS_WRITTEN


def _behind_schedule(order: Order, message: Message) -> Facts:
    delivery = _carries(order, message)
    if delivery is None or delivery.status not in CARRIED:
        return NoMore("it is not theirs any more")
    behind = promises.is_behind(order, pace.arrival(order, delivery, now=clock.now()))
    return AS_WRITTEN if behind else NoMore("it is on time again")


def _suspended(message: Message) -> Facts:
    rider = Rider.objects.filter(recipient=message.recipient_id).first()
    if rider is None:
        return AS_WRITTEN
    if rider.standing != Standing.SUSPENDED:
        return NoMore(f"they are {rider.standing} by now")
    return {"reason": rider.suspended_reason}


# ── stores ───────────────────────────────────────────────────────────────────────────────────────────────────────
def _waits_for_store(order: Order, message: Message) -> Facts:
    return AS_WRITTEN if order.status in WAITING else NoMore(f"the order is {order.status} by now")


def _to_put_in(order: Order, message: Message) -> Facts:
    fetched = CARRIAGE.reached(order.carriage, CarriageState.PICKED_UP)
    return NoMore(f"the order is {order.status} by now") if fetched else _item_decided(order, message)


def _connected(connected: bool, message: Message) -> Facts:
    store = Store.objects.filter(recipient=message.recipient_id).first()
    account = store and ConnectAccount.objects.filter(payee_kind=PayeeKind.STORE, payee_id=store.pk).first()
    if account and bool(account.stripe_account) is not connected:
        return NoMore("the account was disconnected since" if connected else "the account is connected again")
    return AS_WRITTEN


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────
TABLE: dict[str, Look] = {
    "order.payment_failed": _about_order(_payment_failed),
    "order.placed": _about_order(_under_way),
    "order.substitutions_proposed": _about_order(_asked),
    "order.item_replaced": _about_order(_item_decided),
    "order.item_left_out": _about_order(_item_decided),
    "order.delayed": _about_order(_delayed),
    "delivery.assigned": _about_order(_assigned),
    "delivery.on_the_way": _about_order(_on_the_way),
    "delivery.delayed": _about_order(_delayed),
    "delivery.completed": _about_order(_delivered),
    "delivery.failed": _about_order(partial(_carriage_is, NOT_BROUGHT)),
    "review.requested": _about_order(_review),
    "offer.made": _offered,
    "offer.withdrawn": _offer_withdrawn,
    "delivery.given": _about_order(_given),
    "delivery.withdrawn": _about_order(_taken_away),
    "delivery.behind_schedule": _about_order(_behind_schedule),
    "rider.suspended": _suspended,
    "store.order_placed": _about_order(_waits_for_store),
    "store.acknowledge_reminder": _about_order(_waits_for_store),
    "store.item_replaced": _about_order(_to_put_in),
    "store.item_left_out": _about_order(_to_put_in),
    "store.delivery_failed": _about_order(partial(_carriage_is, NOT_BROUGHT)),
    "store.connected": partial(_connected, True),
    "store.reconnect": partial(_connected, False),
}
ALWAYS_TRUE = frozenset(
    {
        "order.cancelled",  # final, as are the next two
        "order.auto_rejected",
        "store.order_cancelled",
        "order.refunded",  # the money has left
        *("ops.incident_resolved", "ops.reminder", "ops.digest"),
        "ops.incident",  # also of one that is right again: somebody shall know that it was
    }
)
