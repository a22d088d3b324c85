"""The catalogue: every event somebody is told about, on which channels, in which words (SPEC N2, N4).

Texts have blanks for the params that the caller gives (template.py); a language that is missing falls back to English.
Keys and params are the contracts' where they name them (`delivery.on_the_way {orderId, etaMinutes}`). What is said to
customers is there in every language of `CUSTOMER_LANGUAGES`; stores, riders and ops read English.

These are the words that are built in. Ops may put others in their place (overrides.py, docs/templates.md); what an
event is told by, to whom it matters and what it must say stays here.
"""

from django.conf import settings

from notifications.content.template import MessageText, Template

CUSTOMER_LANGUAGES = ("en", "hi")

HOUR_S = 3_600

PUSH_FIRST = ("push", "whatsapp", "sms", "email")
PUSH_OR_EMAIL = ("push", "email")
PUSH_ONLY = ("push",)
EMAIL_FIRST = ("email", "sms")
EMAIL_ONLY = ("email",)

_ORDER = {"orderId": "orderId"}
_PAGE = {"link": "https://handoff.example/track/xkq0vZ3fTq1dJwYb7n8sLr2mPa5uEc9h"}

_CUSTOMERS = (
    Template(
        "order.payment_failed",
        PUSH_FIRST,
        {
            "en": MessageText(
                "Payment failed", "Your payment for order {orderId} did not go through. Please try again."
            ),
            "hi": MessageText("भुगतान नहीं हुआ", "ऑर्डर {orderId} का भुगतान पूरा नहीं हुआ। कृपया फिर से कोशिश करें।"),
        },
        data=_ORDER,
    ),
    Template(
        "order.placed",
        PUSH_FIRST,
        {
            "en": MessageText("Order placed", "{store} has your order {orderId}. Follow it at {link} to your door."),
            "hi": MessageText(
                "ऑर्डर हो गया", "{store} को आपका ऑर्डर {orderId} मिल गया है। {link} पर देखें कि वह कहाँ तक पहुँचा।"
            ),
        },
        useful_for_s=HOUR_S,
        data={**_ORDER, "link": "link"},
        essential=("link",),
        samples=_PAGE,
    ),
    Template(
        "order.cancelled",
        PUSH_FIRST,
        {
            "en": MessageText(
                "Order cancelled", "Your order {orderId} was cancelled. If a refund is due, it is on its way."
            ),
            "hi": MessageText("ऑर्डर रद्द", "आपका ऑर्डर {orderId} रद्द कर दिया गया है। देय रिफ़ंड भेजा जा रहा है।"),
        },
        data=_ORDER,
    ),
    Template(
        "order.auto_rejected",
        PUSH_FIRST,
        {
            "en": MessageText("Order not accepted", "Order {orderId} auto-rejected, reason: {reason}"),
            "hi": MessageText("ऑर्डर स्वीकार नहीं हुआ", "ऑर्डर {orderId} अपने आप अस्वीकार हो गया, कारण: {reason}"),
        },
        data=_ORDER,
    ),
    Template(
        "order.refunded",
        PUSH_FIRST,
        {
            "en": MessageText("Refund on its way", "{amount} for order {orderId} was refunded to your card."),
            "hi": MessageText("रिफ़ंड भेजा गया", "ऑर्डर {orderId} के {amount} आपके कार्ड पर लौटा दिए गए हैं।"),
        },
        data=_ORDER,
        essential=("amount",),
    ),
    Template(
        "order.substitutions_proposed",
        PUSH_FIRST,
        {
            "en": MessageText(
                "The store suggests replacements",
                "Something is missing from your order {orderId}. Please answer at {link} by {until}, or we do as you"
                " said when you ordered.",
            ),
            "hi": MessageText(
                "स्टोर ने विकल्प सुझाए हैं",
                "आपके ऑर्डर {orderId} में कुछ उपलब्ध नहीं है। कृपया {link} पर {until} बजे तक जवाब दें, नहीं तो हम वही करेंगे जो आपने"
                " ऑर्डर करते समय बताया था।",
            ),
        },
        useful_for_s=600,
        data={**_ORDER, "link": "link"},
        essential=("link", "until"),
        samples=_PAGE,
    ),
    Template(
        "order.item_replaced",
        PUSH_FIRST,
        {
            "en": MessageText("Item replaced", "Order {orderId}: you get {replacement} instead of {item}."),
            "hi": MessageText("सामान बदला गया", "ऑर्डर {orderId}: {item} की जगह आपको {replacement} मिलेगा।"),
        },
        data=_ORDER,
        essential=("item", "replacement"),
    ),
    Template(
        "order.item_left_out",
        PUSH_FIRST,
        {
            "en": MessageText("Item left out", "Order {orderId}: {item} is left out, you do not pay for it."),
            "hi": MessageText("सामान हटाया गया", "ऑर्डर {orderId}: {item} हटा दिया गया है, आपको इसका भुगतान नहीं करना है।"),
        },
        data=_ORDER,
        essential=("item",),
    ),
    Template(
        "order.delayed",
        PUSH_ONLY,
        {
            "en": MessageText(
                "Your order may be delayed", "Order {orderId} may be delayed, updated ETA: {etaMinutes} minutes"
            ),
            "hi": MessageText("ऑर्डर में देरी", "ऑर्डर {orderId} में देरी हो सकती है, नया अनुमान: {etaMinutes} मिनट"),
        },
        transactional=False,
        useful_for_s=HOUR_S,
        data=_ORDER,
        essential=("etaMinutes",),
    ),
    Template(
        "delivery.assigned",
        PUSH_ONLY,
        {
            "en": MessageText("Rider assigned", "{rider} will bring your order {orderId}."),
            "hi": MessageText("राइडर मिल गया", "{rider} आपका ऑर्डर {orderId} लेकर आएंगे।"),
        },
        transactional=False,
        useful_for_s=HOUR_S,
        data=_ORDER,
    ),
    Template(
        "delivery.on_the_way",
        PUSH_FIRST,
        {
            "en": MessageText("On the way", "Your order is on the way! ETA: {etaMinutes} minutes"),
            "hi": MessageText("रास्ते में", "आपका ऑर्डर रास्ते में है! अनुमानित समय: {etaMinutes} मिनट"),
        },
        transactional=False,
        useful_for_s=HOUR_S,
        data={**_ORDER, "etaMinutes": "etaMinutes"},
    ),
    Template(
        "delivery.delayed",
        PUSH_FIRST,
        {
            "en": MessageText("A little later", "Your order may be delayed, updated ETA: {etaMinutes} minutes"),
            "hi": MessageText("थोड़ी देर", "आपके ऑर्डर में देरी हो सकती है, नया अनुमानित समय: {etaMinutes} मिनट"),
        },
        transactional=False,
        useful_for_s=HOUR_S,
        data={**_ORDER, "etaMinutes": "etaMinutes"},
        essential=("etaMinutes",),
    ),
    Template(
        "delivery.completed",
        PUSH_FIRST,
        {
            "en": MessageText("Delivered", "Your order has been delivered. Enjoy your meal!"),
            "hi": MessageText("डिलीवर हो गया", "आपका ऑर्डर पहुँच गया है। भोजन का आनंद लें!"),
        },
        data={**_ORDER, "totalPaise": "totalPaise"},
    ),
    Template(
        "delivery.failed",
        PUSH_FIRST,
        {
            "en": MessageText("Delivery failed", "We could not deliver your order {orderId}. We are looking into it."),
            "hi": MessageText("डिलीवरी नहीं हो सकी", "हम आपका ऑर्डर {orderId} नहीं पहुँचा सके। हम इसे देख रहे हैं।"),
        },
        data=_ORDER,
    ),
    Template(
        "review.requested",
        PUSH_OR_EMAIL,
        {
            "en": MessageText("How was it?", "How was your order {orderId}? A rating helps the store and your rider."),
            "hi": MessageText("कैसा लगा?", "आपका ऑर्डर {orderId} कैसा रहा? आपकी रेटिंग से स्टोर और राइडर को मदद मिलती है।"),
        },
        transactional=False,
        can_wait=True,
        data=_ORDER,
    ),
)

