"""Which carrier a delivery goes to, by the store's policy (SPEC C7): own riders are one courier among the others. Pure.

Every carrier comes back with a verdict, so that "why not Uber?" has an answer. Nothing here asks anybody: what is known
of the carriers is in the snapshot, and what is still to be asked is part of the choice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from deliveries.dispatch.policy import DispatchPolicy
from deliveries.models import IN_HOUSE
from orders.models import Store

Carriers = Store.Carriers
EXPIRES_SOON = timedelta(seconds=5)


class QuoteState(StrEnum):
    NONE = "none"
    ASKED = "asked"
    OK = "ok"
    REFUSED = "refused"


@dataclass(frozen=True)
class CarrierOption:
    """A carrier as the snapshot knows it. `excluded`: why it is not asked at all, "" when it may be.

    `quote_id`, `fee_minor`, `currency`, `arrival_at` and `expires_at` are of its latest quote for this delivery,
    `why` says why it gave none; `asked_at`: when a quote was asked for that has not come.
    """

    courier: str
    excluded: str = ""
    quote: QuoteState = QuoteState.NONE
    quote_id: int | None = None
    fee_minor: int | None = None
    currency: str = ""
    arrival_at: datetime | None = None
    expires_at: datetime | None = None
    why: str = ""
    asked_at: datetime | None = None


@dataclass(frozen=True)
class CarrierPolicy:
    """The store's policy, and what own riders would take for this delivery. `order` is used by PREFERRED alone."""

    mode: str = Carriers.IN_HOUSE_FIRST
    order: Sequence[str] = ()
    max_fee_minor: int | None = None
    max_minutes: int | None = None
    in_house_fee_minor: int = 0
    in_house_arrival_at: datetime | None = None
    currency: str = ""


@dataclass(frozen=True)
class ScoredOption:
    option: CarrierOption
    verdict: str

    def as_json(self) -> dict[str, Any]:
        arrival_at = self.option.arrival_at
        return {
            "courier": self.option.courier,
            "verdict": self.verdict,
            "fee_minor": self.option.fee_minor,
            "currency": self.option.currency,
            "arrival_at": arrival_at.isoformat() if arrival_at else None,
        }


@dataclass(frozen=True)
class CarrierChoice:
    """`carrier`: IN_HOUSE, a company (then `option`), or None: nobody yet. `ask`: companies to ask for a quote now."""

    carrier: str | None
    reason: str
    weighed: tuple[ScoredOption, ...]
    option: CarrierOption | None = None
    ask: tuple[str, ...] = ()

    @property
    def waits_for_quotes(self) -> bool:
        """Otherwise what is waited for, if nobody was chosen, is a rider."""
        return bool(self.ask) or (self.carrier is None and any(one.verdict == ASKED for one in self.weighed))


def choose_carrier(
    carrier_policy: CarrierPolicy,
    options: Sequence[CarrierOption],
    policy: DispatchPolicy,
    now: datetime,
    *,
    riders: bool,
    riders_patience: bool,
) -> CarrierChoice:
    """`riders`: somebody of our own can be asked now. `riders_patience`: they have not been looked for long enough."""
    own = _own_riders(carrier_policy, riders, riders_patience)
    weighed = (own, *(ScoredOption(option, _judge_option(option, carrier_policy, policy, now)) for option in options))
    match carrier_policy.mode:
        case Carriers.CHEAPEST:
            return _pick_best(weighed, _fee_rank, "the cheapest")
        case Carriers.FASTEST:
            return _pick_best(weighed, _arrival_rank, "the fastest")
        case Carriers.PREFERRED:
            return _in_order(carrier_policy.order, weighed)
        case _:
            if riders:
                return _accept_option(own.option, "own riders first", weighed)
            if riders_patience:
                return CarrierChoice(None, "own riders first", weighed)
            return _pick_best(weighed, _fee_rank, "the cheapest, since no rider was found")


# ── one carrier ──────────────────────────────────────────────────────────────────────────────────────────────────
USABLE, TO_ASK, ASKED = "usable", "to be asked", "asked"
LOOKED_FOR, NOBODY_FREE = "still looked for", "nobody is free"


