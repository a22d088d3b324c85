"""What is true of that which a message is about, at the moment at which it goes out (settings.MESSAGE_FACTS; SPEC N2).

A line per event of the catalogue. Its function answers the params that may have changed since the message was written,
or that it does not matter any more (MessageObsolete, with the reason that ops reads). What is true for ever stands in
ALWAYS_TRUE; tests/ops/test_message_freshness.py holds that every event is in one of the two.

A message about something that is not there (any more) is told as it was written.
"""

import uuid
from collections.abc import Callable, Collection
from functools import partial

from deliveries.eta import estimate, learned_speeds
from deliveries.lifecycle import CARRIED, LIVE, DeliveryStatus, OfferStatus
from deliveries.models import Delivery, Offer, Rating
from deliveries.tracking import substitution_message
from foundation import clock
from notifications.models import Message
from notifications.outbox.freshness import Facts, MessageObsolete
from orders import promised_times, transitions
from orders.acknowledgement import AWAITING_ACKNOWLEDGEMENT
from orders.lifecycle import CARRIAGE, CarriageState, PaymentState
from orders.lifecycle import LIVE as OPEN
from orders.models import Order, Store
from payouts.models import ConnectAccount, PayeeKind
from riders.lifecycle import RiderStatus
from riders.models import Rider

AS_WRITTEN: Facts = {}
ON_THE_WAY = frozenset({CarriageState.PICKED_UP, CarriageState.IN_TRANSIT})
NOT_BROUGHT = frozenset({CarriageState.FAILED, CarriageState.RETURNED})

OrderFactsReader = Callable[[Order, Message], Facts]
FactsReader = Callable[[Message], Facts]


def current_params(message: Message) -> Facts:
    """The params of `message` that have changed, or why it does not matter any more."""
    return TABLE[message.event](message) if message.event in TABLE else AS_WRITTEN


def _about_order(reader: OrderFactsReader) -> FactsReader:
    def look_up_order(message: Message) -> Facts:
        known = Order.objects.select_related("store", "customer").filter(public_id=message.order_ref)
        order = known.first() if message.order_ref else None
        return AS_WRITTEN if order is None else reader(order, message)

    return look_up_order


def _live_delivery(order: Order) -> Delivery | None:
    """The live one."""
    return Delivery.objects.filter(order=order, status__in=LIVE).select_related("rider", "courier_job").first()


# ── customers ────────────────────────────────────────────────────────────────────────────────────────────────────
def _payment_failed(order: Order, message: Message) -> Facts:
    unpaid = order.payment == PaymentState.UNPAID and order.preparation not in transitions.CALLED_OFF
    return AS_WRITTEN if unpaid else MessageObsolete(f"the order is {order.status} by now")


def _under_way(order: Order, message: Message) -> Facts:
    return AS_WRITTEN if order.status in OPEN else MessageObsolete(f"the order is {order.status} by now")


def _carriage_is(among: Collection[CarriageState], order: Order, message: Message) -> Facts:
    return AS_WRITTEN if order.carriage in among else MessageObsolete(f"the order is {order.status} by now")


def _params_assigned(order: Order, message: Message) -> Facts:
    """Of one who was replaced nobody wants to hear; that somebody fetched it is told by "on the way"."""
    delivery = _live_delivery(order)
    if order.carriage != CarriageState.ASSIGNED or delivery is None:
        return MessageObsolete(f"the order is {order.status} by now")
    if delivery.rider is None:  # a company's driver, who is told once, by whatever name they have now
        return {"rider": str(delivery.driver_details.get("name") or delivery.courier)}
    return (
        AS_WRITTEN
        if delivery.rider.name == message.params["rider"]
        else MessageObsolete("somebody else brings it by now")
    )


def _on_the_way(order: Order, message: Message) -> Facts:
    if order.carriage not in ON_THE_WAY:
        return MessageObsolete(f"the order is {order.status} by now")
    at = clock.now()
    return {
        "etaMinutes": estimate.minutes_left(
            learned_speeds.expected_arrival(order, _live_delivery(order), now=at), now=at
        )
    }


def _params_delayed(order: Order, message: Message) -> Facts:
    if order.status not in OPEN:
        return MessageObsolete(f"the order is {order.status} by now")
    at = clock.now()
    arrival_at = learned_speeds.expected_arrival(order, _live_delivery(order), now=at)
    if not promised_times.is_behind(order, arrival_at):
        return MessageObsolete("it is on time again")
    return {"etaMinutes": estimate.minutes_left(arrival_at, now=at)}


def _params_delivered(order: Order, message: Message) -> Facts:
    if order.carriage != CarriageState.DELIVERED:
        return MessageObsolete(f"the order is {order.status} by now")
    return {"totalPaise": order.total_minor}


def _params_substitutions_proposed(order: Order, message: Message) -> Facts:
    until = substitution_message.answer_until(order)
    return MessageObsolete("nothing waits for an answer by now") if until is None else {"until": until}


def _item_decided(order: Order, message: Message) -> Facts:
    """What was decided about an item stays so."""
    return (
        MessageObsolete(f"the order is {order.status} by now")
        if order.preparation in transitions.CALLED_OFF
        else AS_WRITTEN
    )


