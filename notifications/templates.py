"""The catalogue: every event somebody is told about, on which channels, in which words (SPEC N2, N4).

Texts are format strings over the params that the caller gives; a language that is missing falls back to English.
Keys and params are the contracts' where they name them (`delivery.on_the_way {orderId, etaMinutes}`). What is said to
customers is there in every language of `CUSTOMER_LANGUAGES`; stores, riders and ops read English.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from string import Formatter
from typing import Any, NamedTuple

from django.conf import settings

DEFAULT_LANGUAGE = "en"
CUSTOMER_LANGUAGES = ("en", "hi")

HOUR_S = 3_600
DAY_S = 86_400

PUSH_FIRST = ("push", "whatsapp", "sms", "email")
PUSH_OR_EMAIL = ("push", "email")
PUSH_ONLY = ("push",)
EMAIL_FIRST = ("email", "sms")
EMAIL_ONLY = ("email",)


class Text(NamedTuple):
    title: str
    body: str


class MissingParams(TypeError):
    """A caller did not give what a template needs: a mistake in the program, found by its first test."""


class _Words(Formatter):
    """`{distance_m:km}` reads "1.2 km"; everything else as `str.format` does."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec == "km":
            return f"{float(value) / 1000:.1f} km"
        return str(super().format_field(value, format_spec))


_words = _Words()


@dataclass(frozen=True)
class Template:
    """How one event is told.

    `transactional`: about money or work under way, so it is told even to those who opted out, and never rate limited.
    `useful_for_s`: an older message is not sent any more (nobody wants yesterday's "on the way").
    `urgent`: somebody has seconds to act on it, so it never waits behind what a slow provider holds up.
    `can_wait`: it is about nothing that happens right now, so it waits for the end of the person's quiet hours.
    `at_most_per_hour`: of this event to one person, where that is another number than MESSAGES_PER_EVENT_PER_HOUR.
    `beyond_cap`: it goes out even where the day's money for its channel is spent.
    `data`: push payload key -> param, for apps; `type` (the event) is always there.
    """

    event: str
    channels: tuple[str, ...]
    texts: Mapping[str, Text]
    transactional: bool = True
    useful_for_s: int = DAY_S
    urgent: bool = False
    can_wait: bool = False
    at_most_per_hour: int | None = None
    beyond_cap: bool = False
    data: Mapping[str, str] = field(default_factory=dict)
    also_needs: frozenset[str] = frozenset()

    @cached_property
    def params(self) -> frozenset[str]:
        """What a caller must give: all that any language mentions, what the payload needs, what the contract names."""
        mentioned = {
            name for text in self.texts.values() for part in text for _, name, _, _ in Formatter().parse(part) if name
        }
        return frozenset(mentioned | set(self.data.values()) | self.also_needs)

    def require(self, params: Mapping[str, Any]) -> None:
        if missing := sorted(self.params - params.keys()):
            raise MissingParams(f"{self.event} needs {', '.join(missing)}")

    def render(self, language: str, params: Mapping[str, Any]) -> Text:
        """The words in `language` ("hi", "hi-IN"), or in English where we do not have that language."""
        text = self.texts[self.spoken(language)]
        return Text(_words.vformat(text.title, (), params), _words.vformat(text.body, (), params))

    def spoken(self, language: str) -> str:
        """The language that somebody who asked for `language` is told in."""
        return next((one for one in (language, language.partition("-")[0]) if one in self.texts), DEFAULT_LANGUAGE)

    def blanks(self, language: str, params: Mapping[str, Any]) -> list[str]:
        """What stands in the blanks of the body, in their order there."""
        body = self.texts[self.spoken(language)].body
        return [_words.format_field(params[name], spec or "") for _, name, spec, _ in Formatter().parse(body) if name]

    def numbered(self, language: str) -> str:
        """The body with its blanks as {{1}}, {{2}}, …: how WhatsApp wants a template to be registered."""
        parts, number = list[str](), 0
        for literal, name, _, _ in Formatter().parse(self.texts[self.spoken(language)].body):
            number += bool(name)
            parts.append(literal + (f"{{{{{number}}}}}" if name else ""))
        return "".join(parts)

    def payload(self, params: Mapping[str, Any]) -> dict[str, str]:
        """What an app reads from a push: strings only, as FCM asks."""
        return {"type": self.event, **{key: str(params[param]) for key, param in self.data.items()}}


_ORDER = {"orderId": "orderId"}

