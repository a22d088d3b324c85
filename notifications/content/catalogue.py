"""The catalogue: every event somebody is told about, on which channels, in which words (SPEC N2, N4).

Texts have blanks for the params that the caller gives (template.py); a language that is missing falls back to English.
Keys and params are the contracts' where they name them (`delivery.on_the_way {orderId, etaMinutes}`). The English words
stand here, those of other languages in `notifications/locale` (a new folder there is a new language). What is said to
customers is there in every language of `CUSTOMER_LANGUAGES`; stores, riders and ops read English.

These are the words that are built in. Ops may put others in their place (overrides.py, docs/templates.md); what an
event is told by, to whom it matters and what it must say stays here.
"""

from pathlib import Path
from typing import Any

from django.conf import settings

from foundation.translations import load_translations
from notifications.content.template import DEFAULT_LANGUAGE, MessageText, Template

TRANSLATIONS = load_translations(Path(__file__).parents[1])
CUSTOMER_LANGUAGES = (DEFAULT_LANGUAGE, *TRANSLATIONS.languages)

HOUR_S = 3_600

PUSH_FIRST = ("push", "whatsapp", "sms", "email")
PUSH_OR_EMAIL = ("push", "email")
PUSH_ONLY = ("push",)
EMAIL_FIRST = ("email", "sms")
EMAIL_ONLY = ("email",)

_ORDER = {"orderId": "orderId"}
_PAGE = {"link": "https://handoff.example/track/xkq0vZ3fTq1dJwYb7n8sLr2mPa5uEc9h"}


def _build_template(event: str, channels: tuple[str, ...], title: str, body: str, **facts: Any) -> Template:
    """The template with its words in English and in every language that has both, title and body."""
    texts = {DEFAULT_LANGUAGE: MessageText(title, body)}
    for language in TRANSLATIONS.languages:
        translated = [
            TRANSLATIONS.translate(language, f"{event} {part}", english)
            for part, english in (("title", title), ("body", body))
        ]
        if all(translated):
            texts[language] = MessageText(*map(str, translated))
    return Template(event, channels, texts, **facts)


_CUSTOMERS = (
    _build_template(
        "order.payment_failed",
        PUSH_FIRST,
        "Payment failed",
        "Your payment for order {orderId} did not go through. Please try again.",
        data=_ORDER,
    ),
    _build_template(
        "order.placed",
        PUSH_FIRST,
        "Order placed",
        "{store} has your order {orderId}. Follow it at {link} to your door.",
        useful_for_s=HOUR_S,
        data={**_ORDER, "link": "link"},
        essential=("link",),
        samples=_PAGE,
    ),
    _build_template(
        "order.cancelled",
        PUSH_FIRST,
        "Order cancelled",
        "Your order {orderId} was cancelled. If a refund is due, it is on its way.",
        data=_ORDER,
    ),
    _build_template(
        "order.auto_rejected",
        PUSH_FIRST,
        "Order not accepted",
        "Order {orderId} auto-rejected, reason: {reason}",
        data=_ORDER,
    ),
    _build_template(
        "order.refunded",
        PUSH_FIRST,
        "Refund on its way",
        "{amount} for order {orderId} was refunded to your card.",
        data=_ORDER,
        essential=("amount",),
    ),
    _build_template(
        "order.substitutions_proposed",
        PUSH_FIRST,
        "The store suggests replacements",
        "Something is missing from your order {orderId}. Please answer at {link} by {until}, or we do as you"
        " said when you ordered.",
        useful_for_s=600,
        data={**_ORDER, "link": "link"},
        essential=("link", "until"),
        samples=_PAGE,
    ),
    _build_template(
        "order.item_replaced",
        PUSH_FIRST,
        "Item replaced",
        "Order {orderId}: you get {replacement} instead of {item}.",
        data=_ORDER,
        essential=("item", "replacement"),
    ),
    _build_template(
        "order.item_left_out",
        PUSH_FIRST,
        "Item left out",
        "Order {orderId}: {item} is left out, you do not pay for it.",
        data=_ORDER,
        essential=("item",),
    ),
    _build_template(
        "order.delayed",
        PUSH_ONLY,
        "Your order may be delayed",
        "Order {orderId} may be delayed, updated ETA: {etaMinutes} minutes",
        transactional=False,
        useful_for_s=HOUR_S,
        data=_ORDER,
        essential=("etaMinutes",),
    ),
    _build_template(
        "delivery.assigned",
        PUSH_ONLY,
        "Rider assigned",
        "{rider} will bring your order {orderId}.",
        transactional=False,
        useful_for_s=HOUR_S,
        data=_ORDER,
    ),
    _build_template(
        "delivery.on_the_way",
        PUSH_FIRST,
        "On the way",
        "Your order is on the way! ETA: {etaMinutes} minutes",
        transactional=False,
        useful_for_s=HOUR_S,
        data={**_ORDER, "etaMinutes": "etaMinutes"},
    ),
    _build_template(
        "delivery.delayed",
        PUSH_FIRST,
        "A little later",
        "Your order may be delayed, updated ETA: {etaMinutes} minutes",
        transactional=False,
        useful_for_s=HOUR_S,
        data={**_ORDER, "etaMinutes": "etaMinutes"},
        essential=("etaMinutes",),
    ),
    _build_template(
        "delivery.completed",
        PUSH_FIRST,
        "Delivered",
        "Your order has been delivered. Enjoy your meal!",
        data={**_ORDER, "totalPaise": "totalPaise"},
    ),
    _build_template(
        "delivery.failed",
        PUSH_FIRST,
        "Delivery failed",
        "We could not deliver your order {orderId}. We are looking into it.",
        data=_ORDER,
    ),
    _build_template(
        "review.requested",
        PUSH_OR_EMAIL,
        "How was it?",
        "How was your order {orderId}? A rating helps the store and your rider.",
        transactional=False,
        can_wait=True,
        data=_ORDER,
    ),
)

