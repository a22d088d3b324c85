"""Who reacts to what: the whole list (docs/house.md "Call down now, react upward later").

An event's name on the left; on the right the handlers ("room.verb" is `verb` in that room's reactions module) that get
a job in the event's own transaction. Handlers read what is true now; order, repetition and delay change nothing.
"""

REACTIONS: dict[str, list[str]] = {
    "order.payment_confirmed": ["payouts.book_order", "deliveries.invite_customer"],
    "order.refund_requested": ["payouts.book_order"],  # how much is still to come back, and for what
    "order.refunded": ["payouts.book_order"],
    "order.substitutions_proposed": ["deliveries.ask_customer"],
    "order.preparation_changed": ["deliveries.follow_order"],  # open a delivery, bring it forward
    "order.cancelled": ["deliveries.follow_order", "payouts.book_order"],  # end the live one
    "order.delivered": ["payouts.book_order"],  # releases the store's share
    "delivery.ended": ["payouts.book_delivery"],  # delivered, failed, cancelled, returned
    "fraud_flag.changed": ["payouts.book_delivery"],
    "rider.availability_changed": ["deliveries.follow_rider"],
    "rider.referral_earned": ["payouts.book_referral"],
}