_CUSTOMERS = (
    Template(
        "order.payment_failed",
        PUSH_FIRST,
        {
            "en": Text("Payment failed", "Your payment for order {orderId} did not go through. Please try again."),
            "hi": Text("भुगतान नहीं हुआ", "ऑर्डर {orderId} का भुगतान पूरा नहीं हुआ। कृपया फिर से कोशिश करें।"),
        },
        data=_ORDER,
    ),
    Template(
        "order.cancelled",
        PUSH_FIRST,
        {
            "en": Text("Order cancelled", "Your order {orderId} was cancelled. If a refund is due, it is on its way."),
            "hi": Text("ऑर्डर रद्द", "आपका ऑर्डर {orderId} रद्द कर दिया गया है। देय रिफ़ंड भेजा जा रहा है।"),
        },
        data=_ORDER,
    ),
    Template(
        "order.auto_rejected",
        PUSH_FIRST,
        {
            "en": Text("Order not accepted", "Order {orderId} auto-rejected, reason: {reason}"),
            "hi": Text("ऑर्डर स्वीकार नहीं हुआ", "ऑर्डर {orderId} अपने आप अस्वीकार हो गया, कारण: {reason}"),
        },
        data=_ORDER,
    ),
    Template(
        "order.refunded",
        PUSH_FIRST,
        {
            "en": Text("Refund on its way", "{amount} for order {orderId} was refunded to your card."),
            "hi": Text("रिफ़ंड भेजा गया", "ऑर्डर {orderId} के {amount} आपके कार्ड पर लौटा दिए गए हैं।"),
        },
        data=_ORDER,
    ),
    Template(
        "order.substitutions_proposed",
        PUSH_FIRST,
        {
            "en": Text(
                "The store suggests replacements",
                "Something is missing from your order {orderId}. Please answer by {until}: {link}",
            ),
            "hi": Text(
                "स्टोर ने विकल्प सुझाए हैं",
                "आपके ऑर्डर {orderId} में कुछ उपलब्ध नहीं है। कृपया {until} बजे तक यहाँ जवाब दें: {link}",
            ),
        },
        useful_for_s=600,
        data={**_ORDER, "link": "link"},
    ),
    Template(
        "order.item_replaced",
        PUSH_FIRST,
        {
            "en": Text("Item replaced", "Order {orderId}: you get {replacement} instead of {item}."),
            "hi": Text("सामान बदला गया", "ऑर्डर {orderId}: {item} की जगह आपको {replacement} मिलेगा।"),
        },
        data=_ORDER,
    ),
    Template(
        "order.item_left_out",
        PUSH_FIRST,
        {
            "en": Text("Item left out", "Order {orderId}: {item} is left out, you do not pay for it."),
            "hi": Text("सामान हटाया गया", "ऑर्डर {orderId}: {item} हटा दिया गया है, आपको इसका भुगतान नहीं करना है।"),
        },
        data=_ORDER,
    ),
    Template(
        "order.delayed",
        PUSH_ONLY,
        {
            "en": Text(
                "Your order may be delayed", "Order {orderId} may be delayed, updated ETA: {etaMinutes} minutes"
            ),
            "hi": Text("ऑर्डर में देरी", "ऑर्डर {orderId} में देरी हो सकती है, नया अनुमान: {etaMinutes} मिनट"),
        },
        transactional=False,
        useful_for_s=HOUR_S,
        data=_ORDER,
    ),
    Template(
        "delivery.assigned",
        PUSH_ONLY,
        {
            "en": Text("Rider assigned", "{rider} will bring your order {orderId}."),
            "hi": Text("राइडर मिल गया", "{rider} आपका ऑर्डर {orderId} लेकर आएंगे।"),
        },
        transactional=False,
        useful_for_s=HOUR_S,
        data=_ORDER,
    ),
    Template(
        "delivery.on_the_way",
        PUSH_FIRST,
        {
            "en": Text("On the way", "Your order is on the way! ETA: {etaMinutes} minutes"),
            "hi": Text("रास्ते में", "आपका ऑर्डर रास्ते में है! अनुमानित समय: {etaMinutes} मिनट"),
        },
        transactional=False,
        useful_for_s=HOUR_S,
        data={**_ORDER, "etaMinutes": "etaMinutes"},
    ),
    Template(
        "delivery.delayed",
        PUSH_FIRST,
        {
            "en": Text("A little later", "Your order may be delayed, updated ETA: {etaMinutes} minutes"),
            "hi": Text("थोड़ी देर", "आपके ऑर्डर में देरी हो सकती है, नया अनुमानित समय: {etaMinutes} मिनट"),
        },
        transactional=False,
        useful_for_s=HOUR_S,
        data={**_ORDER, "etaMinutes": "etaMinutes"},
    ),
    Template(
        "delivery.completed",
        PUSH_FIRST,
        {
            "en": Text("Delivered", "Your order has been delivered. Enjoy your meal!"),
            "hi": Text("डिलीवर हो गया", "आपका ऑर्डर पहुँच गया है। भोजन का आनंद लें!"),
        },
        data={**_ORDER, "totalPaise": "totalPaise"},
    ),
    Template(
        "delivery.failed",
        PUSH_FIRST,
        {
            "en": Text("Delivery failed", "We could not deliver your order {orderId}. We are looking into it."),
            "hi": Text("डिलीवरी नहीं हो सकी", "हम आपका ऑर्डर {orderId} नहीं पहुँचा सके। हम इसे देख रहे हैं।"),
        },
        data=_ORDER,
    ),
    Template(
        "review.requested",
        PUSH_OR_EMAIL,
        {
            "en": Text("How was it?", "How was your order {orderId}? A rating helps the store and your rider."),
            "hi": Text("कैसा लगा?", "आपका ऑर्डर {orderId} कैसा रहा? आपकी रेटिंग से स्टोर और राइडर को मदद मिलती है।"),
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
            "en": Text(
                f"New order assigned! Accept within {settings.OFFER_SECONDS}s",
                "{store}, {distance_m:km} away, delivery fee {fee}",
            )
        },
        useful_for_s=settings.OFFER_SECONDS,
        urgent=True,
        data={"orderId": "orderId", "offerId": "offerId", "expiresAt": "deadline"},
    ),
    Template(
        "offer.withdrawn",
        PUSH_ONLY,
        {"en": Text("Order withdrawn", "The order that was offered to you is no longer available.")},
        useful_for_s=120,
        urgent=True,
        data={"orderId": "orderId", "offerId": "offerId"},
    ),
    Template(
        "delivery.given",
        PUSH_FIRST,
        {"en": Text("Order assigned to you", "Please fetch order {orderId} from {store}.")},
        useful_for_s=HOUR_S,
        data=_ORDER,
    ),
    Template(
        "delivery.withdrawn",
        PUSH_FIRST,
        {"en": Text("Order called off", "Order {orderId} from {store} is no longer yours to deliver: {reason}")},
        useful_for_s=HOUR_S,
        data=_ORDER,
    ),
    Template(
        "delivery.behind_schedule",
        PUSH_ONLY,
        {"en": Text("You're behind schedule", "Order {orderId} from {store} is later than promised")},
        useful_for_s=HOUR_S,
        data=_ORDER,
    ),
    Template(
        "rider.suspended",
        PUSH_FIRST,
        {"en": Text("Your account is suspended", "You will get no orders for now: {reason}. Please contact support.")},
    ),
)