_RIDERS = (
    _build_template(
        "offer.made",
        PUSH_ONLY,
        f"New order assigned! Accept within {settings.OFFER_SECONDS}s",
        "{store}, {distance_m:km} away, delivery fee {fee}",
        useful_for_s=settings.OFFER_SECONDS,
        urgent=True,
        data={"orderId": "orderId", "offerId": "offerId", "expiresAt": "deadline"},
        essential=("store", "fee"),
    ),
    _build_template(
        "offer.withdrawn",
        PUSH_ONLY,
        "Order withdrawn",
        "The order that was offered to you is no longer available.",
        useful_for_s=120,
        urgent=True,
        data={"orderId": "orderId", "offerId": "offerId"},
    ),
    _build_template(
        "delivery.given",
        PUSH_FIRST,
        "Order assigned to you",
        "Please fetch order {orderId} from {store}.",
        useful_for_s=HOUR_S,
        data=_ORDER,
        essential=("orderId", "store"),
    ),
    _build_template(
        "delivery.withdrawn",
        PUSH_FIRST,
        "Order called off",
        "Order {orderId} from {store} is no longer yours to deliver: {reason}",
        useful_for_s=HOUR_S,
        data=_ORDER,
        essential=("orderId",),
    ),
    _build_template(
        "delivery.behind_schedule",
        PUSH_ONLY,
        "You're behind schedule",
        "Order {orderId} from {store} is later than promised",
        useful_for_s=HOUR_S,
        data=_ORDER,
    ),
    _build_template(
        "rider.suspended",
        PUSH_FIRST,
        "Your account is suspended",
        "You will get no orders for now: {reason}. Please contact support.",
        essential=("reason",),
        samples={"reason": "documents have expired"},
    ),
)

_STORES = (
    _build_template(
        "store.order_placed",
        PUSH_FIRST,
        "New order",
        "Order {orderId} is paid and waits for you. Please acknowledge it.",
        useful_for_s=HOUR_S,
        data=_ORDER,
        essential=("orderId",),
    ),
    _build_template(
        "store.acknowledge_reminder",
        PUSH_FIRST,
        "Order still waiting",
        "Order {orderId} has not been acknowledged yet.",
        useful_for_s=600,
        data=_ORDER,
        essential=("orderId",),
    ),
    _build_template(
        "store.order_cancelled",
        PUSH_FIRST,
        "Order cancelled",
        "Order {orderId} was cancelled: {reason}. Please do not prepare it.",
        useful_for_s=HOUR_S,
        data=_ORDER,
        essential=("orderId",),
    ),
    _build_template(
        "store.item_replaced",
        PUSH_FIRST,
        "Replacement wanted",
        "Order {orderId}: please put in {replacement} instead of {item}.",
        useful_for_s=HOUR_S,
        data=_ORDER,
        essential=("orderId", "item", "replacement"),
    ),
    _build_template(
        "store.item_left_out",
        PUSH_FIRST,
        "Leave it out",
        "Order {orderId}: please leave out {item}, without a replacement.",
        useful_for_s=HOUR_S,
        data=_ORDER,
        essential=("orderId", "item"),
    ),
    _build_template(
        "store.connected",
        EMAIL_FIRST,
        "Welcome: payouts are ready",
        "{store} is set up: it can take payments and receive payouts.",
    ),
    _build_template(
        "store.reconnect",
        EMAIL_FIRST,
        "Please reconnect your Stripe account",
        "{store} was disconnected from Stripe and takes no orders until it is connected again.",
        essential=("store",),
    ),
    _build_template(
        "store.delivery_failed",
        PUSH_FIRST,
        "Delivery failed",
        "Order {orderId} could not be delivered: {reason}",
        data=_ORDER,
        essential=("orderId",),
    ),
)

_OPS = (
    _build_template(
        "ops.incident",
        EMAIL_ONLY,
        "[{severity}] {title}",
        "{title}\n\n{advice}\n\nSince: {since}\nKind: {kind}\nAbout: {subject}\nOrder: {order}\n\n{link}",
        beyond_cap=True,
        essential=("link",),
    ),
    _build_template(
        "ops.incident_resolved",
        EMAIL_ONLY,
        "[resolved] {title}",
        "Over: {title}\n\n{resolution}\n\nIt began {since}.\nKind: {kind}\nAbout: {subject}\nOrder: {order}\n\n{link}",
        beyond_cap=True,
        essential=("link",),
    ),
    _build_template(
        "ops.reminder",
        EMAIL_ONLY,
        "[critical] Nobody looks into it: {count}",
        "Nobody has acknowledged these within {minutes} minutes:\n\n{list}\n\n{link}",
        beyond_cap=True,
        essential=("link",),
    ),
    _build_template(
        "ops.digest",
        EMAIL_ONLY,
        "[warning] New incidents: {count}",
        "New since the last digest:\n\n{list}\n\n{link}",
        beyond_cap=True,
        essential=("link",),
    ),
)

AUDIENCES = {"Customers": _CUSTOMERS, "Riders": _RIDERS, "Stores": _STORES, "Ops": _OPS}
CATALOGUE: dict[str, Template] = {template.event: template for group in AUDIENCES.values() for template in group}
CUSTOMER_EVENTS = tuple(template.event for template in _CUSTOMERS)
