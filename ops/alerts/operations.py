"""What is reported of orders, deliveries and riders."""

from ops.alerts.alert import BOTH, CRITICAL, WARNING, Alert

ORDERS = [
    Alert(
        "order_unacknowledged",
        CRITICAL,
        "A store did not answer within its time, or could not be told.",
        "Call the store. With a deadline of its own the order is cancelled and refunded by itself.",
        "when the store answers, or the order is called off",
    ),
    Alert(
        "order_not_ready",
        WARNING,
        "An order is ten minutes over the time its store named.",
        "Call the store for a new time; tell the customer.",
        "when it is ready or called off",
    ),
    Alert(
        "orders_stuck",
        BOTH,
        "Orders stay in one state for much longer than it takes.",
        "Open the first that is named: what is its delivery, its store, its last event? Move it, or cancel it.",
        "when all of them have moved",
    ),
    Alert(
        "orders_late",
        WARNING,
        "Orders under way are later than promised.",
        "Look at the list of late orders, the oldest first: more riders, another carrier, a word to the customer.",
        "when none is late",
    ),
    Alert(
        "orders_unwatched",
        WARNING,
        "Orders cannot be watched for lateness: looking at them fails.",
        "Watch the orders that are named by hand; the log (`sweep_failed_over_row`) says what is wrong with them.",
        "when all orders are watched again",
    ),
    Alert(
        "delivery_without_rider",
        CRITICAL,
        "Nobody was found to carry an order for long.",
        "Its decisions say why nobody fits. Call riders, send it to a company, or cancel.",
        "when somebody carries it, or it is called off",
    ),
    Alert(
        "deliveries_silent",
        WARNING,
        "Companies, or riders' phones, have said nothing of live deliveries.",
        "Call the rider or the company. A delivery that is over in truth is ended by hand.",
        "when they are heard of again",
    ),
    Alert(
        "delivery_failed",
        CRITICAL,
        "A delivery ended without the customer getting the goods.",
        "Try again, refund, or close it, on the delivery's page.",
        "when that is done",
    ),
    Alert(
        "delivered_after_cancelled",
        WARNING,
        "A carrier who did not stop delivered a cancelled order.",
        "Decide who pays: the refund has gone out already.",
    ),
    Alert(
        "refunded_on_the_way",
        WARNING,
        "An order was refunded in full while it is being carried.",
        "Stop the carrier, or let it be delivered.",
    ),
    Alert(
        "pos_relay_failed",
        CRITICAL,
        "A store's POS did not take an order; it was cancelled and refunded.",
        "Read the POS's words, call the store: is it closed, is its menu another?",
    ),
    Alert(
        "pos_cancel_failed",
        CRITICAL,
        "A store's POS did not take a cancellation.",
        "Call the store: it may be cooking for nobody. Replay the row in the work queue pos.",
        "when the POS has taken it",
    ),
    Alert(
        "pos_is_off",
        WARNING,
        "A store works with a POS that is not configured here.",
        "Set its keys (docs/configuration.md), or change how the store is told.",
        "when it is configured",
    ),
    Alert(
        "pos_before_payment",
        WARNING,
        "A POS speaks of an order that is not paid.",
        "Usually the payment follows. Else ask the store whom it is cooking for.",
        "when the payment arrives",
    ),
    Alert(
        "pos_cancelled_too_late",
        WARNING,
        "A store cancelled an order that is on its way already.",
        "Call the store, and decide with the customer.",
    ),
]

RIDERS = [
    Alert(
        "fraud.fake_pickup",
        WARNING,
        "A pickup was confirmed far from the store.",
        "Look at the flag's evidence; uphold or dismiss it.",
        "when the flag is decided",
    ),
    Alert(
        "fraud.fake_delivery",
        WARNING,
        "A delivery was confirmed far from the customer.",
        "Look at the flag's evidence; uphold or dismiss it. The earning is held meanwhile.",
        "when the flag is decided",
    ),
    Alert(
        "fraud.spoofing",
        WARNING,
        "A rider's phone moved faster than anything can.",
        "Look at the flag's evidence; uphold or dismiss it.",
        "when the flag is decided",
    ),
    Alert(
        "fraud.rejection_rate",
        WARNING,
        "A rider turns down more than 30 % of offers.",
        "Talk to the rider; decide the flag.",
        "when the flag is decided",
    ),
]
