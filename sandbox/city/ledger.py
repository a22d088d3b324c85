"""What the city remembers of its day, to be held against what Handoff and Stripe say afterwards."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Orders by what the customers know, offers by what the riders answered, cheats by whether they were caught."""

    placed: dict[str, str] = field(default_factory=dict)  # our order_id → Handoff's id
    refused: dict[str, str] = field(default_factory=dict)  # order_id → the reason that was said
    ready_min: dict[str, float] = field(default_factory=dict)  # when the food stands on the counter
    paid: set[str] = field(default_factory=set)
    page: str = ""  # the first paid order's tracking page, as the storefront was told
    delivered: set[str] = field(default_factory=set)  # Handoff's ids, as the riders handed over
    suggested: dict[str, str] = field(default_factory=dict)  # substitution → whose order, as the tablets were told
    wanted: dict[str, str] = field(default_factory=dict)  # substitution → accepted or refused, by answer or by silence
    answers: Counter[str] = field(default_factory=Counter)
    offers: Counter[str] = field(default_factory=Counter)
    cheats: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)

    def surprise(self, text: str) -> None:
        """Something that should not happen in a healthy day; the first ones are shown at the end."""
        self.surprises.append(text)
