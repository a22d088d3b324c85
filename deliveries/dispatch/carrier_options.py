"""What dispatch may know of the courier companies for one delivery (SPEC C7): a read over several tables."""

from datetime import datetime

from deliveries.couriers import circuit_breaker, providers
from deliveries.dispatch.carrier_choice import CarrierOption, CarrierPolicy, Carriers, QuoteState
from deliveries.eta import learned_speeds
from deliveries.models import IN_HOUSE, CourierCall, CourierQuote, Delivery
from foundation.work import OPEN
from orders.models import Order

HAD_IT = "had this order before"


def load_carrier_policy(order: Order, delivery: Delivery, now: datetime) -> CarrierPolicy:
    """The store's policy; a wish that came with the order goes before it (SPEC O4)."""
    store, wish = order.store, order.provider_preference
    mode, names = store.carried_by, list(store.preferred_carriers)
    if wish and wish != IN_HOUSE:
        mode, names = Carriers.PREFERRED, [wish, IN_HOUSE]
    elif wish == IN_HOUSE:
        mode = Carriers.IN_HOUSE_FIRST
    return CarrierPolicy(
        mode=mode,
        order=tuple(names),
        max_fee_minor=store.max_courier_fee_minor,
        max_minutes=store.max_courier_minutes,
        in_house_fee_minor=delivery.fee_minor,
        in_house_arrival_at=learned_speeds.expected_arrival(order, delivery, now=now),
        currency=order.currency,
    )


def list_options(order: Order, delivery: Delivery) -> tuple[CarrierOption, ...]:
    """Every company that is configured, also those that are not asked, and why not."""
    companies = providers.enabled_providers()
    if not companies:
        return ()
    earlier = Delivery.objects.filter(order=order, attempt__lt=delivery.attempt).exclude(courier=IN_HOUSE)
    had = set(earlier.values_list("courier", flat=True))
    quotes = {quote.courier: quote for quote in CourierQuote.objects.filter(delivery=delivery).order_by("id")}
    asked = CourierCall.objects.filter(delivery=delivery, purpose=CourierCall.Purpose.QUOTE, state__in=OPEN)
    since = dict(asked.values_list("courier", "created_at"))
    return tuple(
        _build_option(company.name, company.name in had, quotes.get(company.name), since.get(company.name))
        for company in companies
    )


def _build_option(courier: str, had: bool, quote: CourierQuote | None, asked_at: datetime | None) -> CarrierOption:
    excluded = HAD_IT if had else circuit_breaker.refusal_reason(courier)
    if asked_at is not None:
        return CarrierOption(courier, excluded, QuoteState.ASKED, asked_at=asked_at)
    if quote is None:
        return CarrierOption(courier, excluded)
    state = QuoteState.OK if quote.outcome == CourierQuote.Outcome.OK else QuoteState.REFUSED
    return CarrierOption(
        courier,
        excluded,
        state,
        quote_id=quote.pk,
        fee_minor=quote.fee_minor,
        currency=quote.currency,
        arrival_at=quote.arrival_at,
        expires_at=quote.expires_at,
        why=quote.reason or quote.get_outcome_display(),
    )