def _own_riders(carrier_policy: CarrierPolicy, riders: bool, riders_patience: bool) -> ScoredOption:
    """Our own riders' estimate stands beside the companies' quotes."""
    own = CarrierOption(
        IN_HOUSE,
        quote=QuoteState.OK,
        fee_minor=carrier_policy.in_house_fee_minor,
        currency=carrier_policy.currency,
        arrival_at=carrier_policy.in_house_arrival_at,
    )
    return ScoredOption(own, USABLE if riders else LOOKED_FOR if riders_patience else NOBODY_FREE)


def _judge_option(option: CarrierOption, carrier_policy: CarrierPolicy, policy: DispatchPolicy, now: datetime) -> str:
    if option.excluded:
        return option.excluded
    if option.quote == QuoteState.REFUSED:
        return f"refused: {option.why}"
    if option.quote == QuoteState.ASKED:
        waited = now - (option.asked_at or now)
        return ASKED if waited < timedelta(seconds=policy.quote_wait_s) else "no quote in time"
    if option.quote == QuoteState.NONE or (option.expires_at or now) <= now + EXPIRES_SOON:
        return TO_ASK
    if option.currency.upper() != carrier_policy.currency.upper():
        return f"quotes in {option.currency}, the order is in {carrier_policy.currency}"
    if carrier_policy.max_fee_minor is not None and (option.fee_minor or 0) > carrier_policy.max_fee_minor:
        return f"too expensive: more than {carrier_policy.max_fee_minor}"
    latest = None if carrier_policy.max_minutes is None else now + timedelta(minutes=carrier_policy.max_minutes)
    if latest is not None and option.arrival_at is not None and option.arrival_at > latest:
        return f"too slow: later than in {carrier_policy.max_minutes} min"
    return USABLE


# ── all of them ──────────────────────────────────────────────────────────────────────────────────────────────────
Measure = Callable[[CarrierOption], float]


def _fee_rank(option: CarrierOption) -> float:
    return float(option.fee_minor or 0)


def _arrival_rank(option: CarrierOption) -> float:
    return option.arrival_at.timestamp() if option.arrival_at else float("inf")


def _pick_best(weighed: tuple[ScoredOption, ...], measure: Measure, name: str) -> CarrierChoice:
    """Ask whoever was not asked, wait for what was asked, then take the best."""
    if to_ask := tuple(one.option.courier for one in weighed if one.verdict == TO_ASK):
        return CarrierChoice(None, f"asking {', '.join(to_ask)} for quotes", weighed, ask=to_ask)
    if any(one.verdict == ASKED for one in weighed):
        return CarrierChoice(None, "waiting for quotes", weighed)
    usable = [one.option for one in weighed if one.verdict == USABLE]
    if not usable:
        return CarrierChoice(None, "no carrier is free and within the store's limits", weighed)
    best = min(usable, key=lambda option: (measure(option), option.courier))
    return _accept_option(best, f"{best.courier} is {name} of {len(usable)}", weighed)


def _in_order(order: Sequence[str], weighed: tuple[ScoredOption, ...]) -> CarrierChoice:
    """The first of the list that can: only it is asked for a quote."""
    known = {one.option.courier: one for one in weighed}
    for one in (known[name] for name in order if name in known):
        courier = one.option.courier
        if one.verdict == TO_ASK:
            return CarrierChoice(None, f"asking {courier}, which is preferred", weighed, ask=(courier,))
        if one.verdict in (ASKED, LOOKED_FOR):
            return CarrierChoice(None, f"waiting for {courier}, which is preferred", weighed)
        if one.verdict == USABLE:
            return _accept_option(one.option, f"{courier} is preferred", weighed)
    return CarrierChoice(None, "no carrier of the store's list is free", weighed)


def _accept_option(option: CarrierOption, reason: str, weighed: tuple[ScoredOption, ...]) -> CarrierChoice:
    marked = tuple(replace(one, verdict="chosen") if one.option is option else one for one in weighed)
    company = None if option.courier == IN_HOUSE else option
    return CarrierChoice(option.courier, reason, marked, option=company)