_RIDERS = (
    Template(
        "offer.made",
        PUSH_ONLY,
        {
            "en": MessageText(
                f"New order assigned! Accept within {settings.OFFER_SECONDS}s",
                "{store}, {distance_m:km} away, delivery fee {fee}",
            )
        },
        useful_for_s=settings.OFFER_SECONDS,
        urgent=True,
        data={"orderId": "orderId", "offerId": "offerId", "expiresAt": "deadline"},
        essential=("store", "fee"),
    ),
    Template(
        "offer.withdrawn",
        PUSH_ONLY,
        {"en": MessageText("Order withdrawn", "The order that was offered to you is no longer available.")},
        useful_for_s=120,
        urgent=True,
        data={"orderId": "orderId", "offerId": "offerId"},
    ),
    Template(
        "delivery.given",
        PUSH_FIRST,
        {"en": MessageText("Order assigned to you", "Please fetch order {orderId} from {store}.")},
        useful_for_s=HOUR_S,
        data=_ORDER,
        essential=("orderId", "store"),
    ),
    Template(
        "delivery.withdrawn",
        PUSH_FIRST,
        {"en": MessageText("Order called off", "Order {orderId} from {store} is no longer yours to deliver: {reason}")},
        useful_for_s=HOUR_S,
        data=_ORDER,
        essential=("orderId",),
    ),
    Template(
        "delivery.behind_schedule",
        PUSH_ONLY,
        {"en": MessageText("You're behind schedule", "Order {orderId} from {store} is later than promised")},
        useful_for_s=HOUR_S,
        data=_ORDER,
    ),
    Template(
        "rider.suspended",
        PUSH_FIRST,
        {
            "en": MessageText(
                "Your account is suspended", "You will get no orders for now: {reason}. Please contact support."
            )
        },
        essential=("reason",),
        samples={"reason": "documents have expired"},
    ),
)

