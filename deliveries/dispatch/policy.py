"""What dispatch goes by (SPEC D1, D2, D4). Business time: never scaled with a simulated city."""

from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings


@dataclass(frozen=True)
class DispatchPolicy:
    """Distances in metres, times in seconds.

    `courier_after_s`: how long own riders are looked for, where they come first, before courier companies are asked.
    `quote_wait_s`: how long their quotes are waited for.

    `load_weight_m`: how many metres nearer a rider must be to make up for one more delivery under way. More than any
    radius, as here, means: fewest under way first, then nearest.
    """

    first_radius_m: int = 3_000
    widen_factor: float = 2.0
    max_radius_m: int = 15_000
    load_weight_m: int = 1_000_000
    candidates: int = 10
    shown_around: int = 15
    fresh_s: int = 120
    offer_s: int = 30
    widen_wait_s: float = 1.0
    retry_wait_s: float = 15.0
    alert_after_s: float = 180.0
    courier_after_s: float = 60.0
    quote_wait_s: float = 6.0

    def __post_init__(self) -> None:
        positive = ("first_radius_m", "candidates", "fresh_s", "offer_s", "widen_wait_s", "retry_wait_s")
        if wrong := [name for name in positive if getattr(self, name) <= 0]:
            raise ValueError(f"must be more than zero: {', '.join(wrong)}")
        if self.widen_factor < 1 or self.max_radius_m < self.first_radius_m:
            raise ValueError("the search must not become narrower")

    def radius_m(self, rounds: int) -> int:
        """How far around the store to look after `rounds` rounds that found nobody."""
        wide = self.first_radius_m * self.widen_factor ** min(rounds, 64)
        return round(min(self.max_radius_m, wide))

    def score_rider(self, load: int, distance_m: float) -> float:
        """Lower is better."""
        return load * self.load_weight_m + distance_m

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def current_policy() -> DispatchPolicy:
    return DispatchPolicy(fresh_s=settings.POSITION_FRESH_SECONDS, offer_s=settings.OFFER_SECONDS)