_STORES = (
    Template(
        "store.order_placed",
        PUSH_FIRST,
        {"en": Text("New order", "Order {orderId} is paid and waits for you. Please acknowledge it.")},
        useful_for_s=HOUR_S,
        data=_ORDER,
    ),
    Template(
        "store.acknowledge_reminder",
        PUSH_FIRST,
        {"en": Text("Order still waiting", "Order {orderId} has not been acknowledged yet.")},
        useful_for_s=600,
        data=_ORDER,
    ),
    Template(
        "store.order_cancelled",
        PUSH_FIRST,
        {"en": Text("Order cancelled", "Order {orderId} was cancelled: {reason}. Please do not prepare it.")},
        useful_for_s=HOUR_S,
        data=_ORDER,
    ),
    Template(
        "store.item_replaced",
        PUSH_FIRST,
        {"en": Text("Replacement wanted", "Order {orderId}: please put in {replacement} instead of {item}.")},
        useful_for_s=HOUR_S,
        data=_ORDER,
    ),
    Template(
        "store.item_left_out",
        PUSH_FIRST,
        {"en": Text("Leave it out", "Order {orderId}: please leave out {item}, without a replacement.")},
        useful_for_s=HOUR_S,
        data=_ORDER,
    ),
    Template(
        "store.connected",
        EMAIL_FIRST,
        {"en": Text("Welcome: payouts are ready", "{store} is set up: it can take payments and receive payouts.")},
    ),
    Template(
        "store.reconnect",
        EMAIL_FIRST,
        {
            "en": Text(
                "Please reconnect your Stripe account",
                "{store} was disconnected from Stripe and takes no orders until it is connected again.",
            )
        },
    ),
    Template(
        "store.delivery_failed",
        PUSH_FIRST,
        {"en": Text("Delivery failed", "Order {orderId} could not be delivered: {reason}")},
        data=_ORDER,
    ),
)

_OPS = (
    Template(
        "ops.incident",
        EMAIL_ONLY,
        {"en": Text("[{severity}] {title}", "{title}\n\nKind: {kind}\nAbout: {subject}\nOrder: {order}\n\n{link}")},
        beyond_cap=True,
    ),
)

CATALOGUE: dict[str, Template] = {template.event: template for template in (*_CUSTOMERS, *_RIDERS, *_STORES, *_OPS)}
CUSTOMER_EVENTS = tuple(template.event for template in _CUSTOMERS)