_STORES = (
    Template(
        "store.order_placed",
        PUSH_FIRST,
        {"en": MessageText("New order", "Order {orderId} is paid and waits for you. Please acknowledge it.")},
        useful_for_s=HOUR_S,
        data=_ORDER,
        essential=("orderId",),
    ),
    Template(
        "store.acknowledge_reminder",
        PUSH_FIRST,
        {"en": MessageText("Order still waiting", "Order {orderId} has not been acknowledged yet.")},
        useful_for_s=600,
        data=_ORDER,
        essential=("orderId",),
    ),
    Template(
        "store.order_cancelled",
        PUSH_FIRST,
        {"en": MessageText("Order cancelled", "Order {orderId} was cancelled: {reason}. Please do not prepare it.")},
        useful_for_s=HOUR_S,
        data=_ORDER,
        essential=("orderId",),
    ),
    Template(
        "store.item_replaced",
        PUSH_FIRST,
        {"en": MessageText("Replacement wanted", "Order {orderId}: please put in {replacement} instead of {item}.")},
        useful_for_s=HOUR_S,
        data=_ORDER,
        essential=("orderId", "item", "replacement"),
    ),
    Template(
        "store.item_left_out",
        PUSH_FIRST,
        {"en": MessageText("Leave it out", "Order {orderId}: please leave out {item}, without a replacement.")},
        useful_for_s=HOUR_S,
        data=_ORDER,
        essential=("orderId", "item"),
    ),
    Template(
        "store.connected",
        EMAIL_FIRST,
        {
            "en": MessageText(
                "Welcome: payouts are ready", "{store} is set up: it can take payments and receive payouts."
            )
        },
    ),
    Template(
        "store.reconnect",
        EMAIL_FIRST,
        {
            "en": MessageText(
                "Please reconnect your Stripe account",
                "{store} was disconnected from Stripe and takes no orders until it is connected again.",
            )
        },
        essential=("store",),
    ),
    Template(
        "store.delivery_failed",
        PUSH_FIRST,
        {"en": MessageText("Delivery failed", "Order {orderId} could not be delivered: {reason}")},
        data=_ORDER,
        essential=("orderId",),
    ),
)

_OPS = (
    Template(
        "ops.incident",
        EMAIL_ONLY,
        {
            "en": MessageText(
                "[{severity}] {title}",
                "{title}\n\n{advice}\n\nSince: {since}\nKind: {kind}\nAbout: {subject}\nOrder: {order}\n\n{link}",
            )
        },
        beyond_cap=True,
        essential=("link",),
    ),
    Template(
        "ops.incident_resolved",
        EMAIL_ONLY,
        {
            "en": MessageText(
                "[resolved] {title}",
                "Over: {title}\n\n{resolution}\n\nIt began {since}.\nKind: {kind}\nAbout: {subject}\nOrder: {order}"
                "\n\n{link}",
            )
        },
        beyond_cap=True,
        essential=("link",),
    ),
    Template(
        "ops.reminder",
        EMAIL_ONLY,
        {
            "en": MessageText(
                "[critical] Nobody looks into it: {count}",
                "Nobody has acknowledged these within {minutes} minutes:\n\n{list}\n\n{link}",
            )
        },
        beyond_cap=True,
        essential=("link",),
    ),
    Template(
        "ops.digest",
        EMAIL_ONLY,
        {"en": MessageText("[warning] New incidents: {count}", "New since the last digest:\n\n{list}\n\n{link}")},
        beyond_cap=True,
        essential=("link",),
    ),
)

AUDIENCES = {"Customers": _CUSTOMERS, "Riders": _RIDERS, "Stores": _STORES, "Ops": _OPS}
CATALOGUE: dict[str, Template] = {template.event: template for group in AUDIENCES.values() for template in group}
CUSTOMER_EVENTS = tuple(template.event for template in _CUSTOMERS)