def _params_review(order: Order, message: Message) -> Facts:
    if order.carriage != CarriageState.DELIVERED:
        return MessageObsolete(f"the order is {order.status} by now")
    rated = Rating.objects.filter(delivery__order=order).exists()
    return MessageObsolete("they have rated it") if rated else AS_WRITTEN


# ── riders ───────────────────────────────────────────────────────────────────────────────────────────────────────
def _find_offer(message: Message) -> Offer | None:
    try:
        ref = uuid.UUID(str(message.params["offerId"]))
    except ValueError:
        return None
    return Offer.objects.select_related("delivery").filter(public_id=ref).first()


def _params_offered(message: Message) -> Facts:
    offer = _find_offer(message)
    if offer is None:
        return AS_WRITTEN
    if offer.status != OfferStatus.PENDING:
        return MessageObsolete(f"the offer was {offer.status}")
    return MessageObsolete("the time to answer is over") if offer.expires_at <= clock.database_now() else AS_WRITTEN


def _offer_withdrawn(message: Message) -> Facts:
    offer = _find_offer(message)
    if offer is not None and offer.delivery.rider_id == offer.rider_id:
        return MessageObsolete("they carry it by now")
    return AS_WRITTEN


def _delivery_of_rider(order: Order, message: Message) -> Delivery | None:
    """The live delivery of this order, if it is with the rider who is written to."""
    delivery = _live_delivery(order)
    theirs = delivery is not None and delivery.rider and delivery.rider.recipient_id == message.recipient_id
    return delivery if theirs else None


def _params_delivery_given(order: Order, message: Message) -> Facts:
    delivery = _delivery_of_rider(order, message)
    if delivery is None:
        return MessageObsolete("it is not theirs any more")
    return AS_WRITTEN if delivery.status == DeliveryStatus.ASSIGNED else MessageObsolete("they have fetched it")


def _params_delivery_withdrawn(order: Order, message: Message) -> Facts:
    return MessageObsolete("it is theirs again") if _delivery_of_rider(order, message) else AS_WRITTEN


def _behind_schedule(order: Order, message: Message) -> Facts:
    delivery = _delivery_of_rider(order, message)
    if delivery is None or delivery.status not in CARRIED:
        return MessageObsolete("it is not theirs any more")
    behind = promised_times.is_behind(order, learned_speeds.expected_arrival(order, delivery, now=clock.now()))
    return AS_WRITTEN if behind else MessageObsolete("it is on time again")


def _params_suspended(message: Message) -> Facts:
    rider = Rider.objects.filter(recipient=message.recipient_id).first()
    if rider is None:
        return AS_WRITTEN
    if rider.standing != RiderStatus.SUSPENDED:
        return MessageObsolete(f"they are {rider.standing} by now")
    return {"reason": rider.suspended_reason}


# ── stores ───────────────────────────────────────────────────────────────────────────────────────────────────────
def _waits_for_store(order: Order, message: Message) -> Facts:
    return (
        AS_WRITTEN
        if order.status in AWAITING_ACKNOWLEDGEMENT
        else MessageObsolete(f"the order is {order.status} by now")
    )


def _params_item_for_store(order: Order, message: Message) -> Facts:
    fetched = CARRIAGE.has_reached(order.carriage, CarriageState.PICKED_UP)
    return MessageObsolete(f"the order is {order.status} by now") if fetched else _item_decided(order, message)


def _params_connected(connected: bool, message: Message) -> Facts:
    store = Store.objects.filter(recipient=message.recipient_id).first()
    account = store and ConnectAccount.objects.filter(payee_kind=PayeeKind.STORE, payee_id=store.pk).first()
    if account and bool(account.stripe_account) is not connected:
        return MessageObsolete("the account was disconnected since" if connected else "the account is connected again")
    return AS_WRITTEN


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────
TABLE: dict[str, FactsReader] = {
    "order.payment_failed": _about_order(_payment_failed),
    "order.placed": _about_order(_under_way),
    "order.substitutions_proposed": _about_order(_params_substitutions_proposed),
    "order.item_replaced": _about_order(_item_decided),
    "order.item_left_out": _about_order(_item_decided),
    "order.delayed": _about_order(_params_delayed),
    "delivery.assigned": _about_order(_params_assigned),
    "delivery.on_the_way": _about_order(_on_the_way),
    "delivery.delayed": _about_order(_params_delayed),
    "delivery.completed": _about_order(_params_delivered),
    "delivery.failed": _about_order(partial(_carriage_is, NOT_BROUGHT)),
    "review.requested": _about_order(_params_review),
    "offer.made": _params_offered,
    "offer.withdrawn": _offer_withdrawn,
    "delivery.given": _about_order(_params_delivery_given),
    "delivery.withdrawn": _about_order(_params_delivery_withdrawn),
    "delivery.behind_schedule": _about_order(_behind_schedule),
    "rider.suspended": _params_suspended,
    "store.order_placed": _about_order(_waits_for_store),
    "store.acknowledge_reminder": _about_order(_waits_for_store),
    "store.item_replaced": _about_order(_params_item_for_store),
    "store.item_left_out": _about_order(_params_item_for_store),
    "store.delivery_failed": _about_order(partial(_carriage_is, NOT_BROUGHT)),
    "store.connected": partial(_params_connected, True),
    "store.reconnect": partial(_params_connected, False),
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
