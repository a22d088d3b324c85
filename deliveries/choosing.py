"""Which carrier a delivery goes to, by the store's policy (SPEC C7): own riders are one courier among the others. Pure.

Every carrier comes back with a verdict, so that "why not Uber?" has an answer. Nothing here asks anybody: what is known
of the carriers is in the snapshot, and what is still to be asked is part of the choice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from deliveries.models import IN_HOUSE
from deliveries.policy import DispatchPolicy
from orders.models import Store

Carriers = Store.Carriers
EXPIRES_SOON = timedelta(seconds=5)


class QuoteState(StrEnum):
    NONE = "none"
    ASKED = "asked"
    OK = "ok"
    REFUSED = "refused"


@dataclass(frozen=True)
class Option:
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
class Carriage:
    """The store's policy, and what own riders would take for this delivery. `order` is used by PREFERRED alone."""

    mode: str = Carriers.IN_HOUSE_FIRST
    order: Sequence[str] = ()
    max_fee_minor: int | None = None
    max_minutes: int | None = None
    in_house_fee_minor: int = 0
    in_house_arrival_at: datetime | None = None
    currency: str = ""


@dataclass(frozen=True)
class Weighed:
    option: Option
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
class Choice:
    """`carrier`: IN_HOUSE, a company (then `option`), or None: nobody yet. `ask`: companies to ask for a quote now."""

    carrier: str | None
    reason: str
    weighed: tuple[Weighed, ...]
    option: Option | None = None
    ask: tuple[str, ...] = ()

    @property
    def waits_for_quotes(self) -> bool:
        """Otherwise what is waited for, if nobody was chosen, is a rider."""
        return bool(self.ask) or (self.carrier is None and any(one.verdict == ASKED for one in self.weighed))


def choose(
    carriage: Carriage,
    options: Sequence[Option],
    policy: DispatchPolicy,
    now: datetime,
    *,
    riders: bool,
    riders_patience: bool,
) -> Choice:
    """`riders`: somebody of our own can be asked now. `riders_patience`: they have not been looked for long enough."""
    own = _own_riders(carriage, riders, riders_patience)
    weighed = (own, *(Weighed(option, _verdict(option, carriage, policy, now)) for option in options))
    match carriage.mode:
        case Carriers.CHEAPEST:
            return _best(weighed, _fee, "the cheapest")
        case Carriers.FASTEST:
            return _best(weighed, _arrival, "the fastest")
        case Carriers.PREFERRED:
            return _in_order(carriage.order, weighed)
        case _:
            if riders:
                return _chosen(own.option, "own riders first", weighed)
            if riders_patience:
                return Choice(None, "own riders first", weighed)
            return _best(weighed, _fee, "the cheapest, since no rider was found")


# ── one carrier ──────────────────────────────────────────────────────────────────────────────────────────────────
USABLE, TO_ASK, ASKED = "usable", "to be asked", "asked"
LOOKED_FOR, NOBODY_FREE = "still looked for", "nobody is free"


def _own_riders(carriage: Carriage, riders: bool, riders_patience: bool) -> Weighed:
    """Our own riders' estimate stands beside the companies' quotes."""
    own = Option(
        IN_HOUSE,
        quote=QuoteState.OK,
        fee_minor=carriage.in_house_fee_minor,
        currency=carriage.currency,
        arrival_at=carriage.in_house_arrival_at,
    )
    return Weighed(own, USABLE if riders else LOOKED_FOR if riders_patience else NOBODY_FREE)


def _verdict(option: Option, carriage: Carriage, policy: DispatchPolicy, now: datetime) -> str:
    if option.excluded:
        return option.excluded
    if option.quote == QuoteState.REFUSED:
        return f"refused: {option.why}"
    if option.quote == QuoteState.ASKED:
        waited = now - (option.asked_at or now)
        return ASKED if waited < timedelta(seconds=policy.quote_wait_s) else "no quote in time"
    if option.quote == QuoteState.NONE or (option.expires_at or now) <= now + EXPIRES_SOON:
        return TO_ASK
    if option.currency.upper() != carriage.currency.upper():
        return f"quotes in {option.currency}, the order is in {carriage.currency}"
    if carriage.max_fee_minor is not None and (option.fee_minor or 0) > carriage.max_fee_minor:
        return f"too expensive: more than {carriage.max_fee_minor}"
    latest = None if carriage.max_minutes is None else now + timedelta(minutes=carriage.max_minutes)
    if latest is not None and option.arrival_at is not None and option.arrival_at > latest:
        return f"too slow: later than in {carriage.max_minutes} min"
    return USABLE


# ── all of them ──────────────────────────────────────────────────────────────────────────────────────────────────
Measure = Callable[[Option], float]


def _fee(option: Option) -> float:
    return float(option.fee_minor or 0)


def _arrival(option: Option) -> float:
    return option.arrival_at.timestamp() if option.arrival_at else float("inf")


def _best(weighed: tuple[Weighed, ...], measure: Measure, name: str) -> Choice:
    """Ask whoever was not asked, wait for what was asked, then take the best."""
    if to_ask := tuple(one.option.courier for one in weighed if one.verdict == TO_ASK):
        return Choice(None, f"asking {', '.join(to_ask)} for quotes", weighed, ask=to_ask)
    if any(one.verdict == ASKED for one in weighed):
        return Choice(None, "waiting for quotes", weighed)
    usable = [one.option for one in weighed if one.verdict == USABLE]
    if not usable:
        return Choice(None, "no carrier is free and within the store's limits", weighed)
    best = min(usable, key=lambda option: (measure(option), option.courier))
    return _chosen(best, f"{best.courier} is {name} of {len(usable)}", weighed)


def _in_order(order: Sequence[str], weighed: tuple[Weighed, ...]) -> Choice:
    """The first of the list that can: only it is asked for a quote."""
    known = {one.option.courier: one for one in weighed}
    for one in (known[name] for name in order if name in known):
        courier = one.option.courier
        if one.verdict == TO_ASK:
            return Choice(None, f"asking {courier}, which is preferred", weighed, ask=(courier,))
        if one.verdict in (ASKED, LOOKED_FOR):
            return Choice(None, f"waiting for {courier}, which is preferred", weighed)
        if one.verdict == USABLE:
            return _chosen(one.option, f"{courier} is preferred", weighed)
    return Choice(None, "no carrier of the store's list is free", weighed)


def _chosen(option: Option, reason: str, weighed: tuple[Weighed, ...]) -> Choice:
    marked = tuple(replace(one, verdict="chosen") if one.option is option else one for one in weighed)
    company = None if option.courier == IN_HOUSE else option
    return Choice(option.courier, reason, marked, option=company)
